//! A recording, as it is read.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tracker_common::{
    Proto, Timer,
    layout::{Counters, HistogramId, Losses},
};

use super::{Distribution, timers::Rest};
use crate::{
    settings::Name,
    source::{Description, Statistics, Table},
};

/// A whole recording, but for its histograms of single intervals.
#[derive(Clone, Debug)]
pub struct Recording {
    /// What did not change.
    pub description: Description,
    /// Length of the watch as far as it is recorded.
    pub duration: Duration,
    /// The watch ended well; otherwise its last interval may be missing.
    pub complete: bool,
    /// Every interval, in order.
    pub intervals: Vec<Interval>,
    /// Every namespace that was seen, in the order of their first samples.
    pub namespaces: Vec<NamespaceRecord>,
    /// Totals.
    pub losses: Losses,
    /// Where the rest is read from.
    pub(super) rest: Rest,
}

/// Beginning and end of an interval, since the watch began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// Beginning.
    pub started: Duration,
    /// End.
    pub ended: Duration,
}

impl Interval {
    /// Its length.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.ended.saturating_sub(self.started)
    }
}

/// One namespace: totals, and the course of its entry count.
#[derive(Clone, Debug)]
pub struct NamespaceRecord {
    /// Inode number.
    pub inum: u32,
    /// Name.
    pub name: String,
    /// Totals.
    pub counters: Box<Counters>,
    /// Totals of those that ever changed.
    pub histograms: BTreeMap<HistogramId, Distribution>,
    /// Last values, by short names.
    pub sysctls: BTreeMap<String, u64>,
    /// Names of sysctls that changed during the watch.
    pub changed: BTreeSet<String>,
    /// Entries in the table at the start.
    pub live_at_start: u64,
    /// Entries in the table at the end.
    pub live: u64,
    /// Totals by destination port.
    pub ports: Vec<PortRecord>,
    /// Longest gaps by destination port and timer.
    pub strata: Vec<StratumRecord>,
    /// The table as it was last seen.
    pub table: Option<Table>,
    /// What the kernel counted itself: totals; empty where it did not show that.
    pub statistics: Statistics,
    /// The same by interval ([`Recording::intervals`]), where anything was counted.
    pub statistics_course: BTreeMap<usize, Statistics>,
    /// By interval, as far as the namespace was there.
    pub samples: Vec<CountSample>,
}

impl NamespaceRecord {
    /// Length of a timer in seconds, as it was last; `None` if it is not known.
    #[must_use]
    pub fn timeout(&self, timer: Timer) -> Option<u64> {
        self.sysctls.get(&Name::Timer(timer).short()).copied()
    }

    /// Entries older than the watch that no packet touched in all of it, at most. Of them no more is known than that
    /// they were in the table at the end.
    #[must_use]
    pub fn silent(&self) -> u64 {
        let idle = |&timer: &Timer| self.histograms.get(&HistogramId::Idle(timer));
        let looked_at = Timer::ALL.iter().filter_map(idle).map(Distribution::count);
        let looked_at = looked_at.fold(0, u64::saturating_add);
        self.live.saturating_sub(looked_at).min(self.live_at_start)
    }
}

/// One namespace in one interval.
#[derive(Clone, Debug, PartialEq)]
pub struct CountSample {
    /// Index into [`Recording::intervals`].
    pub interval: usize,
    /// Lowest, mean and highest entry count; `None` once the namespace was gone.
    pub count: Option<(u64, f64, u64)>,
    /// Entries inserted.
    pub inserted: u64,
    /// Entries destroyed.
    pub destroyed: u64,
    /// Of these, expired, by the timer that had run out; without those that had none.
    pub expired: Vec<(Timer, u64)>,
    /// Entries that were first seen under a timer, without timers that had none.
    pub connections: Vec<(Timer, u64)>,
}

/// Entries of one destination port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRecord {
    /// Protocol; `None` of all ports together that found no place of their own.
    pub proto: Option<Proto>,
    /// Port; 0 where there are none.
    pub port: u16,
    /// Entries inserted.
    pub inserts: u64,
    /// Entries destroyed that had been seen inserted.
    pub deaths: u64,
    /// Their lifetimes, summed, in µs.
    pub entry_us: u64,
}

/// Entries of one destination port that a timer ever armed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StratumRecord {
    /// Protocol; `None` of all ports together that found no place of their own.
    pub proto: Option<Proto>,
    /// Port; 0 where there are none.
    pub port: u16,
    /// The timer.
    pub timer: Timer,
    /// Entries that were seen under it.
    pub connections: u64,
    /// Longest resumed gap of each of them that had one of [`Stratum::SHORTEST_US`] or more.
    ///
    /// [`Stratum::SHORTEST_US`]: crate::source::Stratum::SHORTEST_US
    pub max_gaps: Distribution,
}

impl StratumRecord {
    /// Protocol, or [`PortRecord::OTHERS`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.proto.map_or(PortRecord::OTHERS, Proto::name)
    }
}

impl PortRecord {
    /// In place of a protocol: all ports that found no place of their own.
    pub const OTHERS: &'static str = "other_ports";

    /// Name of the protocol, or [`Self::OTHERS`].
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.proto.map_or(Self::OTHERS, Proto::name)
    }
}
