//! The course of the entry count: mean, peak, quantile and dispersion.

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
    destroyed: u64,
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
                    destroyed: 0,
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
            step.destroyed = step.destroyed.saturating_add(sample.destroyed);
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

    /// How much more the count varies than independent arrivals would make it: the variance of its
    /// increments over the events in them, at least 1.
    ///
    /// In M/G/∞ the increment over a window that is short against an entry's life is the
    /// difference of two Poisson numbers, so its variance is inserts + deaths (Eick, Massey and
    /// Whitt, "The physics of the Mt/G/∞ queue", 1993). `window` should be about an entry's life:
    /// bursts show best at that scale.
    #[must_use]
    pub fn dispersion(&self, window: f64) -> f64 {
        let mut increments = Vec::new();
        let mut events = 0.0;
        let mut time = 0.0;
        let mut begin: Option<f64> = None;
        let mut inside = 0.0;
        for step in &self.steps {
            let Some(from) = begin.filter(|_| !step.first) else {
                (begin, time, inside) = (Some(step.mean), 0.0, 0.0);
                continue;
            };
            time += step.seconds;
            inside += (step.inserted + step.destroyed) as f64;
            if time >= window {
                increments.push(step.mean - from);
                events += inside;
                (begin, time, inside) = (Some(step.mean), 0.0, 0.0);
            }
        }
        // A variance of a handful of numbers says nothing.
        if increments.len() < 10 || events <= 0.0 {
            return 1.0;
        }
        let number = increments.len() as f64;
        let mean = increments.iter().sum::<f64>() / number;
        let squares: f64 = increments.iter().map(|it| (it - mean).powi(2)).sum();
        (squares / (number - 1.0) / (events / number)).max(1.0)
    }
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
            destroyed: inserted,
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
        // ±10 at 200 events a second is what chance makes of it; ±200 is not.
        let swing = |by: f64| Course {
            steps: (0..100)
                .map(|i| step(1_000.0 + by * f64::from(i % 2), 100))
                .collect(),
        };
        assert!((swing(10.0).dispersion(1.0) - 1.0).abs() < 1e-9);
        assert!(swing(200.0).dispersion(1.0) > 100.0);
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
