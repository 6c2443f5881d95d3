//! What was measured.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{cpu::Cpu, listener::Counted, memory::Memory, native::Native, programs::Program};

/// The same flood under all observers.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of this shape.
    pub schema_version: u32,
    /// The scenario.
    pub scenario: String,
    /// The seed of its packets.
    pub seed: u64,
    /// `uname -r`.
    pub kernel: String,
    /// Processors.
    pub cpus: usize,
    /// It was asked to end before it had measured all.
    pub interrupted: bool,
    /// A row for each observer.
    pub observers: Vec<Row>,
    /// tracker's programs in the kernel, in a run of their own with the kernel's statistics.
    pub programs: Vec<Program>,
    /// Their inner functions, without a kernel that is watched.
    pub native: Native,
}

/// A flood under one observer.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Who watched.
    pub observer: String,
    /// Why this one was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
    /// What came of it, unless it was left out.
    #[serde(flatten)]
    pub spent: Option<Spent>,
}

/// What a flood came to.
#[derive(Clone, Debug, Serialize)]
pub struct Spent {
    /// Packets sent.
    pub packets: u64,
    /// Entries that they made.
    pub entries: u64,
    /// How long they took.
    pub seconds: f64,
    /// Entries a second.
    pub entries_per_s: f64,
    /// CPU time of the whole machine, that of making the flood included, as its ticks met it.
    pub machine: Cpu,
    /// The same without that division, exactly: all time but the idle one.
    pub busy_s: f64,
    /// That for each entry, in µs.
    pub us_per_entry: f64,
    /// What the observer adds to that, in µs.
    pub added_us_per_entry: Option<f64>,
    /// CPU time of the observer's process.
    pub process: Option<Cpu>,
    /// Memory of the observer's process.
    pub memory: Option<Memory>,
    /// What it has seen.
    pub seen: Option<Counted>,
    /// Entries that it has not seen.
    pub unseen: Option<u64>,
    /// What it has lost, by name: by its own account, or the kernel's of its socket; and by how many
    /// entries it has seen too many.
    pub losses: BTreeMap<String, u64>,
}

impl Spent {
    /// The observer has not seen the flood as it was.
    #[must_use]
    pub fn is_short(&self) -> bool {
        !self.losses.is_empty() || self.unseen.is_some_and(|unseen| unseen > 0)
    }
}

impl Row {
    pub(super) fn measured(observer: &str, spent: Spent) -> Self {
        Self {
            observer: observer.to_owned(),
            left_out: None,
            spent: Some(spent),
        }
    }

    pub(super) fn left_out(observer: &str, why: &impl ToString) -> Self {
        Self {
            observer: observer.to_owned(),
            left_out: Some(why.to_string()),
            spent: None,
        }
    }
}

impl Report {
    /// How many observers have seen a whole flood.
    #[must_use]
    pub fn measured(&self) -> usize {
        let rows = self.observers.iter();
        rows.filter(|row| row.spent.is_some()).count()
    }

    /// Compares with the flood that nobody watched.
    pub(super) fn compare(&mut self) {
        let alone = self
            .observers
            .first()
            .and_then(|row| Some(row.spent.as_ref()?.us_per_entry));
        // It is the first.
        for row in self.observers.iter_mut().skip(1) {
            if let (Some(spent), Some(alone)) = (&mut row.spent, alone) {
                spent.added_us_per_entry = Some(spent.us_per_entry - alone);
            }
        }
    }
}
