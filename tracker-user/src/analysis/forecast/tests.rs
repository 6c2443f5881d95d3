//! The forecast against the table itself, played entry by entry.

use std::time::Duration;

use proptest::prelude::*;
use tracker_common::{Proto, Reason, State, Timer, layout::HistogramId};

use super::*;
use crate::{recording::synthetic::Synthetic, settings::Name};

/// An entry of one timer: when it begins, and when its last packet comes.
#[derive(Clone, Copy)]
struct Entry {
    begins: f64,
    ends: f64,
    timer: Timer,
}

/// What is played.
struct Play<'a> {
    entries: &'a [Entry],
    timeouts: &'a [(Timer, f64)],
    /// Beginning and length of the watch, and of its intervals.
    watch: (f64, f64, f64),
}

impl Play<'_> {
    fn timeout(&self, timer: Timer) -> f64 {
        let found = self.timeouts.iter().find(|it| it.0 == timer);
        found.map_or(120.0, |it| it.1)
    }

    /// When each entry leaves the table: at the first round after its expiry. Rounds follow the
    /// kernel's rule, and know only what lives when they begin.
    fn removals(&self) -> Vec<f64> {
        let expiries: Vec<f64> = self
            .entries
            .iter()
            .map(|it| it.ends + self.timeout(it.timer))
            .collect();
        let mut removals = vec![f64::INFINITY; expiries.len()];
        let (mut now, end) = (0.0, self.watch.0 + self.watch.1);
        while now < end {
            let (mut sum, mut count) = (6_000.0, 100.0);
            for (place, it) in self.entries.iter().enumerate() {
                if it.begins > now || removals[place] < f64::INFINITY {
                    continue;
                }
                if expiries[place] <= now {
                    removals[place] = now;
                    continue;
                }
                let idle_since = it.ends.min(now);
                let left = idle_since + self.timeout(it.timer) - now;
                sum += 2.0 * left.clamp(1.0, 300.0);
                count += 2.0;
            }
            now += f64::clamp(sum / count, 1.0, 60.0);
        }
        removals
    }

    /// The count at the end of each interval of the watch.
    fn counts(&self, removals: &[f64]) -> Vec<u64> {
        let sorted = |mut times: Vec<f64>| {
            times.sort_by(f64::total_cmp);
            times
        };
        let begun = sorted(self.entries.iter().map(|it| it.begins).collect());
        let gone = sorted(removals.to_vec());
        let by = |times: &[f64], at: f64| times.partition_point(|&it| it <= at) as u64;
        self.ends()
            .map(|at| by(&begun, at) - by(&gone, at))
            .collect()
    }

    fn ends(&self) -> impl Iterator<Item = f64> + use<> {
        let (start, length, interval) = self.watch;
        (1..=(length / interval) as u32).map(move |it| start + f64::from(it) * interval)
    }

    /// What a watch records of it.
    fn recording(&self) -> Recording {
        let removals = self.removals();
        let counts = self.counts(&removals);
        let mut source = Synthetic::new();
        for &(timer, seconds) in self.timeouts {
            source.host().set(timer, seconds as u64);
        }
        let mut samples = Vec::new();
        let mut from = self.watch.0;
        for (at, count) in self.ends().zip(counts) {
            source.at = Duration::from_secs_f64(at - self.watch.0);
            for (it, &gone) in self.entries.iter().zip(&removals) {
                let host = source.host();
                if it.begins > from && it.begins <= at {
                    host.counters.inserts[Proto::Udp.id()] += 1;
                }
                if gone <= from || gone > at {
                    continue;
                }
                let overdue = gone - it.ends - self.timeout(it.timer);
                host.counters.timer_expired[it.timer.id()] += 1;
                host.counters.deaths[State::UdpReplied.id()][Reason::Expired.id()] += 1;
                let histogram = host.histogram(HistogramId::Overdue);
                histogram.add((overdue * 1e6) as u64);
            }
            source.host().count(count);
            samples.push(source.now());
            from = at;
        }
        source.recorded(&samples)
    }
}

