//! The command that is watched while it runs.

use std::{future, process::ExitStatus};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::process::Command;

use super::exit::UsageError;

/// A command, or none.
pub struct Child(Option<tokio::process::Child>);

impl Child {
    /// Starts it.
    pub fn start(command: &[String]) -> anyhow::Result<Self> {
        let Some((program, arguments)) = command.split_first() else {
            return Ok(Self(None));
        };
        let child = Command::new(program)
            .args(arguments)
            .spawn()
            .map_err(|error| {
                UsageError(format!(
                    "{program} cannot be run: {error}. Check its name and path"
                ))
            })?;
        Ok(Self(Some(child)))
    }

    /// Its end; never, if there is none.
    pub async fn end(&mut self) -> std::io::Result<ExitStatus> {
        match &mut self.0 {
            Some(child) => child.wait().await,
            None => future::pending().await,
        }
    }

    /// Passes a signal on; false if there is no command to take it.
    pub fn signal(&self, signal: Signal) -> bool {
        let id = self.0.as_ref().and_then(tokio::process::Child::id);
        let Some(id) = id.and_then(|id| i32::try_from(id).ok()) else {
            return false;
        };
        // A command that has ended meanwhile needs no signal.
        let _ = kill(Pid::from_raw(id), signal);
        true
    }
}
