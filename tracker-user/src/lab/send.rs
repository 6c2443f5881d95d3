//! Sending frames from an end.

mod refusal;

use std::{
    ffi::CString,
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    ptr,
};

use nix::libc;

pub use refusal::{SendError, allowed_in, driver};

use super::net::Held;

/// Frames that go out with one system call.
pub const TOGETHER: usize = 128;

/// A packet socket at an interface that leads nowhere but into another namespace.
#[derive(Debug)]
pub struct Wire {
    socket: OwnedFd,
    at: String,
}

impl Wire {
    /// Opens it in a namespace that only the lab can make. Nothing but a veth outside of the
    /// namespaces of this process and of the machine is ever sent on.
    ///
    /// # Errors
    /// [`SendError`].
    pub fn open(namespace: &Held, interface: &str) -> Result<Self, SendError> {
        allowed_in(namespace)?;
        let socket = namespace.run(|| bound(interface))?;
        let at = format!("{interface} in namespace {}", namespace.name());
        let socket = socket.map_err(|source| SendError::Open {
            at: at.clone(),
            source,
        })?;
        refusal::of_interface(&socket, interface)?;
        Ok(Self { socket, at })
    }

    /// Sends frames, each of which is the part of `bytes` that ends there. When it is back, the
    /// kernel has taken all of them.
    ///
    /// # Errors
    /// When the kernel takes one for wrong.
    pub fn send(&self, bytes: &[u8], begin: usize, ends: &[usize]) -> Result<(), SendError> {
        let mut start = begin;
        for ends in ends.chunks(TOGETHER) {
            self.send_together(bytes, &mut start, ends)?;
        }
        Ok(())
    }

    fn send_together(
        &self,
        bytes: &[u8],
        start: &mut usize,
        ends: &[usize],
    ) -> Result<(), SendError> {
        let mut parts = [const {
            libc::iovec {
                iov_base: ptr::null_mut(),
                iov_len: 0,
            }
        }; TOGETHER];
        // SAFETY: all-zero is what the kernel takes for a message without address, data or control.
        let mut messages: [libc::mmsghdr; TOGETHER] = unsafe { std::mem::zeroed() };
        for ((part, message), &end) in parts.iter_mut().zip(&mut messages).zip(ends) {
            let frame = &bytes[*start..end];
            part.iov_base = frame.as_ptr().cast_mut().cast();
            part.iov_len = frame.len();
            message.msg_hdr.msg_iov = ptr::from_mut(part);
            message.msg_hdr.msg_iovlen = 1;
            *start = end;
        }
        let mut left = &mut messages[..ends.len()];
        while !left.is_empty() {
            let count = libc::c_uint::try_from(left.len()).unwrap_or(libc::c_uint::MAX);
            // SAFETY: the messages point to parts and frames that live until the call is back, and
            // there are as many as it is told.
            let sent =
                unsafe { libc::sendmmsg(self.socket.as_raw_fd(), left.as_mut_ptr(), count, 0) };
            match usize::try_from(sent) {
                Ok(sent) => left = &mut left[sent..],
                Err(_) => self.wait_for_room(io::Error::last_os_error())?,
            }
        }
        Ok(())
    }

    /// A frame that found no room in the receiver's queue was not taken. It is sent again after
    /// everybody else may have run.
    fn wait_for_room(&self, error: io::Error) -> Result<(), SendError> {
        match error.raw_os_error() {
            Some(libc::EINTR) => Ok(()),
            Some(libc::ENOBUFS | libc::EAGAIN | libc::ENOMEM) => {
                std::thread::sleep(std::time::Duration::from_micros(100));
                Ok(())
            }
            _ => Err(SendError::Send {
                at: self.at.clone(),
                source: error,
            }),
        }
    }
}

/// A packet socket of the calling thread's namespace. It receives nothing.
fn bound(interface: &str) -> io::Result<OwnedFd> {
    let name = CString::new(interface)?;
    // SAFETY: the name is a string that ends with 0.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call takes no pointers.
    let made = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: nobody else has the new descriptor.
    let socket = unsafe { OwnedFd::from_raw_fd(made) };
    let bypass: libc::c_int = 1;
    // SAFETY: the pointer is to a live value of the length given.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_QDISC_BYPASS,
            (&raw const bypass).cast(),
            size::<libc::c_int>(),
        )
    })?;
    // SAFETY: all-zero is a valid value of this structure of numbers.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as libc::c_ushort;
    address.sll_ifindex = index.cast_signed();
    // SAFETY: the pointer is to a live value of the length given.
    check(unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast(),
            size::<libc::sockaddr_ll>(),
        )
    })?;
    Ok(socket)
}

fn size<T>() -> libc::socklen_t {
    size_of::<T>() as libc::socklen_t
}

fn check(status: libc::c_int) -> io::Result<()> {
    if status == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
