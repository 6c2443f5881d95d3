//! How many entries a timer keeps in the table.
//!
//! An entry is a timer's from the refresh that it armed until the next one, or until the entry is removed.
//! So the time that entries spend under a timer is that of the gaps that ended, of the waits of those that it let
//! expire (its length, and how long they lay overdue), and of those that were idle when the watch ended. Each is laid
//! where it was in the course of the watch; by Little's law the time over that of an interval is the mean
//! number of entries. Nothing counts the last waits of what died otherwise, but they are what remains of the time
//! in the states that are one timer's own.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use tracker_common::{Reason, State, Timer, layout::HistogramId};

use crate::recording::{CountSample, Distribution, GapSpan, Interval, NamespaceRecord, Recording};

/// Entries that a timer keeps in the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Occupancy {
    /// On average over the watch.
    pub mean: f64,
    /// In the interval of the recording that had the most of them.
    pub peak: f64,
}

/// Timers with the states that no other timer is meant for. What those of TCP are overridden by, where a packet
/// waits for its acknowledgement, is in [`OVERRIDES`].
const OWN: [(Timer, &[State]); 10] = [
    (Timer::TcpSynSent, &[State::TcpSynSent]),
    (Timer::TcpSynRecv, &[State::TcpSynRecv]),
    (Timer::TcpEstablished, &[State::TcpEstablished]),
    (Timer::TcpFinWait, &[State::TcpFinWait]),
    (Timer::TcpCloseWait, &[State::TcpCloseWait]),
    (Timer::TcpLastAck, &[State::TcpLastAck]),
    (Timer::TcpTimeWait, &[State::TcpTimeWait]),
    (Timer::TcpClose, &[State::TcpClose]),
    (Timer::Udp, &[State::UdpUnreplied, State::UdpReplied]),
    (Timer::UdpStream, &[State::UdpStream]),
];

/// Timers that a state of TCP may have in place of its own.
const OVERRIDES: [Timer; 2] = [Timer::TcpUnacknowledged, Timer::TcpMaxRetrans];

/// By timer; those that kept none are left out.
pub type ByTimer = BTreeMap<Timer, Occupancy>;

/// Of a recording.
#[derive(Clone, Debug, Default)]
pub struct Occupancies {
    /// All namespaces together.
    pub all: ByTimer,
    /// Each of [`Recording::namespaces`].
    pub namespaces: Vec<ByTimer>,
}

impl Occupancies {
    /// From the intervals of a recording.
    ///
    /// # Errors
    /// When it cannot be read any more.
    pub fn of(recording: &Recording) -> Result<Self, String> {
        let spans = recording.gap_spans()?;
        let mut all = Courses::default();
        let mut namespaces = Vec::new();
        for (index, namespace) in recording.namespaces.iter().enumerate() {
            let own = spans.iter().filter(|it| it.namespace == index);
            let courses = Courses::of(&recording.intervals, namespace, own);
            namespaces.push(courses.summed(&recording.intervals));
            all.merge(courses);
        }
        Ok(Self {
            all: all.summed(&recording.intervals),
            namespaces,
        })
    }

    /// All recordings together, each for its time: means are over all of them, peaks the highest.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub fn together(recordings: &[Recording]) -> Result<ByTimer, String> {
        let mut together = ByTimer::new();
        let seconds = |it: &Recording| it.duration.as_secs_f64();
        let all: f64 = recordings.iter().map(seconds).sum();
        for recording in recordings {
            for (timer, it) in Self::of(recording)?.all {
                let kept = together.entry(timer).or_insert(Occupancy {
                    mean: 0.0,
                    peak: 0.0,
                });
                kept.mean += it.mean * seconds(recording) / all.max(f64::MIN_POSITIVE);
                kept.peak = kept.peak.max(it.peak);
            }
        }
        Ok(together)
    }
}

/// The course under each timer.
#[derive(Default)]
struct Courses(BTreeMap<Timer, Course>);

