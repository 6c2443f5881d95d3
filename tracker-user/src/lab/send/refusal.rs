//! Where nothing is ever sent.

use std::{
    fs, io,
    os::{
        fd::{AsRawFd, OwnedFd},
        linux::fs::MetadataExt,
    },
    path::Path,
    process,
};

use nix::libc;

use crate::lab::net::{Namespace, NetError};

/// Nothing is sent there.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The namespace is not the lab's.
    #[error(
        "nothing is sent in {what} network namespace: the lab only sends in namespaces that it made"
    )]
    NotOurs {
        /// Whose it is.
        what: &'static str,
    },
    /// The interface may lead outside.
    #[error(
        "nothing is sent on {interface}, which is driven by {driver}: the lab only sends on a veth \
         that it made"
    )]
    NotVeth {
        /// The interface.
        interface: String,
        /// Its driver.
        driver: String,
    },
    /// The socket cannot be had.
    #[error(
        "no packet socket for {at}: {source}. It takes CAP_NET_RAW and a kernel with CONFIG_PACKET"
    )]
    Open {
        /// The interface.
        at: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The kernel does not take a frame.
    #[error("{at} does not take a frame: {source}. Look whether the interface is up")]
    Send {
        /// The interface.
        at: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The namespace refuses.
    #[error(transparent)]
    Net(#[from] NetError),
}

/// A sysctl that only the machine's first namespace has.
const ONLY_OF_FIRST: &str = "/proc/sys/net/core/netdev_max_backlog";

/// Refuses the machine's first namespace, that of process 1, and the one that this process is in.
///
/// # Errors
/// [`SendError::NotOurs`], or when the namespace cannot be entered.
pub fn allowed_in(namespace: &Namespace) -> Result<(), SendError> {
    if namespace.run(|| Path::new(ONLY_OF_FIRST).exists())? {
        return Err(SendError::NotOurs {
            what: "the machine's first",
        });
    }
    let inum = namespace.inum()?;
    let own = format!("/proc/{}/ns/net", process::id());
    for (path, what) in [
        (own.as_str(), "this process's own"),
        ("/proc/1/ns/net", "the first process's"),
    ] {
        // Process 1 may hide its own, which then is not one that this process could have made.
        if fs::metadata(path).is_ok_and(|meta| meta.st_ino() == inum) {
            return Err(SendError::NotOurs { what });
        }
    }
    Ok(())
}

/// Refuses what is no veth.
pub fn of_interface(socket: &OwnedFd, interface: &str) -> Result<(), SendError> {
    let driver = driver(socket, interface).map_err(|source| SendError::Open {
        at: interface.to_owned(),
        source,
    })?;
    if driver == "veth" {
        return Ok(());
    }
    Err(SendError::NotVeth {
        interface: interface.to_owned(),
        driver,
    })
}

/// `struct ethtool_drvinfo`, of which only the second field counts here.
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    rest: [u8; 160],
}

/// `ETHTOOL_GDRVINFO`.
const GET_DRIVER_INFO: u32 = 3;

/// The driver of an interface of the socket's namespace.
///
/// # Errors
/// When there is no such interface.
pub fn driver(socket: &OwnedFd, interface: &str) -> io::Result<String> {
    let mut info = DriverInfo {
        command: GET_DRIVER_INFO,
        driver: [0; 32],
        rest: [0; 160],
    };
    // SAFETY: all-zero is a valid value of this structure of numbers.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if interface.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from.cast_signed();
    }
    request.ifr_ifru.ifru_data = (&raw mut info).cast();
    // SAFETY: the request is a live ifreq whose data is a live structure as the command takes it.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) };
    if done < 0 {
        let error = io::Error::last_os_error();
        // Some interfaces, such as the loopback, have nothing to say about themselves.
        return match error.raw_os_error() {
            Some(libc::EOPNOTSUPP) => Ok("nobody".to_owned()),
            _ => Err(error),
        };
    }
    let length = info.driver.iter().position(|&byte| byte == 0);
    let name = &info.driver[..length.unwrap_or(info.driver.len())];
    Ok(String::from_utf8_lossy(name).into_owned())
}
