//! How long expired entries lie in the table.
//!
//! Kernels that adapt (5.18 and later) let the collector go over the table at intervals that are
//! the mean of what is left to its living entries, each taken for between 1 s and 300 s, with 100
//! more of 60 s, and at least 1 s and at most 60 s (`gc_worker` in nf_conntrack_core.c; an entry is
//! met twice, once for each direction). Earlier ones take two minutes for a round. A look into a
//! chain removes what has expired there as well: an entry is in two of them. What the measured time
//! until removal differs from all that is put down to the length of the rounds, and what they cannot
//! explain to more lookups than were counted.

use tracker_common::{Timer, layout::HistogramId};

use super::Trial;
use crate::{
    analysis::Observed,
    recording::{Distribution, Recording},
    settings::Name,
};

/// Rounds of kernels that do not adapt, in seconds.
const FIXED: f64 = 120.0;
/// Shortest and longest time between two rounds of those that do.
const ROUNDS: (f64, f64) = (1.0, 60.0);
/// Shortest and longest time for which an entry counts.
const LEFT: (f64, f64) = (1.0, 300.0);
/// Entries that count beside the real ones, and for how long.
const VIRTUAL: (f64, f64) = (100.0, 60.0);

/// Rounds are not taken for shorter than this share of what the kernel's rule says.
const SHORTEST: f64 = 0.6;
/// A share of the entries' time that may be missing from what gaps tell by the edges of the watch.
const CHANCE: f64 = 0.1;

/// The collector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Collector {
    /// Time between two rounds, in seconds.
    pub round: f64,
    /// Share of the expired entries that lookups remove, per second.
    lookups: f64,
    /// Rounds take so many times what the kernel's rule says.
    factor: f64,
}

impl Collector {
    /// As it was during the watch.
    pub fn now(recording: &Recording, observed: &Observed) -> Self {
        let rule = match recording.description.collector_adapts {
            Some(true) => adapted(recording, observed, &[]),
            Some(false) => FIXED,
            // All of it is put down to rounds, which then stay as they are.
            None => 2.0 * measured(observed),
        };
        let chains = observed.table.map_or(0, |it| it.buckets).max(1) as f64;
        let packets = sum(&observed.counters.gaps).saturating_add(sum(&observed.counters.inserts));
        let lookups = 2.0 * observed.rate(packets) / chains;
        Self::fitted(rule, measured(observed), lookups)
    }

    /// With rounds of about this length by the kernel's rule, this mean time until removal, and so
    /// many lookups.
    fn fitted(rule: f64, lag: f64, lookups: f64) -> Self {
        // With lookups alone entries would lie for 1/lookups: no round is long enough for more.
        let lookups = lookups.min(0.5 / lag.max(1e-9));
        let round = solve(1e7, |round| mean_lag(round, lookups) < lag);
        if round >= rule * SHORTEST {
            return Self {
                round,
                lookups,
                factor: round / rule.max(1e-9),
            };
        }
        let round = rule * SHORTEST;
        Self {
            round,
            lookups: solve(1e6, |lookups| mean_lag(round, lookups) > lag),
            factor: SHORTEST,
        }
    }

    /// As it becomes under other settings.
    pub fn under(self, recording: &Recording, observed: &Observed, trials: &[Trial]) -> Self {
        match recording.description.collector_adapts {
            Some(true) => Self {
                round: adapted(recording, observed, trials) * self.factor,
                ..self
            },
            _ => self,
        }
    }

    /// Mean time from expiry to removal, in seconds.
    pub fn lag(&self) -> f64 {
        mean_lag(self.round, self.lookups)
    }

    /// How many more seconds' worth of expired entries lie in the table when a round begins than do on
    /// average.
    pub fn heap(&self) -> f64 {
        let looked = self.lookups * self.round;
        let left = if looked < 1e-3 {
            1.0
        } else {
            -(-looked).exp_m1() / looked
        };
        self.round * left - self.lag()
    }
}

/// The number up to which something holds.
fn solve(most: f64, holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, most);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if holds(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

fn sum(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum, &it| sum.saturating_add(it))
}

