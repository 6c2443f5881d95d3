//! What was measured, as `vm-bench` prints it and `cargo xtask bench` reads it: xtask includes this file, since it is
//! compiled before everything else and is not to wait for the rest of this crate.

use serde::{Deserialize, Serialize};

/// Everything that one boot measured. Times are guest nanoseconds, which are instructions.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// Cost of each case's unit, alone and watched.
    pub costs: Vec<Cost>,
    /// Cost of a flow for the whole machine, by observer.
    pub whole: Vec<Whole>,
    /// What `tracker bench` printed, where it ran.
    pub flood: Option<String>,
    /// What each program took in each case.
    pub programs: Vec<Runs>,
    /// tracker's own process, where it was measured.
    pub user: Option<User>,
}

/// Cost of one unit of work: the median over the batches.
#[derive(Debug, Serialize, Deserialize)]
pub struct Cost {
    /// The case.
    pub name: String,
    /// What a unit does.
    pub what: String,
    /// What a unit is.
    pub per: String,
    /// Instructions while nobody watches.
    pub unobserved: f64,
    /// Instructions while tracker watches.
    pub tracker: f64,
    /// Instructions while tracker watches by kprobes alone, where that was measured.
    pub kprobes: Option<f64>,
}

/// Cost of one flow for the whole machine: the mean over the run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Whole {
    /// Who watches.
    pub observer: String,
    /// Instructions per flow.
    pub mean: f64,
    /// Flows made.
    pub made: u64,
    /// Flows that the observer reported, where it reports each.
    pub seen: Option<u64>,
}

/// What a program in the kernel took during a case.
#[derive(Debug, Serialize, Deserialize)]
pub struct Runs {
    /// The case.
    pub case: String,
    /// The hook, possibly cut short, since the kernel keeps 15 bytes of a name.
    pub program: String,
    /// How it is attached.
    pub kind: String,
    /// Runs per unit of work.
    pub per_unit: f64,
    /// Instructions per run, by the kernel's statistics.
    pub instructions: f64,
    /// Instructions of the program as loaded.
    pub translated: u32,
    /// Instructions that the verifier walked, 0 if the kernel does not tell.
    pub verified: u32,
}

/// tracker's own process.
#[derive(Debug, Serialize, Deserialize)]
pub struct User {
    /// At the default interval, no packet passing.
    pub idle: Spent,
    /// At the default interval, with new flows all the time.
    pub busy: Spent,
    /// New flows a second while busy.
    pub busy_flows: u32,
    /// From exec to the first instruction of the measured command, which is after the hooks are attached, in ns.
    pub attached_ns: u64,
    /// From exec to the end of a watch of 1 ms, in ns.
    pub shortest_ns: u64,
}

/// What a process took over a time.
#[derive(Debug, Serialize, Deserialize)]
pub struct Spent {
    /// CPU time of all its threads, in ns.
    pub cpu_ns: u64,
    /// Time that passed, in ns.
    pub wall_ns: u64,
    /// The most memory that it had resident since its start, in KiB.
    pub peak_kib: u64,
}

impl Report {
    /// The cost of a case.
    pub fn cost(&self, case: &str) -> Option<&Cost> {
        self.costs.iter().find(|cost| cost.name == case)
    }
}

impl Cost {
    /// What watching adds.
    pub fn added(&self) -> f64 {
        self.tracker - self.unobserved
    }

    /// What watching by kprobes alone adds.
    pub fn added_by_kprobes(&self) -> Option<f64> {
        Some(self.kprobes? - self.unobserved)
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
