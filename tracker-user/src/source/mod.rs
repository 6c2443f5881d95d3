//! Where observations come from: a watch of this kernel, or a recording of one.
//!
//! Everything behind this module takes a [`Source`], so that a test or a recording can drive the
//! whole program.

pub mod ebpf;
mod statistic;

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use tracker_common::{
    Timer,
    layout::{Counters, Histogram, HistogramId, Losses, PortKey, PortUse},
};

pub use statistic::{Statistic, Statistics};

/// One hook: what it watches, and what it took on this kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// `insert`, `destroy`, `tcp_packet`, …
    pub event: String,
    /// Function of the kernel that it sits on.
    pub symbol: String,
    /// `kprobe` or `fentry`.
    pub kind: String,
}

/// What does not change during a watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// `ebpf`.
    pub source: String,
    /// Host name.
    pub host: String,
    /// Which machine it is, whatever its name: its identity, hashed; `None` where it has none.
    #[serde(default)]
    pub machine: Option<String>,
    /// `uname -r`.
    pub kernel: String,
    /// Unix time at the start, in seconds.
    pub started: u64,
    /// Length of a jiffy, in ns.
    pub tick_ns: u64,
    /// `all`, or the namespace that was named.
    pub scope: String,
    /// Hooks, as the kernel took them.
    pub hooks: Vec<Hook>,
    /// Memory of the machine, in bytes.
    pub memory_bytes: u64,
    /// What one entry takes of it: the kernel's object and, where extensions are on, theirs.
    pub entry_bytes: u64,
    /// What tracker's maps take of it, in bytes.
    pub map_bytes: u64,
    /// The kernel looks for expired entries as often as the entries' own timeouts ask for (5.18 and
    /// later), not every two minutes; `None` if that is not known.
    #[serde(default)]
    pub collector_adapts: Option<bool>,
    /// Settings that an operator should know of beside the timers, such as `nf_conntrack_acct`.
    pub remarks: Vec<String>,
}

/// The table as its sysctls show it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// `nf_conntrack_count`.
    pub count: u64,
    /// `nf_conntrack_max`; 0 is unlimited.
    pub max: u64,
    /// `nf_conntrack_buckets`.
    pub buckets: u64,
}

/// Entries of one destination port that a timer ever armed: totals since the watch began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stratum {
    /// Whose.
    pub port: PortKey,
    /// Under which timer.
    pub timer: Timer,
    /// Entries that were seen under it.
    pub connections: u64,
    /// Longest resumed gap of each of them that had one of [`Stratum::SHORTEST_US`] or more: buckets of
    /// [`tracker_common::histogram`], ascending, with their counts.
    pub max_gaps: Vec<(u16, u64)>,
}

impl Stratum {
    /// Gaps that are shorter are not looked at by port: no timer is ever set to less.
    pub const SHORTEST_US: u64 = 1_000_000;
}

/// One namespace at one instant: totals since the watch began.
#[derive(Clone, Debug)]
pub struct NamespaceSample {
    /// Inode number, as in `/proc/PID/ns/net`.
    pub inum: u32,
    /// Name under /run/netns, `host` for the first namespace, or `net:[INUM]`.
    pub name: String,
    /// Totals.
    pub counters: Box<Counters>,
    /// Histograms that changed since the last sample: totals, summed over the CPUs. Buckets wrap
    /// at 32 bits: take differences with `wrapping_sub`.
    pub histograms: Vec<(HistogramId, Box<Histogram>)>,
    /// `None` once the namespace is gone.
    pub table: Option<Table>,
    /// What the kernel counts itself: totals; empty where it does not show that.
    pub statistics: Statistics,
    /// Values of `nf_conntrack_*` by their short names (`nf_conntrack_udp_timeout`), timers in
    /// seconds; empty when unchanged since the last sample.
    pub sysctls: BTreeMap<String, u64>,
    /// Entries in the table when the watch began.
    pub live_at_start: u64,
    /// Entries in the table now; exact in the last sample of a watch that ended well.
    pub live: u64,
    /// Totals by destination port; `None` when not read this time.
    pub ports: Option<Vec<(PortKey, PortUse)>>,
    /// Longest gaps by destination port and timer; `None` when not read this time.
    pub strata: Option<Vec<Stratum>>,
}

/// What a source shows at one instant.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Since the watch began.
    pub at: Duration,
    /// Every namespace in scope that was seen so far, in the order in which they were first seen.
    pub namespaces: Vec<NamespaceSample>,
    /// Totals.
    pub losses: Losses,
}

/// Something to observe.
pub trait Source {
    /// What does not change.
    fn description(&self) -> &Description;

    /// The state of things now.
    ///
    /// # Errors
    /// When the kernel refuses to show its maps or sysctls.
    fn sample(&mut self) -> Result<Sample, SourceError>;

    /// Ends the watch, and shows the state of things at its end: living entries included, and the
    /// counts of entries exact.
    ///
    /// # Errors
    /// As [`Source::sample`].
    fn finish(&mut self) -> Result<Sample, SourceError>;
}

/// A source failed while it was being watched.
#[derive(Debug, thiserror::Error)]
#[error("the watch broke off: {what}")]
pub struct SourceError {
    /// What failed.
    pub what: String,
}
