//! How many entries a timer keeps in the table.
//!
//! An entry is a timer's from the refresh that it armed until the next one, or until the entry is removed.
//! So the time that entries spend under a timer is that of the gaps that ended, of the waits of those that it let
//! expire (its length, and how long they lay overdue), and of those that were idle when the watch ended. Each is laid
//! where it was in the course of the watch; by Little's law the time over that of an interval is the mean
//! number of entries. Nothing counts the last waits of what died otherwise, but they are what remains of the time
//! in the states that are one timer's own.

mod course;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use tracker_common::{Reason, State, Timer, layout::HistogramId};

use course::Course;

use crate::recording::{CountSample, GapSpan, Interval, NamespaceRecord, Recording};

/// Entries that a timer keeps in the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Occupancy {
    /// On average over the watch.
    pub mean: f64,
    /// In the interval of the recording that had the most of them.
    pub peak: f64,
}

/// Timers with the states that no other timer is meant for. What those of TCP are overridden by, where a packet
/// waits for its acknowledgement, is in
/// [`Timer::OVERRIDES`].
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
                let Some(length) = namespace.timeout(timer) else {
                    continue;
                };
                let begin = end - overdue - length as f64;
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
        let each = namespace.timeout(timer).unwrap_or(0) as f64;
        sum(HistogramId::Gap(timer)) + sum(HistogramId::Idle(timer)) + expired * each
    };
    let others = Timer::OVERRIDES
        .iter()
        .filter(|_| timer.is_tcp())
        .copied()
        .map(under);
    let spent: f64 = states.iter().map(in_state).sum();
    let left = spent - under(timer) - others.sum::<f64>();
    let wait = left / killed(namespace, states).max(1) as f64;
    Some(wait.clamp(0.0, namespace.timeout(timer)? as f64))
}

/// When something happened of which only the interval is known.
fn middle(started: Duration, ended: Duration) -> f64 {
    f64::midpoint(started.as_secs_f64(), ended.as_secs_f64())
}
