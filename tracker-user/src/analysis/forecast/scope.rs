//! The course of the entry count in some namespaces of a recording, now and then.

use std::time::Duration;

use tracker_common::{Timer, layout::HistogramId};

use super::{Trial, collector::Collector, cumulative::Cumulative};
use crate::{
    recording::{Interval, NamespaceRecord, Recording},
    settings::Name,
};

/// Values that stand for the distribution of the times until removal.
const LAGS: usize = 16;
/// Values that stand for when in its interval an entry was removed, or in the next one.
const INSIDE: usize = 4;
/// Intervals over which the slow course is averaged, at least: it shall not follow chance.
const WINDOW: f64 = 12.0;

/// Some namespaces of a recording.
pub struct Scope {
    moments: Vec<Moment>,
    flows: Vec<Flow>,
    /// Length of an interval, in seconds: the median.
    interval: f64,
}

/// An interval in which entries were counted, once or several times.
#[derive(Clone, Copy, Debug)]
struct Moment {
    /// Its end, in seconds.
    at: f64,
    seconds: f64,
    mean: f64,
    peak: f64,
}

/// Entries that expire under one timer in one namespace.
struct Flow {
    /// When the timer ran out.
    expired: Cumulative,
    /// How much shorter the timer becomes, in seconds.
    shorter: f64,
}

impl Scope {
    /// These namespaces, under other settings.
    pub fn new(recording: &Recording, namespaces: &[&NamespaceRecord], trials: &[Trial]) -> Self {
        let interval = interval(recording);
        let flows = namespaces.iter().flat_map(|namespace| {
            let lags = lags(interval, namespace);
            let timers = Timer::ALL.iter();
            let seen = timers.filter(|it| namespace.counters.timer_expired[it.id()] > 0);
            seen.map(|&timer| Flow::new(recording, namespace, timer, trials, &lags))
                .collect::<Vec<_>>()
        });
        Self {
            flows: flows.collect(),
            moments: moments(recording, namespaces),
            interval,
        }
    }

    /// The count, with this collector now and that one then.
    ///
    /// A peak is made of the slow course of the count, of the heap that the collector has let grow
    /// when it comes, and of chance. The first two are followed; of chance there is as much as the
    /// peak that was seen is higher than they make it, in proportion to the root of the count.
    pub fn counts(&self, now: &Collector, then: &Collector) -> Counts {
        let mut counts = Counts::default();
        let (mut tops, mut tops_then) = (Top::default(), Top::default());
        let window = f64::max(2.0 * now.round, WINDOW * self.interval);
        for (moment, slow) in self.moments.iter().zip(self.slow(window)) {
            let change = self.change(moment.at, window / 2.0, now, then);
            counts.add(moment, (moment.mean + change.count).max(0.0));
            tops.see(slow, change.heap_now);
            tops_then.see((slow + change.count).max(0.0), change.heap_then);
        }
        let chance = counts.peak - tops.slow - tops.heap;
        let shrunk = (tops_then.slow / tops.slow.max(1.0)).sqrt();
        counts.peak_then = tops_then.slow + tops_then.heap + chance * shrunk;
        counts
    }

    /// What becomes of the count around a time, averaged over `half` seconds before and after.
    fn change(&self, at: f64, half: f64, now: &Collector, then: &Collector) -> Change {
        let half = half.max(1.0);
        let (mut saved, mut rate, mut rate_then) = (0.0, 0.0, 0.0);
        for flow in &self.flows {
            let around = |at: f64| flow.expired.between(at - half, at + half) / (2.0 * half);
            // Averaged as the rates are: of a heap that was collected at once nobody knows when each
            // of it had expired.
            let times = [at - half * 2.0 / 3.0, at, at + half * 2.0 / 3.0];
            let each = times.map(|at| flow.expired.between(at, at + flow.shorter));
            saved += each.iter().sum::<f64>() / 3.0;
            rate += around(at);
            rate_then += around(at + flow.shorter);
        }
        Change {
            count: rate_then * then.lag() - rate * now.lag() - saved,
            heap_now: rate * now.heap(),
            heap_then: rate_then * then.heap(),
        }
    }

    /// The count at each moment, averaged over so many seconds around it.
    fn slow(&self, window: f64) -> Vec<f64> {
        let mut sum = 0.0;
        let mut points = Vec::new();
        for moment in &self.moments {
            points.push((moment.at - moment.seconds, sum));
            sum += moment.mean * moment.seconds;
        }
        points.extend(self.moments.last().map(|it| (it.at, sum)));
        let area = Cumulative::from(points);
        let slow = self.moments.iter().map(|it| {
            let half = window.max(it.seconds) / 2.0;
            area.between(it.at - half, it.at + half) / (2.0 * half)
        });
        let bare = |it: &Moment| it.seconds <= 0.0;
        if self.moments.iter().all(bare) {
            return self.moments.iter().map(|it| it.mean).collect();
        }
        slow.collect()
    }
}

/// What becomes of a count.
struct Change {
    count: f64,
    /// How much higher it is when the collector comes than on average.
    heap_now: f64,
    heap_then: f64,
}

/// Where slow course and heap are highest together.
#[derive(Default)]
struct Top {
    slow: f64,
    heap: f64,
}

impl Top {
    fn see(&mut self, slow: f64, heap: f64) {
        if slow + heap > self.slow + self.heap {
            *self = Self { slow, heap };
        }
    }
}

