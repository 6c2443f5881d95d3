//! What a process takes of the machine's memory, and what it makes the kernel take.

use std::{
    collections::BTreeMap,
    fs, io,
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use nix::unistd::Pid;
use serde::Serialize;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// Memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// The most that it had resident (`VmHWM`).
    pub peak_bytes: u64,
    /// Its eBPF maps at their largest.
    pub maps_bytes: u64,
}

impl Memory {
    fn max_of(self, other: Self) -> Self {
        Self {
            peak_bytes: self.peak_bytes.max(other.peak_bytes),
            maps_bytes: self.maps_bytes.max(other.maps_bytes),
        }
    }

    /// That of a process.
    ///
    /// # Errors
    /// When it is gone.
    pub fn of_process(process: Pid) -> io::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status"))?;
        let mut maps = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{process}/fdinfo"))? {
            // A file may be closed before it is looked at.
            let text = fs::read_to_string(entry?.path()).unwrap_or_default();
            maps.extend(map(&text));
        }
        Ok(Self {
            peak_bytes: field(&status, "VmHWM:").unwrap_or(0) * 1024,
            maps_bytes: maps.values().sum(),
        })
    }
}

/// Looks at a process's memory while something goes on, since maps may grow and shrink again.
///
/// # Errors
/// When the process is gone at the end.
pub fn during<T: Send>(
    process: Option<Pid>,
    work: impl FnOnce() -> T + Send,
) -> (T, io::Result<Option<Memory>>) {
    let Some(process) = process else {
        return (work(), Ok(None));
    };
    let (working, worked) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let looker = scope.spawn(move || {
            let mut most = Memory::default();
            while worked.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                most = most.max_of(Memory::of_process(process).unwrap_or_default());
            }
            Memory::of_process(process).map(|last| Some(most.max_of(last)))
        });
        let done = work();
        drop(working);
        let memory = looker
            .join()
            .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        (done, memory)
    })
}

/// Number and memory of the map behind an open file, if it is one.
fn map(fdinfo: &str) -> Option<(u64, u64)> {
    Some((field(fdinfo, "map_id:")?, field(fdinfo, "memlock:")?))
}

fn field(text: &str, name: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_maps_are_maps() {
        let text = "pos:\t0\nflags:\t02000002\nmap_type:\t2\nmemlock:\t8192\nmap_id:\t14\n";
        assert_eq!(map(text), Some((14, 8192)));
        assert_eq!(map("pos:\t0\nprog_id:\t3\nmemlock:\t4096\n"), None);
    }

    #[test]
    fn this_process_has_memory() {
        // The kernel adds a peak up over the CPUs as it is asked, so it may be a little less later.
        let is_own = |memory: Memory| memory.peak_bytes > 1 << 20 && memory.maps_bytes == 0;
        assert!(is_own(Memory::of_process(Pid::this()).unwrap()));
        let (done, during) = during(Some(Pid::this()), || 7);
        assert_eq!(done, 7);
        assert!(is_own(during.unwrap().unwrap()));
    }
}
