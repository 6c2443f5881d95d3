//! Whether a network namespace is left anywhere, named or not.

use std::fs;
use std::io;

use nix::sched::{CloneFlags, unshare};

const LIMIT: &str = "/proc/sys/user/max_net_namespaces";

/// No network namespace is left but the machine's first: with a limit of one, one more can be made. It sees also those
/// that no file and no process leads to, and those that are still being taken apart.
pub fn no_namespace_is_left() -> io::Result<bool> {
    namespaces_are(0)
}

/// Network namespaces are so many or fewer, beside the machine's first.
pub fn namespaces_are(count: u64) -> io::Result<bool> {
    let usual = fs::read_to_string(LIMIT)?;
    fs::write(LIMIT, (count + 1).to_string())?;
    let made = std::thread::scope(|scope| {
        let thread = scope.spawn(|| unshare(CloneFlags::CLONE_NEWNET));
        thread.join()
    });
    fs::write(LIMIT, usual)?;
    match made {
        Ok(made) => Ok(made.is_ok()),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
