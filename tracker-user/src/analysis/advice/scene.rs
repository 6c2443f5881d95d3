//! Everything that the advice looks at, of all recordings together.

use std::time::Duration;

use tracker_common::{Cause, Loss, Timer, layout::HistogramId};

use super::{Request, Warning};
use crate::{
    analysis::{Balance, Observed},
    recording::{Distribution, NamespaceRecord, Recording, StratumRecord},
    source::Statistic,
    units,
};

/// Losses that hide gaps, and so the harm of a lower timer. A port or a stack that was lost does
/// not.
const HIDING: [Loss; 4] = [
    Loss::MapFull,
    Loss::ReadFailed,
    Loss::ProbeMissed,
    Loss::NamespacesFull,
];

/// An hour of the day.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hour {
    /// Entries that were first seen under the timer.
    pub connections: u64,
    /// Gaps that were longer than asked for.
    pub longer: u64,
}

/// A namespace in one recording, where the length of a timer is known.
#[derive(Clone, Copy, Debug)]
pub struct Watch<'a> {
    /// The recording.
    pub recording: &'a Recording,
    /// The namespace.
    pub namespace: &'a NamespaceRecord,
    /// Length of the timer, in seconds.
    pub value: u64,
    /// Length of the watch, in seconds.
    pub seconds: f64,
}

impl Watch<'_> {
    /// A histogram; empty if nothing fell into it.
    pub fn histogram(&self, id: HistogramId) -> &Distribution {
        static EMPTY: Distribution = Distribution::EMPTY;
        self.namespace.histograms.get(&id).unwrap_or(&EMPTY)
    }
}

/// All recordings, and what was asked.
pub struct Scene<'a> {
    /// What was asked.
    pub request: &'a Request,
    /// All recordings.
    pub recordings: &'a [Recording],
    /// All of them together.
    pub all: Observed,
    /// The namespace with the highest peak: `nf_conntrack_max` holds for each.
    pub largest: Observed,
    /// Why nothing may be changed.
    pub blocked: Option<String>,
    /// What went unseen.
    pub lost: i64,
}

impl<'a> Scene<'a> {
    /// Puts the recordings together.
    pub fn new(recordings: &'a [Recording], request: &'a Request) -> Self {
        let mut all = Observed::nothing();
        for recording in recordings {
            all.append(Observed::recording(recording));
        }
        let largest = recordings
            .iter()
            .flat_map(|recording| {
                recording
                    .namespaces
                    .iter()
                    .map(|it| Observed::namespace(recording, it))
            })
            .max_by_key(|it| it.course.peak())
            .unwrap_or_else(Observed::nothing);
        let lost = Balance::of(&all).lost;
        let blocked = blocked(recordings);
        Self {
            request,
            recordings,
            all,
            largest,
            blocked,
            lost,
        }
    }

    /// Losses of all recordings, by name.
    pub fn losses(&self) -> Vec<(&'static str, u64)> {
        Loss::ALL
            .iter()
            .map(|loss| (loss.name(), count(self.recordings, *loss)))
            .filter(|&(_, count)| count > 0)
            .collect()
    }

