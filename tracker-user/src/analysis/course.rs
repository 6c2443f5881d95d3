//! The course of the entry count: mean, peak, quantile; and how bursty its arrivals are.

use std::time::Duration;

use crate::recording::{Interval, NamespaceRecord};

/// Entry count and events, interval by interval.
#[derive(Clone, Debug, Default)]
pub struct Course {
    steps: Vec<Step>,
}

/// One interval.
#[derive(Clone, Copy, Debug)]
struct Step {
    seconds: f64,
    mean: f64,
    peak: u64,
    inserted: u64,
    /// The watch of another recording begins here.
    first: bool,
}

impl Course {
    /// Of some namespaces together. A peak is the sum of their peaks in the same interval.
    #[must_use]
    pub fn of<'a>(
        intervals: &[Interval],
        namespaces: impl IntoIterator<Item = &'a NamespaceRecord>,
    ) -> Self {
        let mut steps: Vec<(bool, Step)> = intervals
            .iter()
            .map(|it| {
                let seconds = it.length().as_secs_f64();
                let first = it.started == Duration::ZERO;
                let step = Step {
                    seconds,
                    mean: 0.0,
                    peak: 0,
                    inserted: 0,
                    first,
                };
                (false, step)
            })
            .collect();
        for sample in namespaces.into_iter().flat_map(|it| &it.samples) {
            let Some((counted, step)) = steps.get_mut(sample.interval) else {
                continue;
            };
            if let Some((_, mean, peak)) = sample.count {
                *counted = true;
                step.mean += mean;
                step.peak = step.peak.saturating_add(peak);
            }
            step.inserted = step.inserted.saturating_add(sample.inserted);
        }
        Self {
            steps: steps
                .into_iter()
                .filter(|(counted, _)| *counted)
                .map(|it| it.1)
                .collect(),
        }
    }

    /// Puts another watch behind this one.
    pub fn append(&mut self, later: Self) {
        self.steps.extend(later.steps);
    }

    /// Mean count over time; between the least and the most that an interval had.
    #[must_use]
    pub fn mean(&self) -> f64 {
        let mut time = 0.0;
        let mut mean = self.steps.last().map_or(0.0, |it| it.mean);
        // A step at a time: products, added up and divided, may round to above the highest.
        for step in self.steps.iter().filter(|it| it.seconds > 0.0) {
            time += step.seconds;
            mean += (step.mean - mean) * (step.seconds / time);
        }
        mean
    }

    /// Highest count sampled.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.steps.iter().map(|it| it.peak).max().unwrap_or(0)
    }

    /// The count that is not exceeded in a share `q` of the time. Intervals count with their peaks.
    #[must_use]
    pub fn quantile(&self, q: f64) -> u64 {
        let mut peaks: Vec<(u64, f64)> =
            self.steps.iter().map(|it| (it.peak, it.seconds)).collect();
        peaks.sort_by_key(|&(peak, _)| peak);
        let wanted = q * peaks.iter().map(|it| it.1).sum::<f64>();
        let mut time = 0.0;
        peaks
            .iter()
            .find(|(_, seconds)| {
                time += seconds;
                time >= wanted
            })
            .or(peaks.last())
            .map_or(0, |&(peak, _)| peak)
    }

    /// Most inserts per second in an interval of at least a second.
    #[must_use]
    pub fn peak_insert_rate(&self) -> f64 {
        self.steps
            .iter()
            .filter(|it| it.seconds >= 0.9)
            .map(|it| it.inserted as f64 / it.seconds)
            .fold(0.0, f64::max)
    }

    /// How much more arrivals vary than independent ones do: the variance of their number in a window over its mean,
    /// at least 1 (Cox and Lewis, "The statistical analysis of series of events", 1966). `window` should be about an
    /// entry's life: bursts show best at that scale.
    ///
    /// The variance is that of the difference of neighbouring windows (von Neumann, "Distribution of the ratio of the
    /// mean square successive difference to the variance", 1941): the slow course of a day is in the peak already. Only
    /// arrivals count, since the kernel removes what has expired in heaps.
    #[must_use]
    pub fn dispersion(&self, window: f64) -> f64 {
        let windows = self.windows(window);
        let time: f64 = windows.iter().map(|it| it.seconds).sum();
        let inserted: f64 = windows.iter().map(|it| it.inserted).sum();
        let rate = inserted / time.max(f64::MIN_POSITIVE);
        let pairs = windows.windows(2).filter(|it| !it[1].first);
        let ratios: Vec<f64> = pairs
            .map(|it| {
                let difference = it[1].inserted / it[1].seconds - it[0].inserted / it[0].seconds;
                // Of independent arrivals, the variance of that difference.
                difference.powi(2) / (rate / it[0].seconds + rate / it[1].seconds)
            })
            .collect();
        // A variance of a handful of numbers says nothing.
        if ratios.len() < 10 || inserted <= 0.0 {
            return 1.0;
        }
        (ratios.iter().sum::<f64>() / ratios.len() as f64).max(1.0)
    }

    /// Arrivals in windows of at least this length, as many whole ones as there are.
    fn windows(&self, length: f64) -> Vec<Window> {
        let mut windows = Vec::new();
        let empty = |first| Window {
            seconds: 0.0,
            inserted: 0.0,
            first,
        };
        let mut now = empty(true);
        for step in &self.steps {
            if step.first {
                now = empty(true);
            }
            now.seconds += step.seconds;
            now.inserted += step.inserted as f64;
            if now.seconds > 0.0 && now.seconds >= length {
                windows.push(now);
                now = empty(false);
            }
        }
        windows
    }
}

