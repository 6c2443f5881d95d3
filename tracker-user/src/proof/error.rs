//! Why something could not be proven.

use std::{io, path::Path};

use crate::{
    analysis::advice::file::PlanFileError,
    lab::{
        clock::ClockError, net::NetError, run::RunError, scenario::ScenarioError,
        watcher::WatchError,
    },
    recording::RecordingError,
};

/// What can go wrong with a proof, beside that something does not hold.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The scenario does not say what is to be compared.
    #[error("{scenario} has no [proof] that can be: {why}. See docs/scenarios.md")]
    Terms {
        /// The scenario's name.
        scenario: String,
        /// What is missing or wrong.
        why: String,
    },
    /// There is no plan to rely on.
    #[error(transparent)]
    Plan(#[from] PlanFileError),
    /// A file cannot be written.
    #[error("{path} cannot be written: {source}. Name a folder that you may write with --keep")]
    Write {
        /// The file.
        path: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The traffic ended before anything was compared.
    #[error("the traffic ended within the warm-up. Let it last longer, or the warm-up less long")]
    Short,
    /// It was asked to stop.
    #[error("it was interrupted: nothing is proven. Let it come to its end")]
    Interrupted,
    /// The watch failed.
    #[error("{error}. It said: {said}")]
    Watch {
        /// Why.
        error: WatchError,
        /// What it said.
        said: String,
    },
    /// The table cannot be looked at.
    #[error("the router's count of entries cannot be read: {0}. Check that /proc is mounted")]
    Count(io::Error),
    /// The scenario cannot be played so.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// The namespaces refuse.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The time refuses.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// A play failed.
    #[error(transparent)]
    Run(#[from] RunError),
    /// The recording cannot be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
}

impl ProofError {
    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write {
            path: path.display().to_string(),
            source,
        }
    }
}
