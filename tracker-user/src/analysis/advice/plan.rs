//! A plan, as it stands in its JSON.

use serde::{Deserialize, Serialize};

use super::{Policy, Warning};
use crate::analysis::Occupancy;

/// What to set, and why. Built by [`super::plan`].
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Version of this shape.
    pub schema_version: u32,
    /// Policy that it follows.
    pub policy: Policy,
    /// Share of connections that a lower timer may cut.
    pub max_harm: f64,
    /// The machine that was watched; of several, the last one.
    pub machine: Origin,
    /// Its kernel, as `uname -r` says.
    pub kernel: String,
    /// `all`, or the namespace that was named for the watch.
    pub scope: String,
    /// Namespaces that were seen: timers are to be set in each of them.
    pub namespaces: Vec<Place>,
    /// What it rests on.
    pub observed: Basis,
    /// Every setting that was looked at: what saves most comes first.
    pub settings: Vec<Setting>,
    /// Size of the table.
    pub table: TablePlan,
    /// The entry count that follows.
    pub predicted: Predicted,
    /// What is normal while it is applied.
    pub guard: Guard,
    /// What an operator must know.
    pub warnings: Vec<Warning>,
}

impl Plan {
    /// Version of the shape that this tracker writes and reads.
    pub const SCHEMA: u32 = 2;
}

/// A machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its identity, hashed; `None` where it has none, or if several were watched.
    pub id: Option<String>,
    /// Host name.
    pub host: String,
}

/// A network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Inode number, as in `/proc/PID/ns/net`.
    pub inum: u32,
    /// Name under /run/netns, `host` for the first namespace, or `net:[INUM]`.
    pub name: String,
}

/// What a plan rests on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Basis {
    /// Host names.
    pub hosts: Vec<String>,
    /// Length of all watches together.
    pub duration_s: f64,
    /// Entries inserted.
    pub inserts: u64,
    /// Entries destroyed.
    pub deaths: u64,
    /// Mean entry count.
    pub count_mean: f64,
    /// Highest entry count.
    pub count_peak: u64,
    /// Mean entry count by Little's law: the time that entries were seen to spend in the table, over
    /// the time watched. What is missing from the measured mean are entries older than the watch.
    pub little_mean: f64,
}

/// What to do with a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Set it lower.
    Lower,
    /// Set it higher.
    Raise,
    /// Leave it.
    Keep,
}

impl Action {
    /// From the values.
    #[must_use]
    pub fn of(current: u64, recommended: u64) -> Self {
        match recommended.cmp(&current) {
            std::cmp::Ordering::Less => Self::Lower,
            std::cmp::Ordering::Equal => Self::Keep,
            std::cmp::Ordering::Greater => Self::Raise,
        }
    }

    /// As in the JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lower => "lower",
            Self::Raise => "raise",
            Self::Keep => "keep",
        }
    }
}

/// One sysctl.
#[derive(Clone, Debug, Serialize)]
pub struct Setting {
    /// Full name: `net.netfilter.nf_conntrack_udp_timeout`.
    pub name: String,
    /// Value now. Timers are in seconds.
    pub current: u64,
    /// Value to set.
    pub recommended: u64,
    /// What that is.
    pub action: Action,
    /// Why, in one clause.
    pub reason: String,
    /// What was counted.
    pub evidence: Evidence,
    /// Entries that the timer keeps in the table now; `None` of sizes, and if it keeps none.
    pub occupancy: Option<Occupancy>,
    /// Entries that this takes out of the table on average; below 0 if it adds some.
    pub entries_saved: i64,
    /// A setting of time; otherwise of size.
    #[serde(skip)]
    pub is_timer: bool,
}

/// What speaks for a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Entries that were seen under the timer.
    pub connections: u64,
    /// Of these, with a resumed gap longer than the value: it would have cut them.
    pub exceedances: u64,
    /// Upper 95 % bound of their share; `None` where it makes no sense, or no watch was long enough to tell.
    pub harm_upper_95: Option<f64>,
    /// Longest resumed gap, in seconds.
    pub max_gap_s: Option<f64>,
    /// The port whose connections the value would have cut the most of; `None` if it would have cut
    /// none, or ports are not known.
    pub worst_stratum: Option<WorstStratum>,
    /// Entries that were idle for longer than the value when the watch ended, and had not expired: as many as may go on
    /// count for the bound.
    #[serde(default)]
    pub idle: u64,
    /// What is known of gaps longer than the timer is now; `None` if it let nothing expire, or if nobody can be seen to
    /// come back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outlasting: Option<Outlasting>,
}

