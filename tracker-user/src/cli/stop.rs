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

/// SIGINT and SIGTERM.
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    /// Takes the signals over.
    pub fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Gives them back to the system, which ends the program with them.
    pub fn release(self) -> std::io::Result<()> {
        for signal in [Wire::SIGINT, Wire::SIGTERM] {
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
        }
    }
}