impl Flow {
    fn new(
        recording: &Recording,
        namespace: &NamespaceRecord,
        timer: Timer,
        trials: &[Trial],
        lags: &[f64],
    ) -> Self {
        let end = |interval: usize| {
            let interval = recording.intervals.get(interval);
            interval.map_or(0.0, |it| it.ended.as_secs_f64())
        };
        let added = namespace.samples.iter().map(|sample| {
            let of = sample.expired.iter().find(|it| it.0 == timer);
            (end(sample.interval), of.map_or(0, |it| it.1))
        });
        let first = namespace.samples.first().map(|it| it.interval);
        let start = first.and_then(|it| recording.intervals.get(it));
        let start = start.map_or(Duration::ZERO, |it| it.started).as_secs_f64();
        let removed = Cumulative::of(start, added);
        let name = Name::Timer(timer);
        let current = namespace.timeout(timer);
        let shorter = current.map_or(0.0, |current| {
            current as f64 - Trial::all(trials, name, current) as f64
        });
        Self {
            expired: removed.earlier(lags),
            shorter,
        }
    }
}

/// Length of an interval, in seconds: the median.
fn interval(recording: &Recording) -> f64 {
    let mut lengths: Vec<Duration> = recording.intervals.iter().map(Interval::length).collect();
    lengths.sort();
    let median = lengths.get(lengths.len() / 2);
    median.map_or(0.0, Duration::as_secs_f64)
}

/// Times from expiry to removal, all equally likely, in seconds. Of the removal only the interval is
/// known: it is spread over two, so that one round's heap does not look like a burst of expiries.
fn lags(interval: f64, namespace: &NamespaceRecord) -> Vec<f64> {
    let Some(overdue) = namespace.histograms.get(&HistogramId::Overdue) else {
        return Vec::new();
    };
    let share = |it: usize, of: usize| (it as f64 + 0.5) / of as f64;
    (0..LAGS * INSIDE)
        .map(|it| {
            let lag = overdue.quantile_us(share(it / INSIDE, LAGS)) as f64 / 1e6;
            lag + (share(it % INSIDE, INSIDE) - 0.5) * 2.0 * interval
        })
        .collect()
}

/// Entries counted, over all these namespaces.
fn moments(recording: &Recording, namespaces: &[&NamespaceRecord]) -> Vec<Moment> {
    let mut moments: Vec<Option<Moment>> = vec![None; recording.intervals.len()];
    for sample in namespaces.iter().flat_map(|it| &it.samples) {
        let interval = recording.intervals.get(sample.interval);
        let (Some(interval), Some((_, mean, high))) = (interval, sample.count) else {
            continue;
        };
        let (start, end) = (interval.started.as_secs_f64(), interval.ended.as_secs_f64());
        let moment = moments[sample.interval].get_or_insert(Moment {
            at: end,
            seconds: end - start,
            mean: 0.0,
            peak: 0.0,
        });
        moment.mean += mean;
        moment.peak += high as f64;
    }
    moments.into_iter().flatten().collect()
}

/// The count in one watch or in several.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    seconds: f64,
    mean: f64,
    mean_then: f64,
    /// Highest counts of intervals, with their lengths.
    peaks: Vec<(f64, f64)>,
    peak: f64,
    peak_then: f64,
}

/// Mean, what is not exceeded in 99 % of the time, and peak.
#[derive(Clone, Copy, Debug)]
pub struct Figures {
    pub mean: f64,
    pub p99: f64,
    pub peak: f64,
}

impl Counts {
    fn add(&mut self, moment: &Moment, mean_then: f64) {
        self.step(moment.seconds, moment.mean, mean_then);
        self.peak = self.peak.max(moment.peak);
        self.peaks.push((moment.peak, moment.seconds));
    }

    /// Takes more time into the means. A step at a time: products, added up and divided, may round to
    /// above the highest.
    fn step(&mut self, seconds: f64, mean: f64, mean_then: f64) {
        if self.seconds <= 0.0 {
            (self.mean, self.mean_then) = (mean, mean_then);
        }
        self.seconds += seconds;
        if seconds > 0.0 {
            let share = seconds / self.seconds;
            self.mean += (mean - self.mean) * share;
            self.mean_then += (mean_then - self.mean_then) * share;
        }
    }

    /// Puts those of another watch beside these.
    pub fn append(&mut self, other: Self) {
        self.step(other.seconds, other.mean, other.mean_then);
        self.peak = self.peak.max(other.peak);
        self.peak_then = self.peak_then.max(other.peak_then);
        self.peaks.extend(other.peaks);
    }

    /// Time that was watched.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// As they were seen.
    pub fn now(&self) -> Figures {
        Figures {
            mean: self.mean,
            p99: quantile(self.peaks.clone(), 0.99),
            peak: self.peak,
        }
    }

    /// As they become.
    pub fn then(&self) -> Figures {
        let now = self.now();
        let peak = self.peak_then.max(self.mean_then);
        let above = |peak: f64, mean: f64| (peak - mean).max(0.0);
        let grown = above(peak, self.mean_then) / above(now.peak, now.mean).max(1.0);
        let p99 = self.mean_then + (now.p99 - now.mean) * grown;
        Figures {
            mean: self.mean_then,
            p99: p99.clamp(self.mean_then, peak),
            peak,
        }
    }
}

/// The value that is not exceeded in a share `q` of the time.
fn quantile(mut values: Vec<(f64, f64)>, q: f64) -> f64 {
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let wanted = q * values.iter().map(|it| it.1).sum::<f64>();
    let mut time = 0.0;
    let found = values.iter().find(|(_, seconds)| {
        time += seconds;
        time >= wanted
    });
    found.or(values.last()).map_or(0.0, |it| it.0)
}