/// Gaps that a timer ended: some of them would have gone on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outlasting {
    /// Entries that expired under the timer.
    pub expired: u64,
    /// Of these, seen to come back soon, and not by chance.
    pub returned: u64,
    /// Least share of all gaps that are longer than the timer and then end with a packet: those that came back.
    pub least: f64,
    /// Most: those that expired, by Kaplan and Meier's estimator.
    pub most: f64,
}

/// Connections of one destination port in one namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorstStratum {
    /// Protocol, or `other_ports`: all those together that there was no room for.
    pub proto: String,
    /// Port; 0 where there are none.
    pub port: u16,
    /// Name of the namespace.
    pub namespace: String,
    /// Entries that were seen under the timer.
    pub connections: u64,
    /// Of these, with a resumed gap longer than the value.
    pub exceedances: u64,
    /// Upper 95 % bound of their share, in this stratum alone.
    pub harm_upper_95: f64,
}

/// The table's size after the change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TablePlan {
    /// `nf_conntrack_max`; 0 is unlimited.
    pub max: u64,
    /// `nf_conntrack_buckets`.
    pub buckets: u64,
    /// What both take when the table is full; `None` if it is unlimited.
    pub memory_bytes: Option<u64>,
    /// Predicted peak of the largest namespace, which is what the maximum bounds.
    #[serde(default)]
    pub largest_peak: u64,
    /// What the predicted peak of all namespaces together takes, with the buckets.
    #[serde(default)]
    pub memory_peak_bytes: u64,
    /// `nf_conntrack_max` now; `None` if it could not be read.
    pub current_max: Option<u64>,
    /// `nf_conntrack_buckets` now.
    pub current_buckets: Option<u64>,
    /// What they take now when the table is full; `None` if it is unlimited, or could not be read.
    pub current_memory_bytes: Option<u64>,
    /// Entries that the peak after the change, with head-room and a flood's share, needs.
    pub needed: u64,
    /// Entries in a bucket's chain at the predicted peak, on average: each entry is in two.
    pub chain_mean: f64,
    /// What fills the table.
    pub flood: Vec<Flood>,
}

/// Packets of a flood that keep the table full, each with a tuple of its own, beside the peak.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Flood {
    /// What floods.
    pub kind: FloodKind,
    /// Packets per second that fill it now; `None` if it is unlimited.
    pub rate_before_per_s: Option<f64>,
    /// The same after the change.
    pub rate_after_per_s: Option<f64>,
}

/// What floods a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FloodKind {
    /// SYNs that nobody answers: they stay for `tcp_timeout_syn_sent`.
    Syn,
    /// SYNs that a server answers: `tcp_timeout_syn_recv`.
    AnsweredSyn,
    /// Single datagrams: `udp_timeout`.
    Udp,
}

/// The entry count after the change.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Predicted {
    /// Mean.
    pub count_mean: f64,
    /// Not exceeded in 99 % of the time.
    pub count_p99: u64,
    /// Peak.
    pub count_peak: u64,
    /// Mean time that expired entries stay in the table until the kernel collects them, in seconds.
    pub overdue_s: f64,
    /// Mean by Little's law.
    pub little_mean: f64,
}

/// Rates during the watch, per second: what is normal, so that a guard knows what is not.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guard {
    /// Share of connections that may be cut.
    pub max_harm: f64,
    /// Entries inserted.
    pub inserts_per_s: f64,
    /// Of these, in the middle of a connection.
    pub pickups_per_s: f64,
    /// Of these, of a connection whose entry had expired before.
    pub returns_per_s: f64,
    /// Entries evicted from a full table.
    pub early_drop_per_s: f64,
    /// Packets dropped for want of an entry.
    pub drop_per_s: f64,
    /// Entries that could not be inserted.
    pub insert_failed_per_s: f64,
}
