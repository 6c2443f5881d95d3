//! What can be measured only on this machine itself: the time of a start.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::process::tail;

/// The start on this machine.
#[derive(Debug)]
pub enum Native {
    /// It was not tried.
    LeftOut,
    /// From exec to the end of a watch of 1 ms: the first interval is in the recording before that.
    Took(Duration),
    /// This machine does not let itself be observed, or the program failed.
    Refused {
        /// The exit status.
        status: String,
        /// What tracker said last.
        said: String,
    },
}

impl Native {
    /// How long it took, if it could be measured.
    pub fn seconds(&self) -> Option<f64> {
        match self {
            Self::Took(took) => Some(took.as_secs_f64()),
            Self::LeftOut | Self::Refused { .. } => None,
        }
    }
}

/// What `tracker bench --native` prints: the time of the hooks' inner functions, or why there is none.
pub fn functions(programs: &Path) -> Result<String> {
    let mut tracker = Command::new(programs.join("tracker"));
    let done = tracker.args(["bench", "--native"]).output();
    let done = done.context("cannot run tracker")?;
    Ok(String::from_utf8_lossy(&done.stdout).trim_end().to_owned())
}

/// Watches this machine for 1 ms.
pub fn start(programs: &Path) -> Result<Native> {
    let folder = tempfile::tempdir().context("cannot make a folder for a recording")?;
    let mut tracker = Command::new(programs.join("tracker"));
    tracker
        .args(["profile", "--duration", "1ms", "-o"])
        .arg(folder.path().join("start.db"));
    let began = Instant::now();
    let done = tracker.output().context("cannot run tracker")?;
    let took = began.elapsed();
    if done.status.success() {
        return Ok(Native::Took(took));
    }
    Ok(Native::Refused {
        status: done.status.to_string(),
        said: shortened(&tail(&String::from_utf8_lossy(&done.stderr), 1)),
    })
}

/// How a message begins and its last sentence, where all that was tried stands between them.
fn shortened(said: &str) -> String {
    const LONG: usize = 300;
    let parts = said.match_indices(": ").nth(1).zip(said.rsplit_once(". "));
    match parts {
        Some(((begin, _), (_, last))) if said.len() > LONG => {
            format!("{} … {last}", &said[..begin])
        }
        _ => said.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_message_loses_its_middle() {
        let short = "tracker: a: b. Do this.";
        assert_eq!(shortened(short), short);
        let long = format!("tracker: a: {}. Do this", "b".repeat(300));
        assert_eq!(shortened(&long), "tracker: a … Do this");
    }
}
