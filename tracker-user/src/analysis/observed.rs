//! Everything that was counted, of one namespace or of several together.

use std::collections::BTreeMap;

use tracker_common::{Timer, layout::Counters, layout::HistogramId};

use super::course::Course;
use crate::{
    recording::{
        Distribution, NamespaceRecord, PortRecord, Recording, StratumRecord, add_counters,
    },
    source::{Statistics, Table},
};

/// Totals of one namespace, of a whole recording, or of several recordings.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Length of the watch (of all watches together), in seconds.
    pub seconds: f64,
    /// Length of the longest watch, in seconds.
    pub longest: f64,
    /// Counters.
    pub counters: Box<Counters>,
    /// Histograms that ever changed.
    pub histograms: BTreeMap<HistogramId, Distribution>,
    /// Last values by short names; `None` where namespaces differ.
    pub sysctls: BTreeMap<String, Option<u64>>,
    /// Entries at the start.
    pub live_at_start: u64,
    /// Entries at the end.
    pub live: u64,
    /// By destination port.
    pub ports: Vec<PortRecord>,
    /// By destination port and timer, in this order.
    pub strata: Vec<StratumRecord>,
    /// The largest table seen. Its settings are the same in all namespaces.
    pub table: Option<Table>,
    /// What the kernel counted itself.
    pub statistics: Statistics,
    /// Course of the entry count.
    pub course: Course,
}

impl Observed {
    /// Nothing, in no time.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            seconds: 0.0,
            longest: 0.0,
            counters: Box::new(Counters::ZERO),
            histograms: BTreeMap::new(),
            sysctls: BTreeMap::new(),
            live_at_start: 0,
            live: 0,
            ports: Vec::new(),
            strata: Vec::new(),
            table: None,
            statistics: Statistics::new(),
            course: Course::default(),
        }
    }

    /// One namespace of a recording.
    #[must_use]
    pub fn namespace(recording: &Recording, namespace: &NamespaceRecord) -> Self {
        let mut ports = namespace.ports.clone();
        sort(&mut ports);
        let mut strata = Vec::new();
        merge_strata(&mut strata, &namespace.strata);
        Self {
            seconds: recording.duration.as_secs_f64(),
            longest: recording.duration.as_secs_f64(),
            counters: namespace.counters.clone(),
            histograms: namespace.histograms.clone(),
            sysctls: namespace
                .sysctls
                .iter()
                .map(|(k, &v)| (k.clone(), Some(v)))
                .collect(),
            live_at_start: namespace.live_at_start,
            live: namespace.live,
            ports,
            strata,
            table: namespace.table,
            statistics: namespace.statistics.clone(),
            course: Course::of(&recording.intervals, [namespace]),
        }
    }

    /// All namespaces of a recording together.
    #[must_use]
    pub fn recording(recording: &Recording) -> Self {
        let mut all = Self::nothing();
        for namespace in &recording.namespaces {
            all.merge(&Self::namespace(recording, namespace));
        }
        all.seconds = recording.duration.as_secs_f64();
        all.longest = all.seconds;
        all.course = Course::of(&recording.intervals, &recording.namespaces);
        all
    }

    /// Adds another watch: its counts, its time, and its course after this one's.
    pub fn append(&mut self, later: Self) {
        self.merge(&later);
        self.seconds += later.seconds;
        self.longest = self.longest.max(later.longest);
        self.course.append(later.course);
    }

    /// Adds counts, and leaves time alone.
    fn merge(&mut self, other: &Self) {
        add_counters(&mut self.counters, &other.counters);
        for (&id, histogram) in &other.histograms {
            self.histograms.entry(id).or_default().merge(histogram);
        }
        for (name, &value) in &other.sysctls {
            self.sysctls
                .entry(name.clone())
                .and_modify(|kept| {
                    if *kept != value {
                        *kept = None;
                    }
                })
                .or_insert(value);
        }
        for (&it, &count) in &other.statistics {
            let sum = self.statistics.entry(it).or_default();
            *sum = sum.saturating_add(count);
        }
        self.live_at_start = self.live_at_start.saturating_add(other.live_at_start);
        self.live = self.live.saturating_add(other.live);
        for port in &other.ports {
            match self
                .ports
                .iter_mut()
                .find(|it| (it.proto, it.port) == (port.proto, port.port))
            {
                Some(kept) => {
                    kept.inserts = kept.inserts.saturating_add(port.inserts);
                    kept.deaths = kept.deaths.saturating_add(port.deaths);
                    kept.entry_us = kept.entry_us.saturating_add(port.entry_us);
                }
                None => self.ports.push(*port),
            }
        }
        sort(&mut self.ports);
        merge_strata(&mut self.strata, &other.strata);
        self.table = match (self.table, other.table) {
            (Some(a), Some(b)) => Some(if a.count >= b.count { a } else { b }),
            (a, b) => a.or(b),
        };
    }

    /// A histogram; empty if nothing fell into it.
    #[must_use]
    pub fn histogram(&self, id: HistogramId) -> &Distribution {
        static EMPTY: Distribution = Distribution::EMPTY;
        self.histograms.get(&id).unwrap_or(&EMPTY)
    }

    /// Length of a timer, in seconds; `None` if it is not known or namespaces differ.
    #[must_use]
    pub fn timer(&self, timer: Timer) -> Option<u64> {
        self.sysctls
            .get(&format!("nf_conntrack_{}", timer.name()))
            .copied()
            .flatten()
    }

    /// So many in the whole watch, as a rate per second.
    #[must_use]
    pub fn rate(&self, count: u64) -> f64 {
        if self.seconds > 0.0 {
            count as f64 / self.seconds
        } else {
            0.0
        }
    }
}

fn merge_strata(strata: &mut Vec<StratumRecord>, other: &[StratumRecord]) {
    let key = |it: &StratumRecord| (it.proto, it.port, it.timer);
    for stratum in other {
        match strata.binary_search_by_key(&key(stratum), key) {
            Ok(at) => {
                let kept = &mut strata[at];
                kept.connections = kept.connections.saturating_add(stratum.connections);
                kept.max_gaps.merge(&stratum.max_gaps);
            }
            Err(at) => strata.insert(at, stratum.clone()),
        }
    }
}

/// The port that takes most of the table first.
fn sort(ports: &mut [PortRecord]) {
    ports.sort_by_key(|it| {
        (
            std::cmp::Reverse((it.entry_us, it.inserts)),
            it.proto,
            it.port,
        )
    });
}
