//! Running before everything else.

use nix::libc;

/// Lets the calling thread run before all normal ones, so that an exchange once begun is not put off.
pub fn run_first() -> std::io::Result<()> {
    let parameter = libc::sched_param { sched_priority: 10 };
    // SAFETY: the pointer is to a live value of the type that the call takes; 0 names the calling thread.
    let done = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameter) };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}
