//! What `vm-bench` prints. Times are guest nanoseconds, which are instructions.

use serde::Deserialize;

/// Everything that one boot measured.
#[derive(Debug, Deserialize)]
pub struct Report {
    /// Cost of each case's unit.
    pub costs: Vec<Cost>,
    /// Cost of a flow for the whole machine, by observer.
    pub whole: Vec<Whole>,
    /// What each program took in each case.
    pub programs: Vec<Runs>,
    /// tracker's own process.
    pub user: User,
}

/// Instructions of one unit of work, alone and watched.
#[derive(Debug, Deserialize)]
pub struct Cost {
    pub name: String,
    pub what: String,
    pub per: String,
    pub unobserved: f64,
    pub tracker: f64,
}

/// Instructions of one flow, whoever executes them.
#[derive(Debug, Deserialize)]
pub struct Whole {
    pub observer: String,
    pub mean: f64,
    pub made: u64,
    /// Flows that the observer reported, where it reports each.
    pub seen: Option<u64>,
}

/// A program's part in a case.
#[derive(Debug, Deserialize)]
pub struct Runs {
    pub case: String,
    pub program: String,
    pub kind: String,
    pub per_unit: f64,
    pub instructions: f64,
    pub translated: u32,
    pub verified: u32,
}

/// tracker's own process.
#[derive(Debug, Deserialize)]
pub struct User {
    pub idle: Spent,
    pub busy: Spent,
    pub busy_flows: u32,
    pub attached_ns: u64,
    pub shortest_ns: u64,
}

/// What a process took over a time.
#[derive(Debug, Deserialize)]
pub struct Spent {
    pub cpu_ns: u64,
    pub wall_ns: u64,
    pub peak_kib: u64,
}

impl Cost {
    /// What watching adds.
    pub fn added(&self) -> f64 {
        self.tracker - self.unobserved
    }
}

impl Spent {
    /// Share of a core that executes an instruction a nanosecond, in per cent.
    pub fn percent(&self) -> f64 {
        100.0 * self.cpu_ns as f64 / self.wall_ns as f64
    }

    /// The most resident memory, in MiB.
    pub fn peak_mib(&self) -> f64 {
        self.peak_kib as f64 / 1024.0
    }
}

impl Report {
    /// What watching adds to a case.
    pub fn added(&self, case: &str) -> Option<f64> {
        self.costs
            .iter()
            .find(|cost| cost.name == case)
            .map(Cost::added)
    }
}
