//! Entries that are there, in the course of a watch.

use super::Occupancy;
use crate::recording::{Distribution, Interval};

/// Time that entries spend, in seconds, by interval.
pub struct Course {
    spent: Vec<f64>,
    /// Entries that are there for the whole of an interval: more than in the one before.
    more: Vec<f64>,
}

impl Course {
    pub fn new(intervals: usize) -> Self {
        Self {
            spent: vec![0.0; intervals],
            more: vec![0.0; intervals + 1],
        }
    }

    /// So many entries are there from one time to another, as far as that is in the watch.
    pub fn add(&mut self, intervals: &[Interval], from: f64, to: f64, entries: f64) {
        let (Some(first), Some(last)) = (intervals.first(), intervals.last()) else {
            return;
        };
        let from = from.max(first.started.as_secs_f64());
        let to = to.min(last.ended.as_secs_f64());
        if to <= from {
            return;
        }
        let (begin, end) = (at(intervals, from), at(intervals, to));
        if begin == end {
            self.spent[begin] += (to - from) * entries;
            return;
        }
        self.spent[begin] += (intervals[begin].ended.as_secs_f64() - from) * entries;
        self.spent[end] += (to - intervals[end].started.as_secs_f64()).max(0.0) * entries;
        self.more[begin + 1] += entries;
        self.more[end] -= entries;
    }

    /// Entries that had waited for these times until then. Buckets tell them from above; their sum is exact.
    pub fn waited(&mut self, intervals: &[Interval], end: f64, times: &Distribution) {
        let told: f64 = times
            .edges()
            .map(|(us, count)| us as f64 * count as f64)
            .sum();
        let exact = times.sum_us as f64 / told.max(1.0);
        for (us, count) in times.edges() {
            self.add(intervals, end - us as f64 / 1e6 * exact, end, count as f64);
        }
    }

    /// Waits that all lie in the interval of a time.
    pub fn spend(&mut self, intervals: &[Interval], time: f64, seconds: f64) {
        if let Some(spent) = self.spent.get_mut(at(intervals, time)) {
            *spent += seconds;
        }
    }

    pub fn merge(&mut self, other: &Self) {
        let pairs = |kept: &mut [f64], other: &[f64]| {
            for (kept, other) in kept.iter_mut().zip(other) {
                *kept += other;
            }
        };
        pairs(&mut self.spent, &other.spent);
        pairs(&mut self.more, &other.more);
    }

    pub fn summed(&self, intervals: &[Interval]) -> Occupancy {
        let (mut whole, mut all, mut time, mut peak) = (0.0, 0.0, 0.0, 0.0_f64);
        for ((interval, spent), more) in intervals.iter().zip(&self.spent).zip(&self.more) {
            whole += more;
            let seconds = interval.length().as_secs_f64();
            let spent = spent + whole * seconds;
            all += spent;
            time += seconds;
            if seconds > 0.0 {
                peak = peak.max(spent / seconds);
            }
        }
        Occupancy {
            mean: all / f64::max(time, f64::MIN_POSITIVE),
            peak,
        }
    }
}

/// The interval of a time; the last one if it is later.
fn at(intervals: &[Interval], time: f64) -> usize {
    let later = intervals.partition_point(|it| it.ended.as_secs_f64() <= time);
    later.min(intervals.len().saturating_sub(1))
}
