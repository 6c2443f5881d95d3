use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt, path::PathBuf};

use super::{CURRENT, HOST, of_process, unnamed};
use crate::kernel::Root;

/// Folders with a file for each namespace; whether the file's name alone is its name.
const FOLDERS: [(&str, bool); 2] = [("run/netns", true), ("run/docker/netns", false)];

/// A sysctl that only the first namespace of the machine has.
const ONLY_OF_FIRST: &str = "proc/sys/net/core/netdev_max_backlog";

/// Where a process shows the mounts that it has: /run/netns is one of them.
const MOUNTS: [&str; 2] = ["proc/1/ns/mnt", "proc/thread-self/ns/mnt"];

/// A namespace that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Inode number, as in `/proc/PID/ns/net`.
    pub inum: u32,
    /// `host` for that of process 1; the name under /run/netns; Docker's path; or `net:[INUM]`
    /// where only processes are in it.
    pub name: String,
    /// A file that leads to it.
    pub path: PathBuf,
}

/// All that the caller can see, each once: the host's first, then named ones, then others.
///
/// What the caller may not look at is left out: without `CAP_SYS_PTRACE`, the namespaces of other
/// users' processes.
#[must_use]
pub fn list(root: &Root) -> Vec<Known> {
    let Ok(own) = root.path(CURRENT).metadata() else {
        return Vec::new();
    };
    let mut found = Found {
        device: own.dev(),
        all: Vec::new(),
    };
    found.add(root.path(of_process("1")), Some(HOST.to_owned()));
    // Process 1 may have rights that the caller lacks, and then hides its namespace.
    if found.all.is_empty() && root.has(ONLY_OF_FIRST) {
        found.add(root.path(CURRENT), Some(HOST.to_owned()));
    }
    for (folder, is_name) in FOLDERS {
        for (file, path) in entries(root, folder) {
            let name = if is_name {
                file
            } else {
                path.display().to_string()
            };
            found.add(path, Some(name));
        }
    }
    found.add(root.path(CURRENT), None);
    let processes = entries(root, "proc");
    for pid in processes
        .into_keys()
        .filter(|name| name.bytes().all(|it| it.is_ascii_digit()))
    {
        found.add(root.path(of_process(&pid)), None);
    }
    found.all
}

/// Number of the namespace of this name, whatever else it is called.
#[must_use]
pub fn number(root: &Root, name: &str) -> Option<u32> {
    let path = match name {
        HOST => root.path(of_process("1")),
        // Docker's are called by their path.
        _ if name.contains('/') => PathBuf::from(name),
        _ => root.path(FOLDERS[0].0).join(name),
    };
    u32::try_from(path.metadata().ok()?.ino()).ok()
}

/// Whether a namespace that [`list`] does not have is gone: the caller sees the files that process 1 sees.
#[must_use]
pub fn sees_all(root: &Root) -> bool {
    let inode = |path| root.path(path).metadata().map(|it| it.ino()).ok();
    let [all, own] = MOUNTS.map(inode);
    all.is_some() && all == own
}

struct Found {
    /// The file system of all namespaces.
    device: u64,
    all: Vec<Known>,
}

impl Found {
    fn add(&mut self, path: PathBuf, name: Option<String>) {
        let Ok(metadata) = path.metadata() else {
            return;
        };
        let Ok(inum) = u32::try_from(metadata.ino()) else {
            return;
        };
        if metadata.dev() != self.device || self.all.iter().any(|it| it.inum == inum) {
            return;
        }
        self.all.push(Known {
            inum,
            name: name.unwrap_or_else(|| unnamed(inum)),
            path,
        });
    }
}

/// Names and paths of what is in a folder.
fn entries(root: &Root, folder: &str) -> BTreeMap<String, PathBuf> {
    let Ok(entries) = fs::read_dir(root.path(folder)) else {
        return BTreeMap::new();
    };
    let named = |entry: fs::DirEntry| Some((entry.file_name().into_string().ok()?, entry.path()));
    entries.filter_map(Result::ok).filter_map(named).collect()
}
