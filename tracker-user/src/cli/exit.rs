//! How the program ends.

use std::process::{ExitCode, ExitStatus};

use crate::{
    lab::{net::NetError, run::RunError, scenario::ScenarioError},
    source::{SourceError, ebpf::StartError},
};

/// Shown under `--help`.
pub const HELP: &str = "Exit status: 0 done, 1 failed, 2 bad usage, 3 cannot be done here, 4 done, but \
with losses; profile -- CMD passes on the status of CMD.";

/// Exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// Bad usage.
    Usage,
    /// This kernel, or this user, cannot.
    CannotObserve,
    /// Done, but something was lost.
    Losses,
    /// The status of a command that was run.
    Command(u8),
}

impl Exit {
    /// The status of a command, as a shell gives it: 128 and the signal's number if one ended it.
    #[must_use]
    pub fn of_command(status: ExitStatus) -> Self {
        use std::os::unix::process::ExitStatusExt;
        let code = status
            .code()
            .or_else(|| status.signal().map(|signal| 128 + signal));
        match code.and_then(|code| u8::try_from(code).ok()) {
            Some(0) => Self::Done,
            Some(code) => Self::Command(code),
            None => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::CannotObserve => 3,
            Exit::Losses => 4,
            Exit::Command(code) => code,
        })
    }
}

/// Bad usage that the parser of the command line cannot see.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct UsageError(pub String);

/// How an error ends the program.
pub fn of(error: &anyhow::Error) -> Exit {
    match error.downcast_ref::<StartError>() {
        Some(StartError::Netns(_)) => return Exit::Usage,
        Some(_) => return Exit::CannotObserve,
        None => {}
    }
    if error.downcast_ref::<UsageError>().is_some()
        || error.downcast_ref::<ScenarioError>().is_some()
    {
        Exit::Usage
    } else if let Some(net) = error.downcast_ref::<NetError>() {
        of_net(net)
    } else if let Some(run) = error.downcast_ref::<RunError>() {
        of_run(run)
    } else if error.downcast_ref::<SourceError>().is_some() {
        Exit::Losses
    } else {
        Exit::Failed
    }
}

fn of_net(error: &NetError) -> Exit {
    match error {
        NetError::Missing(_) | NetError::Make { .. } | NetError::Table { .. } => {
            Exit::CannotObserve
        }
        _ => Exit::Failed,
    }
}

fn of_run(error: &RunError) -> Exit {
    match error {
        RunError::Cpus { .. } => Exit::Usage,
        RunError::Net(net) => of_net(net),
        _ => Exit::Failed,
    }
}

/// The reader of our output has gone.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}