/// Intervals together.
#[derive(Clone, Copy, Debug)]
struct Window {
    seconds: f64,
    inserted: f64,
    /// The first one of a watch.
    first: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn step(mean: f64, inserted: u64) -> Step {
        let peak = mean as u64;
        Step {
            seconds: 1.0,
            mean,
            peak,
            inserted,
            first: false,
        }
    }

    #[test]
    fn nothing_seen_is_nothing_counted() {
        let none = Course::default();
        assert_eq!((none.mean(), none.peak(), none.quantile(0.99)), (0.0, 0, 0));
        assert_eq!((none.dispersion(1.0), none.peak_insert_rate()), (1.0, 0.0));
    }

    #[test]
    fn a_peak_counts_for_its_time() {
        let mut steps = vec![step(100.0, 10); 98];
        steps.extend([step(900.0, 500), step(1_000.0, 20)]);
        let course = Course { steps };
        assert_eq!(course.peak(), 1_000);
        assert_eq!(course.quantile(0.5), 100);
        assert_eq!(course.quantile(0.99), 900);
        assert!((course.mean() - 117.0).abs() < 1e-9);
        assert!((course.peak_insert_rate() - 500.0).abs() < 1e-9);
    }

    #[test]
    fn bursts_are_seen_and_steady_traffic_is_not_called_bursty() {
        let swing = |by: u64| Course {
            steps: (0..100)
                .map(|i| step(1_000.0, 100 + by * (i % 2)))
                .collect(),
        };
        // A difference of 14 between windows of a hundred is what chance makes of it; 200 is not.
        assert!(swing(14).dispersion(1.0) <= 1.0);
        assert!((swing(200).dispersion(1.0) - 100.0).abs() < 1e-9);
        // At another scale nothing is left of it.
        assert!(swing(200).dispersion(2.0) <= 1.0);
    }

    #[test]
    fn what_the_collector_heaps_up_and_the_hours_bring_is_no_burst() {
        // The count falls at once when the collector comes, every 20 s.
        let saw = |at: u32| step(1_000.0 + f64::from(at % 20) * 100.0, 100);
        let course = Course {
            steps: (0..200).map(saw).collect(),
        };
        assert!(course.dispersion(5.0) <= 1.0);
        // From ten a second in the night to a thousand at noon and back.
        let day = (0..2_000_u64).map(|at| step(1_000.0, 10 + at.min(2_000 - at)));
        let course = Course {
            steps: day.collect(),
        };
        assert!(course.dispersion(5.0) < 1.1);
    }

    #[test]
    fn windows_of_unequal_length_and_another_watch_are_no_burst() {
        let long = Step {
            seconds: 10.0,
            ..step(1_000.0, 1_000)
        };
        let mut steps = Vec::new();
        for _ in 0..20 {
            steps.extend([long, step(1_000.0, 100)]);
        }
        let busy = |at: u64| Step {
            first: at == 0,
            ..step(9_000.0, 9_000)
        };
        steps.extend((0..20).map(busy));
        assert!(Course { steps }.dispersion(1.0) <= 1.0);
    }

    proptest! {
        #[test]
        fn a_mean_is_not_beyond_what_it_is_of(
            steps in prop::collection::vec((0u64..1_000_000, 0.0..10.0), 1..50), still: bool,
        ) {
            let first = steps[0].0;
            let steps = steps.into_iter().map(|(count, seconds)| {
                Step { seconds, ..step(if still { first } else { count } as f64, 3) }
            });
            let course = Course { steps: steps.collect() };
            prop_assert!(course.mean() <= course.peak() as f64);
            if still {
                prop_assert_eq!(course.mean(), first as f64);
            }
        }

        #[test]
        fn quantiles_lie_between_nothing_and_the_peak(
            means in prop::collection::vec(0.0..1e6, 0..50), q in 0.0..1.0,
        ) {
            let course = Course { steps: means.iter().map(|&mean| step(mean, 3)).collect() };
            prop_assert!(course.quantile(q) <= course.peak());
            prop_assert!(course.mean() <= course.peak() as f64 + 1.0);
            prop_assert!(course.dispersion(5.0) >= 1.0);
        }
    }
}
