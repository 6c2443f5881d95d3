//! What watching costs: the same flood unobserved, and under each of several observers.
//!
//! Each observer is a process of its own, so that its CPU time and memory can be told from those of
//! the flood. The flood is the lab's: between namespaces that are made for it and go with it.

pub mod cpu;
mod flood;
mod folder;
pub mod listener;
pub mod memory;
pub mod native;
pub mod observer;
pub mod programs;
pub mod queue;
mod report;
mod run;

use std::{io, time::Duration};

pub use report::{Report, Row, Spent};
pub use run::run;

use crate::{
    lab::{
        net::NetError,
        run::RunError,
        scenario::{Overrides, Rate, ScenarioError},
        watcher::WatchError,
    },
    recording::RecordingError,
};

/// The flood unless another one is named.
pub const FLOOD: &str = "udp-flood";
/// Its connections a second: in its few seconds they fit into the table of a small machine.
pub const FLOOD_RATE: f64 = 10_000.0;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// The scenario.
    pub scenario: String,
    /// For how long connections begin.
    pub duration: Option<Duration>,
    /// Connections a second.
    pub rate: Option<f64>,
}

impl Options {
    fn overrides(&self) -> Overrides {
        Overrides {
            duration: self.duration,
            rate: self.rate.map(Rate::PerSecond),
        }
    }
}

impl BenchError {
    /// A machine may be without an observer, or refuse it.
    fn is_about_the_observer(&self) -> bool {
        matches!(self, Self::Watch { .. } | Self::Observer(_))
    }
}

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// There is no such flood.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The namespaces refuse.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The flood cannot be sent.
    #[error(transparent)]
    Run(#[from] RunError),
    /// tracker does not watch.
    #[error("{error}{}{}", if said.is_empty() { "" } else { ": " }, said.trim())]
    Watch {
        /// How it ended.
        error: WatchError,
        /// What it said.
        said: String,
    },
    /// Its recording cannot be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// Another observer failed.
    #[error("an observer failed: {0}. Run it by hand to see more")]
    Observer(io::Error),
    /// Observers have nowhere to write.
    #[error("no folder can be made for what observers write: {0}. Set TMPDIR to one with room")]
    Folder(io::Error),
    /// The machine does not tell what it takes.
    #[error("CPU time or memory cannot be read: {0}. Mount /proc")]
    Unreadable(io::Error),
}
