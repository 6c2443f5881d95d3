//! A watch of a flood, which says why if it does not end well.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tracker_user::lab::watcher::Watcher;

use crate::cases::errors::LOSSES;
use crate::cases::faces::{fresh, poll};
use crate::cases::tracker::{program, show};

/// A watch, its recording, and what it says.
pub struct Watch {
    watcher: Watcher,
    recording: Recording,
}

/// A recording, and what the watch that wrote it has said.
pub struct Recording {
    path: PathBuf,
    said: PathBuf,
}

impl Watch {
    /// Watches a namespace, or all, when this is back.
    pub fn start(name: &str, netns: &Path) -> Result<Self> {
        let path = fresh(name);
        let said = path.with_extension("said");
        let stderr = File::create(&said)?.into();
        let watcher = Watcher::start(&program(), netns, &path, stderr)?;
        Ok(Self {
            watcher,
            recording: Recording { path, said },
        })
    }

    /// Ends it well, if perhaps with losses.
    pub fn finish(self) -> Result<Recording> {
        let status = self.watcher.finish()?;
        ensure!(
            status.success() || status.code() == Some(LOSSES),
            "tracker ended with {status}: {}",
            fs::read_to_string(&self.recording.said)?
        );
        Ok(self.recording)
    }

    /// Kills it.
    pub fn kill(self) -> Result<Recording> {
        kill(
            Pid::from_raw(self.watcher.process().cast_signed()),
            Signal::SIGKILL,
        )?;
        let status = self.watcher.finish()?;
        ensure!(!status.success(), "tracker ended with {status}");
        Ok(self.recording)
    }

    /// Waits until some of the flood is recorded.
    pub fn is_recorded(&self) -> Result<()> {
        poll("an interval in the recording", || {
            let report = show(&self.recording.path).ok()?;
            (report["balance"]["inserted"].as_u64()? > 0).then_some(())
        })
    }
}

impl Recording {
    /// What is recorded.
    pub fn report(&self) -> Result<Value> {
        Ok(show(&self.path)?)
    }

    /// Removes it. What a failed case leaves serves to see why.
    pub fn remove(self) {
        for path in [self.path, self.said] {
            let _ = fs::remove_file(path);
        }
    }
}
