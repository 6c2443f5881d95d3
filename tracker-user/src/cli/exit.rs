//! How the program ends.

use std::process::{ExitCode, ExitStatus};

use crate::{
    analysis::advice::file::PlanFileError,
    apply::ApplyError,
    bench::BenchError,
    guest::GuestError,
    lab::{
        net::NetError, run::RunError, scenario::ScenarioError, send::SendError, watcher::WatchError,
    },
    proof::{Outcome, ProofError},
    replay::ReplayError,
    settings::AssignmentError,
    source::{SourceError, ebpf::StartError},
};

/// Shown under `--help`.
pub const HELP: &str = "Exit status: 0 done, 1 failed, 2 bad usage, 3 cannot be done here, 4 done, but \
with losses or not all of it (rollback, apply --guard, prove), 130 ended by Ctrl-C (lab run, bench, apply --guard); profile -- CMD passes on the status of CMD.";

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
    /// What a shell takes for the end by Ctrl-C.
    pub const INTERRUPTED_STATUS: u8 = 130;
    /// It was asked to end early, and did.
    pub const INTERRUPTED: Self = Self::Command(Self::INTERRUPTED_STATUS);

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

impl From<Outcome> for Exit {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Holds => Self::Done,
            Outcome::Fails => Self::Failed,
            Outcome::Partly | Outcome::Nothing => Self::Losses,
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

/// How an error ends a proof: that nothing was proven is not to be taken for a plan that does not hold.
pub fn of_no_proof(error: &anyhow::Error) -> Exit {
    match of(error) {
        Exit::Failed => Exit::CannotObserve,
        exit => exit,
    }
}

/// How an error ends the program.
pub fn of(error: &anyhow::Error) -> Exit {
    match error.downcast_ref::<StartError>() {
        Some(StartError::Netns(_)) => return Exit::Usage,
        Some(_) => return Exit::CannotObserve,
        None => {}
    }
    if let Some(apply) = error.downcast_ref::<ApplyError>() {
        of_apply(apply)
    } else if let Some(bench) = error.downcast_ref::<BenchError>() {
        of_bench(bench)
    } else if let Some(run) = error.downcast_ref::<RunError>() {
        of_run(run)
    } else if let Some(proof) = error.downcast_ref::<ProofError>() {
        of_proof(proof)
    } else if let Some(guest) = error.downcast_ref::<GuestError>() {
        of_guest(guest)
    } else if let Some(watch) = error.downcast_ref::<WatchError>() {
        of_watch(watch)
    } else if error.is::<UsageError>()
        || error.is::<ScenarioError>()
        || error.is::<PlanFileError>()
        || error.is::<ReplayError>()
        || error.is::<AssignmentError>()
    {
        Exit::Usage
    } else if error.is::<NetError>() {
        Exit::CannotObserve
    } else if error.is::<SourceError>() {
        Exit::Losses
    } else {
        Exit::Failed
    }
}

fn of_apply(error: &ApplyError) -> Exit {
    if error.is_usage() {
        Exit::Usage
    } else if error.is_refusal() {
        Exit::CannotObserve
    } else {
        Exit::Failed
    }
}

fn of_bench(error: &BenchError) -> Exit {
    match error {
        BenchError::Scenario(_) => Exit::Usage,
        BenchError::Net(_) | BenchError::Unreadable(_) => Exit::CannotObserve,
        BenchError::Run(run) => of_run(run),
        _ => Exit::Failed,
    }
}

fn of_guest(error: &GuestError) -> Exit {
    match error {
        GuestError::Release(_) => Exit::Usage,
        // What is missing, dies or takes too long, here or in the guest.
        _ => Exit::CannotObserve,
    }
}

fn of_watch(error: &WatchError) -> Exit {
    match error {
        WatchError::Refused(status) => match Exit::of_command(*status) {
            Exit::Done => Exit::Failed,
            refused => refused,
        },
        _ => Exit::Failed,
    }
}

fn of_proof(error: &ProofError) -> Exit {
    match error {
        ProofError::Terms { .. } | ProofError::Plan(_) | ProofError::Scenario(_) => Exit::Usage,
        ProofError::Net(_) => Exit::CannotObserve,
        ProofError::Run(run) => of_run(run),
        ProofError::Watch { error, .. } => of_watch(error),
        ProofError::Interrupted => Exit::INTERRUPTED,
        _ => Exit::Failed,
    }
}

fn of_run(error: &RunError) -> Exit {
    match error {
        RunError::Cpus { .. } => Exit::Usage,
        RunError::Net(_)
        | RunError::Flush(_)
        | RunError::Backlog(_)
        | RunError::Send(SendError::Open { .. } | SendError::Net(_)) => Exit::CannotObserve,
        _ => Exit::Failed,
    }
}

/// The reader of our output has gone.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<std::io::Error>()
        .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::lab::run::FlushError;

    fn code(error: impl std::error::Error + Send + Sync + 'static) -> Exit {
        of(&anyhow::Error::new(error))
    }

    #[test]
    fn what_this_machine_refuses_is_3_and_what_was_typed_wrongly_2() {
        let unknown = || ScenarioError::Unknown("x".to_owned());
        let missing = || NetError::Missing("nft");
        let no_module = || FlushError::Refused(io::ErrorKind::Unsupported.into());
        for refused in [
            code(missing()),
            code(BenchError::Net(missing())),
            code(RunError::Net(missing())),
            code(RunError::Send(SendError::Net(missing()))),
            code(NetError::NoIpv6),
            code(RunError::Flush(no_module())),
            code(BenchError::Run(RunError::Flush(no_module()))),
        ] {
            assert_eq!(refused, Exit::CannotObserve);
        }
        let cpus = || RunError::Cpus {
            threads: 9,
            cpus: 2,
        };
        for typed in [
            code(unknown()),
            code(BenchError::Scenario(unknown())),
            code(cpus()),
            code(BenchError::Run(cpus())),
        ] {
            assert_eq!(typed, Exit::Usage);
        }
    }

    #[test]
    fn a_proof_that_came_to_no_end_is_no_plan_that_fails() {
        use tracker_vm::Outcome as Guest;
        let died = || Guest::Died {
            started: true,
            why: None,
        };
        for guest in [Guest::Exited(3), Guest::Exited(1), Guest::TimedOut, died()] {
            assert_eq!(code(GuestError::Ended(guest)), Exit::CannotObserve);
        }
        let unreachable = anyhow::anyhow!("Debian has no kernel 9.9");
        assert_eq!(code(GuestError::Vm(unreachable)), Exit::CannotObserve);
        let release = GuestError::Release("unknown".to_owned());
        assert_eq!(code(release), Exit::Usage);
        let short = anyhow::Error::new(ProofError::Short);
        assert_eq!(of_no_proof(&short), Exit::CannotObserve);
        let interrupted = anyhow::Error::new(ProofError::Interrupted);
        assert_eq!(of_no_proof(&interrupted), Exit::INTERRUPTED);
    }

    #[test]
    fn a_refused_watch_ends_the_lab_as_it_ended() {
        use std::os::unix::process::ExitStatusExt;
        let refused = WatchError::Refused(ExitStatus::from_raw(3 << 8));
        let Exit::Command(status) = code(refused) else {
            panic!("another exit");
        };
        assert_eq!(status, 3);
    }
}
