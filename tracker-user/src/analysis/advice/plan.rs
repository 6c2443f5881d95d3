//! A plan, as it stands in its JSON.

use serde::Serialize;

use super::{Policy, Warning};

/// What to set, and why. Built by [`super::plan`].
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Version of this shape.
    pub schema_version: u32,
    /// Policy that it follows.
    pub policy: Policy,
    /// Share of connections that a lower timer may cut.
    pub max_harm: f64,
    /// What it rests on.
    pub observed: Basis,
    /// Every setting that was looked at: what saves most comes first.
    pub settings: Vec<Setting>,
    /// Size of the table.
    pub table: TablePlan,
    /// The entry count that follows.
    pub predicted: Predicted,
    /// What an operator must know.
    pub warnings: Vec<Warning>,
}

/// What a plan rests on.
#[derive(Clone, Debug, Serialize)]
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
}

/// What to do with a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
    /// Entries that this takes out of the table on average; below 0 if it adds some.
    pub entries_saved: i64,
    /// A setting of time; otherwise of size.
    #[serde(skip)]
    pub is_timer: bool,
}

/// What speaks for a value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Evidence {
    /// Entries that were seen under the timer.
    pub connections: u64,
    /// Of these, with a resumed gap longer than the value: it would have cut them.
    pub exceedances: u64,
    /// Upper 95 % bound of their share; `None` where it makes no sense.
    pub harm_upper_95: Option<f64>,
    /// Longest resumed gap, in seconds.
    pub max_gap_s: Option<f64>,
}

/// The table's size after the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TablePlan {
    /// `nf_conntrack_max`; 0 is unlimited.
    pub max: u64,
    /// `nf_conntrack_buckets`.
    pub buckets: u64,
    /// What both take when the table is full.
    pub memory_bytes: u64,
    /// `nf_conntrack_max` now; `None` if it could not be read.
    pub current_max: Option<u64>,
    /// `nf_conntrack_buckets` now.
    pub current_buckets: Option<u64>,
    /// What they take now when the table is full.
    pub current_memory_bytes: Option<u64>,
    /// Entries that the peak after the change, with head-room and a flood's share, needs.
    pub needed: u64,
}

/// The entry count after the change.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Predicted {
    /// Mean.
    pub count_mean: f64,
    /// Peak.
    pub count_peak: u64,
}