/// Entries that begin at random, so many a second, more or fewer by `swing` over `period` seconds.
fn arrivals(timer: Timer, rate: f64, life: f64, swing: (f64, f64), seed: u64) -> Vec<Entry> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = move || {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut entries = Vec::new();
    let mut now = 0.0;
    while now < 2_000.0 {
        now -= (1.0 - random()).ln() / (rate * (1.0 + swing.0));
        let there = 1.0 + swing.0 * (now / swing.1 * std::f64::consts::TAU).sin();
        if random() * (1.0 + swing.0) < there {
            let ends = now - (1.0 - random()).ln() * life;
            entries.push(Entry {
                begins: now,
                ends,
                timer,
            });
        }
    }
    entries
}

/// Mean and peak that are foretold, and that come to be.
fn compare(
    entries: &[Entry],
    now: &[(Timer, f64)],
    then: &[(Timer, f64)],
) -> ((f64, f64), (f64, f64)) {
    let watch = (600.0, 1_400.0, 7.0);
    let play = |timeouts| Play {
        entries,
        timeouts,
        watch,
    };
    let trials: Vec<Trial> = then
        .iter()
        .map(|&(timer, seconds)| Trial {
            name: Name::Timer(timer),
            value: seconds as u64,
            only: None,
        })
        .collect();
    let told = forecast(&[play(now).recording()], &trials).then;
    let after = play(then);
    let counts = after.counts(&after.removals());
    let mean = counts.iter().sum::<u64>() as f64 / counts.len() as f64;
    let peak = counts.iter().max().map_or(0.0, |&it| it as f64);
    ((told.count_mean, told.count_peak as f64), (mean, peak))
}

fn close(told: f64, came: f64, within: f64) -> bool {
    (told - came).abs() <= came * within
}

#[test]
fn mean_and_peak_come_as_foretold() {
    let steady = (0.0, 1.0);
    for (name, rate, life, swing, timer, now, then) in [
        ("web", 15.0, 1.0, steady, Timer::TcpTimeWait, 120.0, 60.0),
        ("dns", 40.0, 0.1, steady, Timer::Udp, 30.0, 15.0),
        ("longer", 40.0, 0.1, steady, Timer::Udp, 30.0, 60.0),
        (
            "waves",
            15.0,
            1.0,
            (0.6, 400.0),
            Timer::TcpTimeWait,
            120.0,
            30.0,
        ),
        (
            "slow",
            5.0,
            20.0,
            (0.5, 900.0),
            Timer::TcpTimeWait,
            300.0,
            120.0,
        ),
    ] {
        let entries = arrivals(timer, rate, life, swing, 7);
        let (told, came) = compare(&entries, &[(timer, now)], &[(timer, then)]);
        assert!(
            close(told.0, came.0, 0.05),
            "{name}: mean {told:?} {came:?}"
        );
        assert!(close(told.1, came.1, 0.1), "{name}: peak {told:?} {came:?}");
    }
}

#[test]
fn nothing_that_changes_is_a_count_that_stays() {
    let entries = arrivals(Timer::Udp, 20.0, 1.0, (0.9, 300.0), 3);
    let timeouts = [(Timer::Udp, 30.0)];
    let (told, came) = compare(&entries, &timeouts, &timeouts);
    assert!(close(told.0, came.0, 0.01), "{told:?} {came:?}");
    assert!(close(told.1, came.1, 1e-9), "{told:?} {came:?}");
}

#[test]
fn nothing_watched_is_nothing_foretold() {
    let told = forecast(&[], &[]);
    assert_eq!(told.then.count_peak, 0);
    let empty = Synthetic::new().recording(0);
    assert_eq!(forecast(&[empty], &[]).then.count_peak, 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn shorter_is_never_more(
        seconds in 1_u64..120, shorter in 1_u64..120, expired in 0_u64..100_000, count in 0_u64..50_000,
    ) {
        let mut source = Synthetic::new();
        let host = source.host();
        host.expire(State::TcpTimeWait, Timer::TcpTimeWait, expired, 121.0);
        host.count(count);
        let recording = source.recording(900);
        let name = Name::Timer(Timer::TcpTimeWait);
        let (low, high) = (seconds.min(shorter), seconds.max(shorter));
        let told = |value| forecast(std::slice::from_ref(&recording), &[Trial { name, value, only: None }]);
        let (low, high) = (told(low).then, told(high).then);
        prop_assert!(low.count_mean <= high.count_mean + 1.0);
        prop_assert!(low.count_mean <= low.count_peak as f64 + 1.0);
        prop_assert!(low.count_p99 <= low.count_peak);
    }
}
