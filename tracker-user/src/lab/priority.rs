//! Running before everything else.

use std::io;

use nix::libc;

/// Lets the calling thread run before all normal ones, so that an exchange once begun is not put
/// off. What it starts runs as usual.
///
/// # Errors
/// When the caller may not: it takes `CAP_SYS_NICE`.
pub fn run_first() -> io::Result<()> {
    set(libc::SCHED_FIFO, 10)
}

/// Lets the calling thread run as all others again.
///
/// # Errors
/// When the system refuses.
pub fn run_as_usual() -> io::Result<()> {
    set(libc::SCHED_OTHER, 0)
}

fn set(policy: libc::c_int, priority: libc::c_int) -> io::Result<()> {
    let parameter = libc::sched_param {
        sched_priority: priority,
    };
    let policy = policy | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the pointer is to a live value of the type that the call takes; 0 names the calling
    // thread.
    let done = unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
