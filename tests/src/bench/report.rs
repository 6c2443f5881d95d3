//! What was measured, as `vm-bench` prints it.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::programs::Program;

/// Everything that one boot measured. Times are guest nanoseconds, which are instructions.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// Cost of each case's unit, alone and watched.
    pub costs: Vec<Cost>,
    /// Cost of a flow for the whole machine, by observer.
    pub whole: Vec<Whole>,
    /// What each program took in each case.
    pub programs: Vec<Runs>,
    /// tracker's own process.
    pub user: Option<User>,
}

/// Cost of one unit of work: the median over the batches.
#[derive(Debug, Serialize)]
pub struct Cost {
    /// The case.
    pub name: &'static str,
    /// What a unit does.
    pub what: &'static str,
    /// What a unit is.
    pub per: &'static str,
    /// Instructions while nobody watches.
    pub unobserved: f64,
    /// Instructions while tracker watches.
    pub tracker: Option<f64>,
}

/// Cost of one flow for the whole machine: the mean over the run.
#[derive(Debug, Serialize)]
pub struct Whole {
    /// Who watches.
    pub observer: &'static str,
    /// Instructions per flow.
    pub mean: f64,
    /// Flows made.
    pub made: u64,
    /// Flows that the observer reported, where it reports each.
    pub seen: Option<u64>,
}

/// What a program in the kernel took during a case.
#[derive(Debug, Serialize)]
pub struct Runs {
    /// The case.
    pub case: &'static str,
    /// The hook, possibly cut short, since the kernel keeps 15 bytes of a name.
    pub program: String,
    /// How it is attached.
    pub kind: &'static str,
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
#[derive(Debug, Serialize)]
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

/// What one run of a case came to.
#[derive(Debug, Serialize, Deserialize)]
pub struct Measured {
    /// Median over the batches of the nanoseconds per unit.
    pub median: f64,
    /// Nanoseconds per unit over the whole run.
    pub mean: f64,
    /// Units that were measured.
    pub units: u64,
    /// Units with those of the warm-up.
    pub made: u64,
    /// The programs, if they were asked for.
    pub programs: Vec<Program>,
    /// Units that the observer reported one by one.
    #[serde(default)]
    pub seen: Option<u64>,
}

/// Who else may run during a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Priority {
    /// Only interrupts: the work comes before every other process and kernel thread.
    First,
    /// Everybody.
    Normal,
}

/// Whether the kernel's statistics of programs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Programs {
    /// They are not.
    Ignored,
    /// Before and after the batches.
    Counted,
}

impl Runs {
    /// Per unit and per run.
    pub fn of(case: &'static str, program: &Program, units: u64) -> Self {
        Self {
            case,
            program: program.hook().to_owned(),
            kind: program.kind(),
            per_unit: program.runs as f64 / units as f64,
            instructions: program.ns as f64 / program.runs as f64,
            translated: program.translated,
            verified: program.verified,
        }
    }
}
