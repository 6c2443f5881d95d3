//! The least that can be seen of conntrack's events: a socket on which they are counted.

use std::{
    io::{self, Write},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
    path::Path,
};

use netlink_packet_core::NetlinkBuffer;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};
use serde::{Deserialize, Serialize};

use crate::kernel::{
    Root,
    netns::{Netns, NetnsError},
};

/// Printed once it listens.
pub const READY: &str = "ready";

/// Multicast groups of `enum nfnetlink_groups`.
const GROUPS: [u32; 2] = [1, 3];
/// Message types: `NFNL_SUBSYS_CTNETLINK`, and what happened to an entry.
const NEW: u16 = 1 << 8;
const DELETE: u16 = NEW | 2;
/// As large as what the kernel puts into one message at most.
const BUFFER: usize = 1 << 16;

/// What it has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// New entries.
    pub inserted: u64,
    /// Destroyed ones.
    pub destroyed: u64,
    /// Times that the socket's buffer ran over.
    pub overruns: u64,
}

/// It cannot count.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// There is no such namespace.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// The socket refuses.
    #[error(
        "conntrack's events cannot be listened to: {0}. It takes root and nf_conntrack_netlink"
    )]
    Socket(#[from] io::Error),
}

/// Counts a namespace's events until stdin ends and none waits any more.
///
/// # Errors
/// [`ListenError`].
pub fn listen(netns: &Path) -> Result<Counted, ListenError> {
    let netns = Netns::open(&Root::machine(), &netns.display().to_string())?;
    // A socket stays with the namespace that it was made in.
    let socket = netns.run(subscribe)??;
    let mut out = io::stdout().lock();
    writeln!(out, "{READY}")?;
    out.flush()?;
    count(&socket, io::stdin().as_fd()).map_err(ListenError::Socket)
}

fn subscribe() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind(&SocketAddr::new(0, 0))?;
    for group in GROUPS {
        socket.add_membership(group)?;
    }
    socket.set_non_blocking(true)?;
    Ok(socket)
}

fn count(socket: &Socket, stdin: BorrowedFd<'_>) -> io::Result<Counted> {
    let mut counted = Counted::default();
    let mut bytes = Vec::with_capacity(BUFFER);
    // SAFETY: the socket outlives this function.
    let events = unsafe { BorrowedFd::borrow_raw(socket.as_raw_fd()) };
    loop {
        let ends = {
            let mut both = [
                PollFd::new(events, PollFlags::POLLIN),
                PollFd::new(stdin, PollFlags::POLLIN),
            ];
            match poll(&mut both, PollTimeout::NONE) {
                Err(Errno::EINTR) => continue,
                polled => polled?,
            };
            both[1].any() == Some(true)
        };
        loop {
            bytes.clear();
            match socket.recv(&mut bytes, 0) {
                Ok(_) => counted.add(&bytes),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.raw_os_error() == Some(nix::libc::ENOBUFS) => {
                    counted.overruns += 1;
                }
                Err(error) => return Err(error),
            }
        }
        if ends {
            return Ok(counted);
        }
    }
}

impl Counted {
    /// Takes in what was received at once: one message or several.
    fn add(&mut self, mut bytes: &[u8]) {
        while let Ok(message) = NetlinkBuffer::new_checked(bytes) {
            match message.message_type() {
                NEW => self.inserted += 1,
                DELETE => self.destroyed += 1,
                _ => {}
            }
            let length = (message.length() as usize).next_multiple_of(4);
            bytes = bytes.get(length..).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, payload: usize) -> Vec<u8> {
        let length = 16 + payload;
        let mut bytes = vec![0; length.next_multiple_of(4)];
        let mut buffer = NetlinkBuffer::new(&mut bytes);
        buffer.set_length(length as u32);
        buffer.set_message_type(kind);
        bytes
    }

    #[test]
    fn every_message_of_a_datagram_counts() {
        let mut counted = Counted::default();
        let datagram = [message(NEW, 5), message(DELETE, 8), message(3, 0)].concat();
        counted.add(&datagram);
        counted.add(&message(NEW, 100));
        counted.add(&datagram[..10]);
        let expected = Counted {
            inserted: 2,
            destroyed: 1,
            overruns: 0,
        };
        assert_eq!(counted, expected);
    }
}
