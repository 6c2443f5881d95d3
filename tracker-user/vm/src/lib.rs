//! Boots a distribution's kernel in qemu and runs one command there.
//!
//! A [`kernel::Spec`] names the kernel, which is fetched from Debian's archive into the [`cache`] if it is not here. A
//! [`Request`] says what the guest gets: its initramfs is made on the fly, of this machine's busybox and tools. [`run`]
//! boots it, passes on what the command says, and gives the [`Outcome`].

mod boot;
pub mod cache;
mod kept;
pub mod kernel;
pub mod missing;
pub mod process;

pub use boot::{Added, DEFAULT_LOAD, DEFAULT_MEM, Machine, Outcome, Request, Sink, run};
pub use kept::Kept;
