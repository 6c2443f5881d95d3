//! Running before everything else.

use nix::libc;

/// Lets the calling thread run before all normal ones, so that an exchange once begun is not put off. What it starts
/// runs as usual.
pub fn run_first() -> std::io::Result<()> {
    let parameter = libc::sched_param { sched_priority: 10 };
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the pointer is to a live value of the type that the call takes; 0 names the calling thread.
    let done = unsafe { libc::sched_setscheduler(0, policy, &raw const parameter) };
    if done == 0 {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}
