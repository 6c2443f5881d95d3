//! What a process may do, and what it takes to watch the kernel.

use super::StartError;
use crate::kernel::{Root, machine::Capabilities};

/// Kernels before 5.11 count maps as locked memory of the process.
pub fn unlock_memory() {
    use nix::sys::resource::{RLIM_INFINITY, Resource, setrlimit};
    if let Err(error) = setrlimit(Resource::RLIMIT_MEMLOCK, RLIM_INFINITY, RLIM_INFINITY) {
        log::debug!("the limit of locked memory stays as it is: {error}");
    }
}

/// Says what is missing to watch the kernel.
pub fn privileged(root: &Root) -> Result<(), StartError> {
    let capabilities = Capabilities::read(root).map_err(|source| StartError::Machine {
        what: "/proc/self/status",
        source,
    })?;
    let missing = capabilities.missing();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|capability| capability.name()).collect();
    Err(StartError::Privileges {
        missing: names.join(", "),
    })
}
