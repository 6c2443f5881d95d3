//! What ends a watch.

use nix::sys::signal::{SigHandler, Signal as Wire};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// From now on no signal that a terminal or a service manager sends ends or stops this program, but SIGKILL
/// and SIGSTOP.
pub fn ignore() -> std::io::Result<()> {
    for signal in [
        Wire::SIGINT,
        Wire::SIGTERM,
        Wire::SIGHUP,
        Wire::SIGQUIT,
        Wire::SIGTSTP,
        Wire::SIGTTIN,
        Wire::SIGTTOU,
    ] {
        // SAFETY: an ignored signal runs no code of this process.
        unsafe { nix::sys::signal::signal(signal, SigHandler::SigIgn)? };
    }
    Ok(())
}

/// SIGINT, SIGTERM and SIGHUP, unless that was ignored already, as nohup has it.
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

impl Stop {
    /// Takes the signals over.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: if is_ignored(Wire::SIGHUP) {
                None
            } else {
                Some(signal(SignalKind::hangup())?)
            },
        })
    }

    /// Gives them back to the system, which ends the program with them.
    pub fn release(self) -> std::io::Result<()> {
        let hangup = self.hangup.map(|_| Wire::SIGHUP);
        for signal in [Wire::SIGINT, Wire::SIGTERM].into_iter().chain(hangup) {
            // SAFETY: the default action runs no code of this process.
            unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl)? };
        }
        Ok(())
    }

    /// The next one.
    pub async fn next(&mut self) -> Wire {
        tokio::select! {
            _ = self.interrupt.recv() => Wire::SIGINT,
            _ = self.terminate.recv() => Wire::SIGTERM,
            () = next(&mut self.hangup) => Wire::SIGHUP,
        }
    }
}

/// The next one; never, if it is not taken.
async fn next(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Whoever started this program wants it to go on.
fn is_ignored(signal: Wire) -> bool {
    let mut action = std::mem::MaybeUninit::<nix::libc::sigaction>::zeroed();
    // SAFETY: without a new action nothing is changed, and the old one is written to a place of its size.
    let failed =
        unsafe { nix::libc::sigaction(signal as i32, std::ptr::null(), action.as_mut_ptr()) };
    // SAFETY: zeroes are a valid action as well, where nothing was written.
    let action = unsafe { action.assume_init() };
    failed == 0 && action.sa_sigaction == nix::libc::SIG_IGN
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hangup_that_is_ignored_stays_so() {
        assert!(!is_ignored(Wire::SIGUSR2));
        // SAFETY: an ignored signal runs no code of this process, and no test uses this one.
        unsafe { nix::sys::signal::signal(Wire::SIGUSR2, SigHandler::SigIgn).unwrap() };
        assert!(is_ignored(Wire::SIGUSR2));
    }
}
