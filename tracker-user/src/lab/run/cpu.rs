//! Which CPU a sender is on.

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use super::RunError;

/// The calling thread's.
const THREAD: Pid = Pid::from_raw(0);

/// A CPU for each sender. The first one, which has most of the machine's other work, is the last to
/// be taken.
pub fn of_senders(threads: usize) -> Result<Vec<usize>, RunError> {
    let mut cpus = allowed()?;
    match cpus.len().checked_sub(threads.max(1)) {
        Some(first) => Ok(cpus.split_off(first)),
        None => Err(RunError::Cpus {
            threads,
            cpus: cpus.len(),
        }),
    }
}

/// CPUs that the calling thread may use.
fn allowed() -> Result<Vec<usize>, RunError> {
    let set = sched_getaffinity(THREAD).map_err(bind)?;
    let cpus = 0..CpuSet::count();
    Ok(cpus
        .filter(|&cpu| set.is_set(cpu).unwrap_or(false))
        .collect())
}

/// The calling thread stays on one CPU until this is dropped.
#[derive(Debug)]
pub struct Bound {
    before: CpuSet,
}

impl Bound {
    /// Binds the calling thread.
    pub fn to(cpu: usize) -> Result<Self, RunError> {
        let before = sched_getaffinity(THREAD).map_err(bind)?;
        let mut only = CpuSet::new();
        only.set(cpu).map_err(bind)?;
        sched_setaffinity(THREAD, &only).map_err(bind)?;
        Ok(Self { before })
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        // What was allowed before is still, or the CPU is gone and the kernel has chosen another.
        let _ = sched_setaffinity(THREAD, &self.before);
    }
}

fn bind(error: nix::Error) -> RunError {
    RunError::Bind(error.into())
}
