//! Everything that the advice looks at, of all recordings together.

use std::collections::BTreeMap;

use tracker_common::{Loss, Timer, layout::HistogramId};

use super::Request;
use crate::{
    analysis::{Balance, Observed, Occupancies, forecast::Trial, occupancy::ByTimer},
    recording::{Distribution, NamespaceRecord, Recording},
    source::Statistic,
    units,
};

/// A namespace in one recording, where the length of a timer is known.
#[derive(Clone, Copy, Debug)]
pub struct Watch<'a> {
    /// Number of the recording.
    pub nth: usize,
    /// The recording.
    pub recording: &'a Recording,
    /// The namespace.
    pub namespace: &'a NamespaceRecord,
    /// Length of the timer, in seconds.
    pub value: u64,
    /// The same in the last recording of the namespace.
    pub now: u64,
    /// This is its last recording.
    pub is_last: bool,
    /// Length of the watch, in seconds.
    pub seconds: f64,
}

impl Watch<'_> {
    /// A histogram; empty if nothing fell into it.
    pub fn histogram(&self, id: HistogramId) -> &Distribution {
        static EMPTY: Distribution = Distribution::EMPTY;
        self.namespace.histograms.get(&id).unwrap_or(&EMPTY)
    }

    /// Entries that the timer let expire.
    pub fn expired(&self, timer: Timer) -> u64 {
        self.namespace.counters.timer_expired[timer.id()]
    }
}

/// A namespace of a machine. Its number is another one after each boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place<'a> {
    machine: Option<&'a str>,
    host: &'a str,
    name: &'a str,
}

impl<'a> Place<'a> {
    fn of(recording: &'a Recording, namespace: &'a NamespaceRecord) -> Self {
        Self {
            machine: recording.description.machine.as_deref(),
            host: &recording.description.host,
            name: &namespace.name,
        }
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
    /// What went unseen in all of them together.
    pub lost: i64,
    /// Entries that each timer keeps in the table.
    pub occupancy: ByTimer,
    /// What went unseen in each: any of it may have been a connection that a lower timer would cut.
    pub unseen: Vec<u64>,
    /// The last recording of each namespace, and its number.
    last: BTreeMap<Place<'a>, (usize, &'a NamespaceRecord)>,
}

