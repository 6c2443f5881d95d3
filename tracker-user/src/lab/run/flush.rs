//! Deleting all entries of a namespace, by conntrack's netlink interface.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket,
};

use crate::lab::net::{Namespace, NetError};

/// The table cannot be flushed.
#[derive(Debug, thiserror::Error)]
pub enum FlushError {
    /// The kernel refuses.
    #[error(
        "the router's table cannot be flushed: {0}. Check that nf_conntrack_netlink can be loaded"
    )]
    Refused(io::Error),
    /// The namespace refuses.
    #[error(transparent)]
    Net(#[from] NetError),
}

/// `NFNL_SUBSYS_CTNETLINK` and `IPCTNL_MSG_CT_DELETE`.
const DELETE: u16 = 1 << 8 | 2;
/// `NLM_F_REQUEST` and `NLM_F_ACK`.
const FLAGS: u16 = 1 | 4;
/// A header of netlink, and one of netfilter: any family, version 0, no resource.
const LENGTH: u32 = 16 + 4;

/// A way to empty the table of the namespace that it was opened in.
#[derive(Debug)]
pub struct Flusher(OwnedFd);

impl Flusher {
    /// Opens it, in the calling thread's namespace.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn open() -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkNetFilter,
        )?;
        Ok(Self(socket))
    }

    /// Deletes all entries; when it is back, they are gone.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn flush(&self) -> io::Result<()> {
        send(self.0.as_raw_fd(), &request(), MsgFlags::empty())?;
        let mut answer = [0; 512];
        let length = recv(self.0.as_raw_fd(), &mut answer, MsgFlags::empty())?;
        status(&answer[..length])
    }
}

/// Deletes all entries of a namespace; when it is back, they are gone.
///
/// # Errors
/// [`FlushError`].
pub fn flush(namespace: &Namespace) -> Result<(), FlushError> {
    let done = namespace.run(|| Flusher::open()?.flush())?;
    done.map_err(FlushError::Refused)
}

/// One that names no entry means all.
fn request() -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LENGTH as usize);
    bytes.extend(LENGTH.to_ne_bytes());
    bytes.extend(DELETE.to_ne_bytes());
    bytes.extend(FLAGS.to_ne_bytes());
    // Sequence number, sender, and the header of netfilter.
    bytes.resize(LENGTH as usize, 0);
    bytes
}

/// The answer is an error message, whose number is 0 if all went well.
fn status(answer: &[u8]) -> io::Result<()> {
    let number = answer.get(16..20).and_then(|bytes| bytes.try_into().ok());
    match number.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(errno) => Err(io::Error::from_raw_os_error(-errno)),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_tells_how_it_went() {
        assert_eq!(request().len(), 20);
        let mut answer = vec![0; 36];
        assert!(status(&answer).is_ok());
        answer[16..20].copy_from_slice(&(-1_i32).to_ne_bytes());
        assert_eq!(status(&answer).unwrap_err().raw_os_error(), Some(1));
        assert!(status(&answer[..10]).is_err());
    }
}
