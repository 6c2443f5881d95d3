//! Emptying the table by one message, without a process that would have to be started.

use anyhow::{Context, Result, bail};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};
use std::os::fd::{AsRawFd, OwnedFd};

/// `IPCTNL_MSG_CT_DELETE` of the subsystem `NFNL_SUBSYS_CTNETLINK`, without a tuple: delete all.
const DELETE_ALL: u16 = 1 << 8 | 2;
/// `NLM_F_REQUEST | NLM_F_ACK`.
const FLAGS: u16 = 1 | 4;
const LENGTH: u32 = 20;

/// A way to empty the table of the namespace it was made in.
pub struct Flush {
    socket: OwnedFd,
}

impl Flush {
    /// Opens it. Needs nf_conntrack_netlink.
    pub fn open() -> Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkNetFilter,
        )
        .context("cannot open a netlink socket")?;
        Ok(Self { socket })
    }

    /// Removes every entry. When it returns, they are gone.
    pub fn all(&self) -> Result<()> {
        let mut message = Vec::with_capacity(LENGTH as usize);
        message.extend(LENGTH.to_ne_bytes());
        message.extend(DELETE_ALL.to_ne_bytes());
        message.extend(FLAGS.to_ne_bytes());
        // Sequence number, port, family, version and resource: none of them matters here.
        message.resize(LENGTH as usize, 0);
        let socket = self.socket.as_raw_fd();
        let kernel = NetlinkAddr::new(0, 0);
        sendto(socket, &message, &kernel, MsgFlags::empty())?;
        let mut answer = [0; 256];
        let length = recv(socket, &mut answer, MsgFlags::empty())?;
        let errno = answer[..length]
            .get(16..20)
            .and_then(|bytes| bytes.try_into().ok());
        match errno.map(i32::from_ne_bytes) {
            Some(0) => Ok(()),
            Some(errno) => bail!(
                "the kernel does not empty the table: {}",
                nix::Error::from_raw(-errno)
            ),
            None => bail!("the kernel's answer about the table is too short"),
        }
    }
}