/// Mean time until removal of an entry that expires at any moment of a round, if lookups come at
/// random: the integral of (1 - e^-av)/a over the round.
fn mean_lag(round: f64, lookups: f64) -> f64 {
    let looked = lookups * round;
    if looked < 1e-3 {
        round / 2.0 * (1.0 - looked / 3.0)
    } else {
        (1.0 + (-looked).exp_m1() / looked) / lookups
    }
}

/// Mean time from expiry to removal during the watch.
fn measured(observed: &Observed) -> f64 {
    let overdue = observed.histogram(HistogramId::Overdue);
    overdue.sum_us as f64 / 1e6 / overdue.count().max(1) as f64
}

/// Length of a round by the rule of kernels that adapt.
fn adapted(recording: &Recording, observed: &Observed, trials: &[Trial]) -> f64 {
    // What neither a gap nor the time after an expiry tells of: entries that were never heard of
    // again, and have long to live.
    let lying = observed.histogram(HistogramId::Overdue).sum_us as f64 / 1e6;
    let told = Time::of(recording, &[]).spent + lying;
    let all = observed.course.mean() * observed.seconds;
    let unseen = (all * (1.0 - CHANCE) - told).max(0.0);
    let mut time = Time::of(recording, trials);
    time.spent += unseen;
    time.left += unseen * LEFT.1;
    let entries = 2.0 * time.spent / observed.seconds.max(1.0);
    let left = time.left / time.spent.max(f64::MIN_POSITIVE);
    let mean = (VIRTUAL.0 * VIRTUAL.1 + entries * left) / (VIRTUAL.0 + entries);
    mean.clamp(ROUNDS.0, ROUNDS.1)
}

/// Time that living entries spend, and what is left to them meanwhile, over that time.
#[derive(Default)]
struct Time {
    spent: f64,
    left: f64,
}

impl Time {
    /// Under other settings.
    fn of(recording: &Recording, trials: &[Trial]) -> Self {
        let mut time = Self::default();
        for namespace in &recording.namespaces {
            for &timer in Timer::ALL {
                let name = Name::Timer(timer);
                let Some(now) = namespace.timeout(timer) else {
                    continue;
                };
                let length = Trial::all(trials, name, now) as f64;
                time.add(namespace.histograms.get(&HistogramId::Gap(timer)), length);
                let expired = namespace.counters.timer_expired[timer.id()];
                time.idle(length, length, expired as f64);
            }
        }
        time
    }

    /// Gaps under a timer of this length.
    fn add(&mut self, gaps: Option<&Distribution>, length: f64) {
        for (edge_us, count) in gaps.into_iter().flat_map(Distribution::edges) {
            self.idle(edge_us as f64 / 1e6, length, count as f64);
        }
    }

    /// So many entries are idle for a time, under a timer that ends them at its length.
    fn idle(&mut self, idle: f64, length: f64, count: f64) {
        let idle = idle.min(length);
        self.spent += idle * count;
        self.left += (area(length) - area(length - idle)) * count;
    }
}

/// What is left, as it counts, from `left` seconds down to 0: the integral of it.
fn area(left: f64) -> f64 {
    let below = left.clamp(0.0, LEFT.0) * LEFT.0;
    let between = left.clamp(LEFT.0, LEFT.1);
    let above = (left - LEFT.1).max(0.0) * LEFT.1;
    below + (between.powi(2) - LEFT.0.powi(2)) / 2.0 + above
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_until_removal_is_what_was_measured() {
        for lookups in [0.0, 0.01, 0.5] {
            for lag in [0.05, 0.5, 5.0, 20.0, 29.9, 45.0] {
                let it = Collector::fitted(60.0, lag, lookups);
                assert!((it.lag() - lag).abs() < 1e-3 * lag, "{lag}: {}", it.lag());
                assert!(it.round >= 36.0);
            }
        }
        let slow = Collector::fitted(60.0, 45.0, 0.0);
        assert!((slow.round - 90.0).abs() < 1e-3);
        assert!((slow.heap() - 45.0).abs() < 1e-3);
    }

    #[test]
    fn what_is_left_counts_between_1_and_300_seconds() {
        assert!((area(1.0) - 1.0).abs() < 1e-9);
        // From 120 s down to 0 half of it is left on average.
        assert!((area(120.0) / 120.0 - 60.0).abs() < 0.1);
        assert!((area(1_000.0) - area(300.0) - 700.0 * 300.0).abs() < 1e-6);
    }
}
