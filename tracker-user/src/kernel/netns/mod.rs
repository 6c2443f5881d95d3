//! Network namespaces: which there are, what they are called, and doing something in one.

mod cookie;
mod list;
#[cfg(test)]
mod tests;

use std::{
    fs::File,
    io,
    os::unix::fs::MetadataExt,
    panic,
    path::{Path, PathBuf},
    thread,
};

use nix::sched::{CloneFlags, setns};

pub use self::{
    cookie::cookie,
    list::{Known, list, number, sees_all},
};
use super::Root;

/// Name of the namespace of process 1: the machine's first, or a container's if that is all one sees.
pub const HOST: &str = "host";
const CURRENT: &str = "proc/thread-self/ns/net";

/// An open network namespace. The kernel keeps it alive as long as it is open.
#[derive(Debug)]
pub struct Netns {
    name: String,
    inum: u32,
    file: File,
}

/// A namespace cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NetnsError {
    /// Nothing has this name.
    #[error(
        "there is no network namespace {name}. Name one of: {known}; or give the path of one, such \
         as /proc/PID/ns/net"
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// Names that there are.
        known: String,
    },
    /// The file cannot be opened.
    #[error(
        "cannot open the network namespace {path}: {source}. Check the path, and run as root or \
         with CAP_SYS_PTRACE for that of another user's process"
    )]
    Unreadable {
        /// Its path.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// The file is something else.
    #[error(
        "{path} is not a network namespace. Name one under /run/netns, or give the path of one, such \
         as /proc/PID/ns/net"
    )]
    NotNetns {
        /// Its path.
        path: String,
    },
}

impl Netns {
    /// Opens the one of this name (see [`Known`]), or at this path if there is a slash in it.
    ///
    /// # Errors
    /// [`NetnsError`].
    pub fn open(root: &Root, name_or_path: &str) -> Result<Self, NetnsError> {
        let known = list(root);
        if name_or_path.contains('/') {
            let mut opened = Self::at(root, &root.path(name_or_path))?;
            if let Some(known) = known.into_iter().find(|it| it.inum == opened.inum) {
                opened.name = known.name;
            }
            return Ok(opened);
        }
        match known.iter().find(|it| it.name == name_or_path) {
            Some(known) => Self::open_known(root, known),
            None => Err(NetnsError::Unknown {
                name: name_or_path.to_owned(),
                known: known
                    .into_iter()
                    .map(|it| it.name)
                    .collect::<Vec<_>>()
                    .join(", "),
            }),
        }
    }

    /// Opens one that was listed.
    ///
    /// # Errors
    /// [`NetnsError`], such as when it is gone by now.
    pub fn open_known(root: &Root, known: &Known) -> Result<Self, NetnsError> {
        Ok(Self {
            name: known.name.clone(),
            ..Self::at(root, &known.path)?
        })
    }

    /// Opens the calling thread's.
    ///
    /// # Errors
    /// [`NetnsError`], such as when /proc is not mounted.
    pub fn current(root: &Root) -> Result<Self, NetnsError> {
        Self::open(root, &format!("/{CURRENT}"))
    }

    fn at(root: &Root, path: &Path) -> Result<Self, NetnsError> {
        let shown = || path.display().to_string();
        let unreadable = |source| NetnsError::Unreadable {
            path: shown(),
            source,
        };
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        // All namespaces are on a file system of their own.
        let own = root.path(CURRENT).metadata().map_err(unreadable)?;
        match u32::try_from(metadata.ino()) {
            Ok(inum) if metadata.dev() == own.dev() && metadata.is_file() => Ok(Self {
                name: unnamed(inum),
                inum,
                file,
            }),
            _ => Err(NetnsError::NotNetns { path: shown() }),
        }
    }

    /// As in [`Known::name`].
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Inode number.
    #[must_use]
    pub fn inum(&self) -> u32 {
        self.inum
    }

    /// Runs something in the namespace, on a thread of its own, and waits for it. The caller's
    /// thread stays where it is.
    ///
    /// # Errors
    /// When the thread cannot be started, or may not enter (it takes `CAP_SYS_ADMIN`).
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        thread::scope(|scope| {
            let builder = thread::Builder::new().name(format!("netns {}", self.inum));
            let thread = builder.spawn_scoped(scope, || {
                setns(&self.file, CloneFlags::CLONE_NEWNET)?;
                Ok(work())
            })?;
            thread
                .join()
                .unwrap_or_else(|panic| panic::resume_unwind(panic))
        })
    }
}

/// Inode number of the calling thread's, where /proc tells.
#[must_use]
pub fn current(root: &Root) -> Option<u32> {
    let metadata = root.path(CURRENT).metadata().ok()?;
    u32::try_from(metadata.ino()).ok()
}

/// Name of a namespace that nobody named.
#[must_use]
pub fn unnamed(inum: u32) -> String {
    format!("net:[{inum}]")
}

/// Whether a namespace has no other name than its number, which another one may have when it is gone.
#[must_use]
pub fn is_unnamed(name: &str) -> bool {
    name.starts_with("net:[")
}

/// Where a process shows its namespace.
fn of_process(pid: &str) -> PathBuf {
    Path::new("proc").join(pid).join("ns/net")
}