impl<'a> Scene<'a> {
    /// Puts the recordings together.
    pub fn new(recordings: &'a [Recording], request: &'a Request) -> Self {
        let mut all = Observed::nothing();
        let (mut unseen, mut last) = (Vec::new(), BTreeMap::new());
        for (nth, recording) in recordings.iter().enumerate() {
            let observed = Observed::recording(recording);
            unseen.push(Balance::of(&observed).lost.unsigned_abs());
            all.append(observed);
            let namespaces = recording.namespaces.iter();
            last.extend(namespaces.map(|it| (Place::of(recording, it), (nth, it))));
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
        let occupancy = Occupancies::together(recordings)
            .inspect_err(|error| log::warn!("who keeps entries in the table is not told: {error}"))
            .unwrap_or_default();
        Self {
            occupancy,
            request,
            recordings,
            all,
            largest,
            blocked,
            lost,
            unseen,
            last,
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
        let watches = self
            .recordings
            .iter()
            .enumerate()
            .flat_map(|(nth, recording)| {
                let namespaces = recording.namespaces.iter();
                namespaces.map(move |namespace| (nth, recording, namespace))
            });
        watches.filter_map(move |(nth, recording, namespace)| {
            let value = namespace.timeout(timer)?;
            let last = self.last.get(&Place::of(recording, namespace));
            let now = last.and_then(|it| it.1.timeout(timer));
            Some(Watch {
                nth,
                recording,
                namespace,
                value,
                now: now.unwrap_or(value),
                is_last: last.is_none_or(|it| it.0 == nth),
                seconds: recording.duration.as_secs_f64(),
            })
        })
    }

    /// Whether a connection of TCP is not picked up in its middle, somewhere: who was cut is not seen to go on then.
    pub fn is_strict(&self) -> bool {
        let mut namespaces = self.recordings.iter().flat_map(|it| &it.namespaces);
        namespaces.any(|it| it.sysctls.get("nf_conntrack_tcp_loose") == Some(&0))
    }

    /// Value of a timer now, as the last recording of each namespace has it: the busiest one's where they differ.
    pub fn current(&self, timer: Timer) -> Option<u64> {
        let busy = |it: &Watch<'_>| it.namespace.counters.connections[timer.id()];
        let latest = self.watches(timer).filter(|it| it.is_last);
        latest.max_by_key(busy).map(|it| it.value)
    }

    /// Whether a timer has several values now.
    pub fn differs(&self, timer: Timer) -> bool {
        let mut values = self.watches(timer).map(|it| it.now);
        let first = values.next();
        values.any(|it| Some(it) != first)
    }

    /// Entries that another value takes out of the table, below 0 if it adds some: every entry that expires stays in
    /// it for the timeout after its last packet, so by Little's law the count changes by rate × seconds.
    pub fn saved(&self, timer: Timer, trial: Trial) -> f64 {
        let shorter = |now: u64| now as f64 - trial.of(now) as f64;
        let spared = |it: Watch<'_>| it.expired(timer) as f64 * shorter(it.now);
        let spared: f64 = self.watches(timer).map(spared).sum();
        spared / self.all.seconds.max(f64::MIN_POSITIVE)
    }

    /// What makes of a timer's gaps no evidence, if its value changed during a watch.
    pub fn mixed(&self, timer: Timer) -> Option<String> {
        let name = format!("nf_conntrack_{}", timer.name());
        let is_mixed = self
            .recordings
            .iter()
            .flat_map(|it| &it.namespaces)
            .any(|it| it.changed.contains(&name));
        is_mixed.then(|| "it was changed during the watch, which mixes two values".to_owned())
    }

    /// The longest gap that a timer of so many seconds spares: the kernel's clock ticks, and a gap of
    /// just the timeout may look a tick longer.
    pub fn limit_us(&self, seconds: u64) -> u64 {
        let ticks = self.recordings.iter().map(|it| it.description.tick_ns);
        let tick_us = ticks.max().unwrap_or(0) / 1_000;
        seconds.saturating_mul(1_000_000).saturating_add(tick_us)
    }

    /// A histogram of all namespaces in which a timer has this value.
    pub fn set_to(&self, timer: Timer, value: u64, id: HistogramId) -> Distribution {
        let mut sum = Distribution::default();
        for watch in self.watches(timer).filter(|it| it.value == value) {
            sum.merge(watch.histogram(id));
        }
        sum
    }

    /// Entries that a timer let expire where it has this value.
    pub fn expired_at(&self, timer: Timer, value: u64) -> u64 {
        let watches = self.watches(timer).filter(|it| it.value == value);
        let expired = watches.map(|it| it.expired(timer));
        expired.fold(0, u64::saturating_add)
    }

    /// Longest resumed gaps, of each entry that was seen under a timer.
    pub fn max_gaps(&self, timer: Timer) -> &Distribution {
        self.all.histogram(HistogramId::MaxGap(timer))
    }

    /// What the kernel counted itself.
    pub fn counted(&self, it: Statistic) -> u64 {
        self.all.statistics.get(&it).copied().unwrap_or(0)
    }

    /// Whether the table had no room for all.
    pub fn is_full(&self) -> bool {
        let at_most = self.largest.table.map_or(0, |it| it.max);
        let reached = at_most > 0 && self.largest.course.peak() >= at_most;
        reached || self.counted(Statistic::Drop) > 0 || self.counted(Statistic::EarlyDrop) > 0
    }

    /// Entries of which nothing is known but that they were in the table at the end of the last recording.
    pub fn silent(&self) -> u64 {
        let last = self.last.values().map(|it| it.1.silent());
        last.fold(0, u64::saturating_add)
    }

    /// Entries that began mid-stream.
    pub fn pickups(&self) -> u64 {
        self.all
            .counters
            .pickups
            .iter()
            .fold(0, |sum: u64, &n| sum.saturating_add(n))
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
    let hidden = Loss::HIDING
        .iter()
        .fold(0, |sum: u64, &it| sum.saturating_add(count(recordings, it)));
    (hidden > 0).then(|| {
        format!(
            "the recording has {}, which may hide gaps",
            units::plural(hidden, "loss", "losses")
        )
    })
}