impl Courses {
    fn of<'a>(
        intervals: &[Interval],
        namespace: &NamespaceRecord,
        spans: impl Iterator<Item = &'a GapSpan>,
    ) -> Self {
        let mut courses = Self::default();
        for span in spans {
            let end = middle(span.started, span.ended);
            let course = courses.course(span.timer, intervals);
            match &span.gaps {
                None => course.spend(intervals, end, span.sum.as_secs_f64()),
                Some(gaps) => course.waited(intervals, end, gaps),
            }
        }
        let overdue = namespace.histograms.get(&HistogramId::Overdue);
        let overdue = overdue.map_or(0.0, |it| it.sum_us as f64 / 1e6 / it.count().max(1) as f64);
        for sample in &namespace.samples {
            let Some(interval) = intervals.get(sample.interval) else {
                continue;
            };
            let end = middle(interval.started, interval.ended);
            for &(timer, count) in &sample.expired {
                let Some(length) = length(namespace, timer) else {
                    continue;
                };
                let begin = end - overdue - length;
                let course = courses.course(timer, intervals);
                course.add(intervals, begin, end, count as f64);
            }
        }
        let end = intervals.last().map_or(0.0, |it| it.ended.as_secs_f64());
        for &timer in Timer::ALL {
            if let Some(idle) = namespace.histograms.get(&HistogramId::Idle(timer)) {
                courses
                    .course(timer, intervals)
                    .waited(intervals, end, idle);
            }
        }
        courses.killed(intervals, namespace);
        courses
    }

    /// Lays what was killed where anything was that did not expire.
    fn killed(&mut self, intervals: &[Interval], namespace: &NamespaceRecord) {
        let killed_in = |sample: &CountSample| {
            let expired: u64 = sample.expired.iter().map(|(_, count)| count).sum();
            sample.destroyed.saturating_sub(expired)
        };
        let all: u64 = namespace.samples.iter().map(killed_in).sum();
        for (timer, states) in OWN {
            let deaths = killed(namespace, states);
            let Some(wait) = last_wait(namespace, timer, states).filter(|_| deaths > 0) else {
                continue;
            };
            let course = self.course(timer, intervals);
            for sample in &namespace.samples {
                let Some(interval) = intervals.get(sample.interval) else {
                    continue;
                };
                let end = middle(interval.started, interval.ended);
                let share = killed_in(sample) as f64 / all.max(1) as f64;
                course.add(intervals, end - wait, end, deaths as f64 * share);
            }
        }
    }

    fn course(&mut self, timer: Timer, intervals: &[Interval]) -> &mut Course {
        let empty = || Course::new(intervals.len());
        self.0.entry(timer).or_insert_with(empty)
    }

    fn merge(&mut self, other: Self) {
        for (timer, course) in other.0 {
            match self.0.get_mut(&timer) {
                Some(kept) => kept.merge(&course),
                None => _ = self.0.insert(timer, course),
            }
        }
    }

    fn summed(&self, intervals: &[Interval]) -> ByTimer {
        let each = self.0.iter();
        let each = each.map(|(&timer, course)| (timer, course.summed(intervals)));
        each.filter(|(_, it)| it.peak > 0.0).collect()
    }
}

/// Time that entries spend, in seconds, by interval.
struct Course {
    spent: Vec<f64>,
    /// Entries that are there for the whole of an interval: more than in the one before.
    more: Vec<f64>,
}

impl Course {
    fn new(intervals: usize) -> Self {
        Self {
            spent: vec![0.0; intervals],
            more: vec![0.0; intervals + 1],
        }
    }

