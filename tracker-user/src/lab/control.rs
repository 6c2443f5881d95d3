//! Stopping a run from outside, and seeing how far it is.

use std::{
    sync::{
        Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// Shared between a run and whoever looks after it.
#[derive(Debug, Default)]
pub struct Control {
    stopped: Mutex<bool>,
    asked: Condvar,
    packets: AtomicU64,
    settling: AtomicBool,
}

impl Control {
    /// Asks the run to end; what it waits for is not waited for any longer.
    pub fn stop(&self) {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.asked.notify_all();
    }

    /// Whether the run was asked to end.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        *self.stopped.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits so long, or until the run is asked to end; then it is true.
    #[must_use]
    pub fn wait(&self, length: Duration) -> bool {
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .asked
            .wait_timeout_while(stopped, length, |stopped| !*stopped);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Packets sent so far.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }

    /// All packets are sent, and entries are left to expire.
    #[must_use]
    pub fn is_settling(&self) -> bool {
        self.settling.load(Ordering::Relaxed)
    }

    pub(super) fn settle(&self) {
        self.settling.store(true, Ordering::Relaxed);
    }

    pub(super) fn count(&self, packets: usize) {
        self.packets.fetch_add(packets as u64, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_ends_when_the_run_is_asked_to() {
        let control = Control::default();
        assert!(!control.wait(Duration::from_millis(1)));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| control.wait(Duration::from_secs(3600)));
            control.stop();
            assert!(waiting.join().unwrap());
        });
        assert!(control.is_stopped());
    }
}
