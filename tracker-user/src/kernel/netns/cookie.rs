//! What the kernel gives to one namespace and, as long as the machine runs, to no other one.

use std::os::fd::AsRawFd;

use nix::{
    libc::{SO_NETNS_COOKIE, SOL_SOCKET, getsockopt, socklen_t},
    sys::socket::{AddressFamily, SockFlag, SockType, socket},
};

/// That of the calling thread's namespace; `None` if this kernel tells none (before 5.14).
#[must_use]
pub fn cookie() -> Option<u64> {
    let flags = SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Unix, SockType::Datagram, flags, None).ok()?;
    let mut cookie = 0_u64;
    let mut length = size_of::<u64>() as socklen_t;
    // SAFETY: both pointers are to values that outlive the call, and the length is the first one's.
    let done = unsafe {
        getsockopt(
            socket.as_raw_fd(),
            SOL_SOCKET,
            SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    (done == 0).then_some(cookie)
}
