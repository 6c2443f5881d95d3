//! Steps at which a test may end this program, or have it fail: there are none in a release.

use std::io;

/// Between two steps. In a debug build the variable TRACKER_FAULT, `kill@N` or `fail@N`, decides what
/// comes of the N-th, counted from 1.
///
/// # Errors
/// At the step that is to fail.
#[cfg(debug_assertions)]
pub fn point() -> io::Result<()> {
    use std::sync::atomic::{AtomicU32, Ordering};
    static PASSED: AtomicU32 = AtomicU32::new(0);
    let passed = PASSED.fetch_add(1, Ordering::Relaxed) + 1;
    let wish = std::env::var("TRACKER_FAULT").unwrap_or_default();
    let Some((what, at)) = wish.split_once('@') else {
        return Ok(());
    };
    if at.parse() != Ok(passed) {
        return Ok(());
    }
    if what == "kill" {
        // Nothing runs after this: no destructor, no handler.
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
    }
    Err(io::Error::other("a test wants it to fail"))
}

/// Nothing in a release.
///
/// # Errors
/// None.
#[cfg(not(debug_assertions))]
pub fn point() -> io::Result<()> {
    Ok(())
}