    /// Each namespace in each recording, with what a timer was set to there.
    pub fn watches(&self, timer: Timer) -> impl Iterator<Item = Watch<'a>> {
        let name = format!("nf_conntrack_{}", timer.name());
        self.recordings.iter().flat_map(move |recording| {
            let name = name.clone();
            recording.namespaces.iter().filter_map(move |namespace| {
                Some(Watch {
                    recording,
                    namespace,
                    value: *namespace.sysctls.get(&name)?,
                    seconds: recording.duration.as_secs_f64(),
                })
            })
        })
    }

    /// Whether a connection of TCP is not picked up in its middle, somewhere: who was cut is not seen to go on then.
    pub fn is_strict(&self) -> bool {
        let mut namespaces = self.recordings.iter().flat_map(|it| &it.namespaces);
        namespaces.any(|it| it.sysctls.get("nf_conntrack_tcp_loose") == Some(&0))
    }

    /// Value of a timer: the busiest namespace's where they differ.
    pub fn current(&self, timer: Timer) -> Option<u64> {
        let name = format!("nf_conntrack_{}", timer.name());
        self.all.timer(timer).or_else(|| {
            self.recordings
                .iter()
                .flat_map(|it| &it.namespaces)
                .filter_map(|it| {
                    Some((it.counters.connections[timer.id()], it.sysctls.get(&name)?))
                })
                .max_by_key(|&(connections, _)| connections)
                .map(|(_, &value)| value)
        })
    }

    /// Whether a timer has several values.
    pub fn differs(&self, timer: Timer) -> bool {
        let name = format!("nf_conntrack_{}", timer.name());
        self.all.sysctls.get(&name) == Some(&None)
    }

    /// Whether a timer's value changed during a watch.
    pub fn changed(&self, timer: Timer) -> bool {
        let name = format!("nf_conntrack_{}", timer.name());
        self.recordings
            .iter()
            .flat_map(|it| &it.namespaces)
            .any(|it| it.changed.contains(&name))
    }

    /// The longest gap that a timer of so many seconds spares: the kernel's clock ticks, and a gap of
    /// just the timeout may look a tick longer.
    pub fn limit_us(&self, seconds: u64) -> u64 {
        let ticks = self.recordings.iter().map(|it| it.description.tick_ns);
        let tick_us = ticks.max().unwrap_or(0) / 1_000;
        seconds.saturating_mul(1_000_000).saturating_add(tick_us)
    }

    /// The strata of a timer, with the names of their namespaces.
    pub fn strata(&self, timer: Timer) -> impl Iterator<Item = (&str, &StratumRecord)> {
        let namespaces = self.recordings.iter().flat_map(|it| &it.namespaces);
        namespaces
            .flat_map(|it| it.strata.iter().map(|stratum| (it.name.as_str(), stratum)))
            .filter(move |(_, it)| it.timer == timer)
    }

    /// The hours of the day (UTC): what began under a timer in each, and how many gaps ended that
    /// were longer than `limit_us`.
    ///
    /// # Errors
    /// When a recording cannot be read any more.
    pub fn hours(&self, timer: Timer, limit_us: u64) -> Result<[Hour; 24], String> {
        let mut hours = [Hour::default(); 24];
        for recording in self.recordings {
            let hour = |at: Duration| {
                let at = recording.description.started.saturating_add(at.as_secs());
                (at / 3_600 % 24) as usize
            };
            for sample in recording.namespaces.iter().flat_map(|it| &it.samples) {
                let began = sample.connections.iter().find(|it| it.0 == timer);
                let interval = recording.intervals.get(sample.interval);
                if let (Some(&(_, count)), Some(interval)) = (began, interval) {
                    hours[hour(interval.started)].connections += count;
                }
            }
            for (at, count) in recording.gaps_beyond(timer, limit_us)? {
                hours[hour(at)].longer += count;
            }
        }
        Ok(hours)
    }

    /// Longest resumed gaps, of each entry that was seen under a timer.
    pub fn max_gaps(&self, timer: Timer) -> &Distribution {
        self.all.histogram(HistogramId::MaxGap(timer))
    }

    /// Expiries per second under a timer.
    pub fn expiries(&self, timer: Timer) -> f64 {
        self.all.rate(self.all.counters.timer_expired[timer.id()])
    }

    /// What the kernel counted itself.
    pub fn counted(&self, it: Statistic) -> u64 {
        self.all.statistics.get(&it).copied().unwrap_or(0)
    }

    /// Entries that began mid-stream.
    pub fn pickups(&self) -> u64 {
        self.all
            .counters
            .pickups
            .iter()
            .fold(0, |sum: u64, &n| sum.saturating_add(n))
    }

    /// Warnings about the recordings themselves.
    pub fn warnings(&self) -> Vec<Warning> {
        let mut warnings = Vec::new();
        let losses = self.losses();
        if !losses.is_empty() {
            warnings.push(Warning::Losses(losses));
        }
        if self.recordings.iter().any(|it| !it.complete) {
            warnings.push(Warning::Incomplete);
        }
        if self.lost != 0 {
            warnings.push(Warning::Unbalanced(self.lost));
        }
        let counters = &self.all.counters;
        let missed = Cause::ALL
            .iter()
            .map(|it| counters.causes[it.id()])
            .fold(0, u64::saturating_add);
        let gaps = counters
            .gaps
            .iter()
            .fold(0, |sum: u64, &n| sum.saturating_add(n));
        let share = missed as f64 / (missed.saturating_add(gaps)).max(1) as f64;
        if share > 0.01 {
            warnings.push(Warning::Unattributed(share));
        }
        let namespaces = self
            .recordings
            .iter()
            .map(|it| it.namespaces.len())
            .max()
            .unwrap_or(0);
        if namespaces > 1 {
            warnings.push(Warning::SeveralNamespaces(namespaces));
        }
        let differing: Vec<_> = Timer::ALL
            .iter()
            .filter(|it| self.differs(**it))
            .map(|it| it.name())
            .collect();
        if !differing.is_empty() {
            warnings.push(Warning::Differing(differing));
        }
        if self.pickups() > 0 {
            warnings.push(Warning::CutConnections(self.pickups()));
        }
        let lag = self.all.histogram(HistogramId::Overdue).quantile_us(0.5) as f64 / 1e6;
        if lag > 5.0 {
            warnings.push(Warning::Lag(lag));
        }
        let remarks = self
            .recordings
            .iter()
            .flat_map(|it| &it.description.remarks);
        for remark in remarks.cloned().map(Warning::Remark) {
            if !warnings.contains(&remark) {
                warnings.push(remark);
            }
        }
        warnings
    }
}

fn count(recordings: &[Recording], loss: Loss) -> u64 {
    recordings
        .iter()
        .fold(0, |sum, it| sum.saturating_add(it.losses.count[loss.id()]))
}

/// Why nothing may be concluded from these recordings.
fn blocked(recordings: &[Recording]) -> Option<String> {
    if recordings.is_empty() {
        return Some("there is no recording".to_owned());
    }
    if recordings.iter().any(|it| !it.complete) {
        return Some("the recording is incomplete".to_owned());
    }
    let hidden = HIDING
        .iter()
        .fold(0, |sum: u64, &it| sum.saturating_add(count(recordings, it)));
    (hidden > 0).then(|| {
        format!(
            "the recording has {}, which may hide gaps",
            units::plural(hidden, "loss", "losses")
        )
    })
}
