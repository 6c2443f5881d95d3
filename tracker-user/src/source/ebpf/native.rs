//! The hooks' inner functions, timed on this machine's processor without a hook.

use std::time::Duration;

use aya::{
    EbpfError, EbpfLoader, TestRun, TestRunOptions,
    programs::{ProgramError, SchedClassifier},
};
use tracker_common::native::{CALLS, PROGRAMS};

use super::object::OBJECT;

/// Runs of a program, of which the mean is taken.
const RUNS: u32 = 20_000;
/// The kernel wants a packet of this length at least.
const PACKET: [u8; 64] = [0; 64];
/// Attempts, of which the quickest counts: what else runs can only make one slower.
const ATTEMPTS: usize = 5;

/// Nothing was timed.
#[derive(Debug, thiserror::Error)]
pub enum NativeError {
    /// The object is refused.
    #[error(transparent)]
    Object(#[from] EbpfError),
    /// A program is refused, or does not run.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The object has no such program.
    #[error("there is no program {0}")]
    Missing(&'static str),
}

/// Nanoseconds of a call of each function, by the name of its program.
///
/// # Errors
/// Where the kernel refuses even these programs.
pub fn time() -> Result<Vec<(&'static str, f64)>, NativeError> {
    let mut loader = EbpfLoader::new();
    for map in ["ENTRIES", "SLOTS"] {
        loader.map_max_entries(map, 1);
    }
    let mut ebpf = loader.btf(None).load(OBJECT)?;
    let mut took = Vec::new();
    for name in PROGRAMS {
        let program = ebpf.program_mut(name).ok_or(NativeError::Missing(name))?;
        let program: &mut SchedClassifier = program.try_into()?;
        program.load()?;
        took.push((name, quickest(program)?));
    }
    let (_, nothing) = took.remove(0);
    let call = |run: Duration| run.saturating_sub(nothing).as_nanos() as f64 / f64::from(CALLS);
    Ok(took
        .into_iter()
        .map(|(name, run)| (name, call(run)))
        .collect())
}

fn quickest(program: &SchedClassifier) -> Result<Duration, ProgramError> {
    let mut least = Duration::MAX;
    for _ in 0..ATTEMPTS {
        let mut options = TestRunOptions::new();
        options.data_in = Some(&PACKET);
        options.repeat = RUNS;
        least = least.min(program.test_run(options)?.duration);
    }
    Ok(least)
}