    /// So many entries are there from one time to another, as far as that is in the watch.
    fn add(&mut self, intervals: &[Interval], from: f64, to: f64, entries: f64) {
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
    fn waited(&mut self, intervals: &[Interval], end: f64, times: &Distribution) {
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
    fn spend(&mut self, intervals: &[Interval], time: f64, seconds: f64) {
        if let Some(spent) = self.spent.get_mut(at(intervals, time)) {
            *spent += seconds;
        }
    }

    fn merge(&mut self, other: &Self) {
        let pairs = |kept: &mut [f64], other: &[f64]| {
            for (kept, other) in kept.iter_mut().zip(other) {
                *kept += other;
            }
        };
        pairs(&mut self.spent, &other.spent);
        pairs(&mut self.more, &other.more);
    }

    fn summed(&self, intervals: &[Interval]) -> Occupancy {
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

/// Entries that died in these states without having expired.
fn killed(namespace: &NamespaceRecord, states: &[State]) -> u64 {
    let deaths = |state: &State| {
        let all = &namespace.counters.deaths[state.id()];
        all.iter().sum::<u64>() - all[Reason::Expired.id()]
    };
    states.iter().map(deaths).sum()
}

/// Seconds that those waited on average: what is left of the time in these states.
fn last_wait(namespace: &NamespaceRecord, timer: Timer, states: &[State]) -> Option<f64> {
    let sum = |id| {
        let it = namespace.histograms.get(&id);
        it.map_or(0.0, |it| it.sum_us as f64 / 1e6)
    };
    let in_state = |&state: &State| {
        let living = namespace.counters.live_us[state.id()] as f64 / 1e6;
        sum(HistogramId::Residency(state)) + living
    };
    let under = |timer: Timer| {
        let expired = namespace.counters.timer_expired[timer.id()] as f64;
        let each = length(namespace, timer).unwrap_or(0.0);
        sum(HistogramId::Gap(timer)) + sum(HistogramId::Idle(timer)) + expired * each
    };
    let is_tcp = !matches!(timer, Timer::Udp | Timer::UdpStream);
    let others = OVERRIDES.iter().filter(|_| is_tcp).copied().map(under);
    let spent: f64 = states.iter().map(in_state).sum();
    let left = spent - under(timer) - others.sum::<f64>();
    let wait = left / killed(namespace, states).max(1) as f64;
    Some(wait.clamp(0.0, length(namespace, timer)?))
}

/// Of a timer in a namespace, in seconds.
fn length(namespace: &NamespaceRecord, timer: Timer) -> Option<f64> {
    let name = format!("nf_conntrack_{}", timer.name());
    namespace.sysctls.get(&name).map(|&it| it as f64)
}

/// When something happened of which only the interval is known.
fn middle(started: Duration, ended: Duration) -> f64 {
    f64::midpoint(started.as_secs_f64(), ended.as_secs_f64())
}

/// The interval of a time; the last one if it is later.
fn at(intervals: &[Interval], time: f64) -> usize {
    let later = intervals.partition_point(|it| it.ended.as_secs_f64() <= time);
    later.min(intervals.len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use tracker_common::Proto;

    use super::*;
    use crate::recording::synthetic::{Space, Synthetic};

    /// What an entry does: refreshed at these times, and then expired or idle.
    struct Life {
        refreshes: Vec<f64>,
    }

    const TIMEOUT: f64 = 120.0;
    /// As [`Synthetic`] has it.
    const OVERDUE: f64 = 0.5;
    const WATCH: u64 = 900;
    const STEP: u64 = 30;

    fn lives() -> Vec<Life> {
        // From a few at a time to many in the middle.
        let born = (0..600_i32)
            .map(|it| 450.0 + f64::from(it - 300) * (0.3 + f64::from((it - 300).abs()) / 300.0));
        born.enumerate()
            .map(|(place, born)| {
                let gap = 2.0 + (place * 37 % 100) as f64;
                let refreshes = (0..place % 4).map(|it| born + gap * it as f64);
                Life {
                    refreshes: std::iter::once(born).chain(refreshes.skip(1)).collect(),
                }
            })
            .filter(|it| it.refreshes[0] >= 0.0)
            .collect()
    }

    fn recorded(lives: &[Life]) -> Recording {
        let mut source = Synthetic::new();
        source.namespaces.push(Space::new(7, "blue"));
        let mut samples = Vec::new();
        for end in (STEP..=WATCH).step_by(STEP as usize) {
            let is_now = |time: f64| (end - STEP) as f64 <= time && time < end as f64;
            for (place, life) in lives.iter().enumerate() {
                let space = &mut source.namespaces[place % 2];
                for pair in life.refreshes.windows(2).filter(|it| is_now(it[1])) {
                    space.gap(Timer::UdpStream, pair[1] - pair[0]);
                }
                let last = life.refreshes[life.refreshes.len() - 1];
                if is_now(last + TIMEOUT + OVERDUE) {
                    space.insert(Proto::Udp, 1);
                    space.expire(State::UdpStream, Timer::UdpStream, 1, TIMEOUT);
                }
                if end == WATCH && last < WATCH as f64 && last + TIMEOUT + OVERDUE >= WATCH as f64 {
                    let idle = (WATCH as f64 - last) * 1e6;
                    space
                        .histogram(HistogramId::Idle(Timer::UdpStream))
                        .add(idle as u64);
                }
            }
            source.at = Duration::from_secs(end);
            samples.push(source.now());
        }
        source.recorded(&samples)
    }

    #[test]
    fn entries_by_timer_are_those_that_are_there() {
        let lives = lives();
        let there = |time: f64| {
            let is_there = |it: &&Life| {
                let last = it.refreshes[it.refreshes.len() - 1];
                // What is refreshed after the watch has no gap in it.
                let known = it.refreshes.iter().all(|&at| at < WATCH as f64);
                known && it.refreshes[0] <= time && time < last + TIMEOUT + OVERDUE
            };
            lives.iter().filter(is_there).count() as f64
        };
        let seconds: Vec<f64> = (0..WATCH).map(|it| there(it as f64 + 0.5)).collect();
        let mean = seconds.iter().sum::<f64>() / WATCH as f64;
        let peak = seconds
            .chunks(STEP as usize)
            .map(|it| it.iter().sum::<f64>() / STEP as f64);
        let peak = peak.fold(0.0, f64::max);
        let recording = recorded(&lives);
        let found = Occupancies::of(&recording).unwrap();
        let it = found.all[&Timer::UdpStream];
        assert!((it.mean / mean - 1.0).abs() < 0.02, "{it:?} {mean}");
        assert!((it.peak / peak - 1.0).abs() < 0.05, "{it:?} {peak}");
        assert_eq!(found.all.len(), 1);
        let halves = found.namespaces.iter().map(|it| it[&Timer::UdpStream].mean);
        assert!((halves.sum::<f64>() - it.mean).abs() < 1e-6);
        let twice = Occupancies::together(&[recording.clone(), recording]).unwrap();
        assert!((twice[&Timer::UdpStream].mean - it.mean).abs() < 1e-6);
    }

    #[test]
    fn what_began_before_the_watch_counts_from_its_begin() {
        let mut source = Synthetic::new();
        let host = source.host();
        host.insert(Proto::Tcp, 10);
        host.expire(State::TcpEstablished, Timer::TcpEstablished, 10, 432_000.0);
        let recording = source.recording(60);
        let it = Occupancies::of(&recording).unwrap().all[&Timer::TcpEstablished];
        // They expired at any time of it.
        assert!((it.mean - 5.0).abs() < 0.1, "{it:?}");
        assert!(
            Occupancies::of(&Synthetic::new().recording(0))
                .unwrap()
                .all
                .is_empty()
        );
    }
    #[test]
    fn the_last_wait_of_what_was_killed_is_what_remains_of_its_state() {
        const SECONDS: u64 = 1200;
        let mut source = Synthetic::new();
        let mut samples = Vec::new();
        // In each ten seconds ten begin, six of which expire and four are reopened after 50 s.
        for end in (10..=SECONDS).step_by(10) {
            let host = source.host();
            host.insert(Proto::Tcp, 10);
            let time_wait = State::TcpTimeWait;
            if end > 120 {
                host.expire(time_wait, Timer::TcpTimeWait, 6, 120.0);
            }
            if end > 50 {
                let residency = HistogramId::Residency(time_wait);
                for _ in 0..4 {
                    host.histogram(residency).add(50_000_000);
                }
                host.die(time_wait, Reason::Reopened, 4);
            }
            source.at = Duration::from_secs(end);
            samples.push(source.now());
        }
        let recording = source.recorded(&samples);
        let it = Occupancies::of(&recording).unwrap().all[&Timer::TcpTimeWait];
        let steady = 0.6 * (120.0 + OVERDUE) + 0.4 * 50.0;
        assert!((it.peak / steady - 1.0).abs() < 0.02, "{it:?} {steady}");
    }
}
