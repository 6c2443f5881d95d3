//! One run of a case: how it is asked for, and what it came to.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::programs::Program;

/// What one run of a case came to.
#[derive(Debug, Serialize, Deserialize)]
pub struct Measured {
    /// The case.
    pub case: String,
    /// Nanoseconds per unit, by batch.
    pub batches: Vec<f64>,
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
