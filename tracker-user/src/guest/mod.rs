//! This program on another kernel: in a virtual machine of a distribution's kernel.

mod nearest;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use tracker_vm::{
    Added, Kept, Outcome, Request,
    cache::Cache,
    kernel,
    missing::{Missing, missing},
    process::say,
};

pub use nearest::{Series, nearest};
pub use tracker_vm::kernel::Spec;

use crate::proof::Proof;

/// Many times what a proof takes.
const TIMEOUT: Duration = Duration::from_secs(2 * 3600);
/// Memory of the guest in MiB: room for some million entries beside the program.
const MEMORY: u32 = 2048;

/// Exit statuses of `tracker lab prove` that come with a proof.
const PROVEN: [u8; 3] = [0, 1, 4];

/// What is to be proven in a guest.
#[derive(Debug)]
pub struct Task<'a> {
    /// The kernel to boot.
    pub kernel: &'a Spec,
    /// The scenario's file.
    pub scenario: &'a Path,
    /// The plan's file.
    pub plan: &'a Path,
    /// The same seed gives the same connections.
    pub seed: u64,
    /// Where the guest's files are brought back to.
    pub keep: Option<PathBuf>,
}

/// Nothing came of a guest.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// This machine has not what a guest needs.
    #[error("{0}")]
    Missing(Missing),
    /// A kernel's release that names no series.
    #[error("`{0}` names no series of kernels. Give one with --kernel, such as 6.12")]
    Release(String),
    /// The guest ended otherwise.
    #[error("nothing is proven: in the virtual machine {0}. See above for what it says")]
    Ended(Outcome),
    /// What the guest printed is no proof.
    #[error("the virtual machine printed no proof: {0}. See above for what it says")]
    Unreadable(#[from] serde_json::Error),
    /// It could not be booted.
    #[error("{0:#}")]
    Vm(anyhow::Error),
}

impl GuestError {
    fn vm(error: impl Into<anyhow::Error>) -> Self {
        Self::Vm(error.into())
    }
}

/// The kernel of Debian's that is nearest to a release whose collector of expired entries `adapts`, as far
/// as that is known, and whether it is of another series.
///
/// # Errors
/// [`GuestError`], when the release is none or Debian's kernels are not known.
pub fn kernel_for(release: &str, adapts: Option<bool>) -> Result<(Spec, bool), GuestError> {
    let wanted = Series::of(release).ok_or_else(|| GuestError::Release(release.to_owned()))?;
    let cache = Cache::of_this_user().map_err(GuestError::vm)?;
    let known = kernel::series(&cache).map_err(GuestError::vm)?;
    let known: Vec<Series> = known.iter().filter_map(|it| Series::of(it)).collect();
    let found = nearest(wanted, adapts, &known).unwrap_or(wanted);
    Ok((Spec::Series(found.to_string()), found != wanted))
}

/// Everything is here that a guest of this kernel needs; `None` is one that is chosen later.
///
/// # Errors
/// [`GuestError::Missing`].
pub fn check(kernel: Option<&Spec>) -> Result<(), GuestError> {
    let cache = Cache::of_this_user().map_err(GuestError::vm)?;
    let missing = missing(kernel, &cache);
    if missing.is_empty() {
        return Ok(());
    }
    Err(GuestError::Missing(missing))
}

/// Boots the kernel and proves the plan there, with this very program.
///
/// # Errors
/// [`GuestError`].
pub fn prove(task: &Task<'_>) -> Result<Proof, GuestError> {
    check(Some(task.kernel))?;
    let cache = Cache::of_this_user().map_err(GuestError::vm)?;
    let program = std::env::current_exe().map_err(GuestError::vm)?;
    let added = |host: &Path, guest: &str| Added {
        host: host.to_owned(),
        guest: guest.into(),
    };
    let add = vec![
        added(&program, "/usr/bin/tracker"),
        added(task.scenario, "/recorded.toml"),
        added(task.plan, "/plan.json"),
    ];
    let seed = task.seed.to_string();
    let command = [
        "tracker",
        "lab",
        "prove",
        "/recorded.toml",
        "--plan",
        "/plan.json",
        "--seed",
        &seed,
        "--json",
        "--keep",
        "/out",
    ];
    let mut request = Request::warp(command, add, TIMEOUT);
    request.machine.mem = MEMORY;
    request.out.clone_from(&task.keep);
    let said = Kept::default();
    let outcome = tracker_vm::run(task.kernel, &request, &cache, Box::new(said.clone()));
    let outcome = outcome.map_err(GuestError::vm)?;
    let said = said.take();
    // A proof that does not hold is one as well, and so is one of a part.
    let status = outcome.status();
    if status.is_none_or(|status| !PROVEN.contains(&status)) || said.is_empty() {
        return Err(GuestError::Ended(outcome));
    }
    let proof = serde_json::from_slice(&said)?;
    if outcome.wants_console() {
        // It came to its end: what was compared was.
        say(
            "tracker: the proof came to its end although the kernel complained. See above for what it said",
        );
    }
    Ok(proof)
}
