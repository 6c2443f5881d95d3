//! A network namespace without a name.

use std::{fs::File, os::fd::AsRawFd, path::PathBuf, process, thread};

use nix::sched::{CloneFlags, unshare};

use super::{Namespace, NetError};

/// A network namespace of this process's own. Only an open file holds it: the kernel takes it away,
/// with its interfaces and rules, when this is dropped or the process ends, in whatever way.
#[derive(Debug)]
pub struct Held {
    _file: File,
    namespace: Namespace,
}

impl Held {
    /// Makes one. The name is for messages.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn create(name: &str) -> Result<Self, NetError> {
        let make = || -> std::io::Result<File> {
            unshare(CloneFlags::CLONE_NEWNET)?;
            File::open("/proc/thread-self/ns/net")
        };
        let file = thread::scope(|scope| scope.spawn(make).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            .map_err(|source| NetError::Make { source })?;
        // Named by the process's number, the path leads there from other processes too.
        let path = PathBuf::from(format!("/proc/{}/fd/{}", process::id(), file.as_raw_fd()));
        Ok(Self {
            _file: file,
            namespace: Namespace::at(name, [path]),
        })
    }
}

impl std::ops::Deref for Held {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.namespace
    }
}
