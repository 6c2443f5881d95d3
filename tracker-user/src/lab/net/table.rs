//! The size of the table, which is one for all namespaces.

use std::{
    fs::{self, File, TryLockError},
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, Command, Stdio},
};

use super::NetError;

const MAX: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
const BUCKETS: &str = "/proc/sys/net/netfilter/nf_conntrack_buckets";

/// The table's size, changed until this is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub struct Table {
    /// The table's size before, in entries.
    pub before: u64,
    restorer: Child,
    lifeline: Option<ChildStdin>,
}

impl Table {
    /// Sets the number of entries at most, and that of buckets if one is given. Only the machine's
    /// first namespace can: this is to be called there.
    ///
    /// # Errors
    /// When the kernel refuses, another lab has set it, or no shell can be started that will undo it.
    pub fn resize(max: u64, buckets: Option<u64>) -> Result<Self, NetError> {
        let fail = |source| NetError::Table { source };
        let read = |path: &str| {
            let text = fs::read_to_string(path).map_err(fail)?;
            let number = text.trim().parse::<u64>();
            number.map_err(|error| fail(std::io::Error::other(error)))
        };
        let lock = File::open(MAX).map_err(fail)?;
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            return Err(NetError::Busy);
        }
        let (before, buckets_before) = (read(MAX)?, read(BUCKETS)?);
        let mut undo = format!("read _; echo {before} >{MAX}");
        if buckets.is_some() {
            undo += &format!("; echo {buckets_before} >{BUCKETS}");
        }
        // It waits for the end of its input, which comes with the end of this process. In a process
        // group of its own, Ctrl-C does not reach it. It holds the lock until it is done: a second
        // lab would else take this one's size for the machine's.
        let mut restorer = Command::new("/bin/sh")
            .args(["-c", &undo])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(lock)
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(fail)?;
        let lifeline = restorer.stdin.take();
        let table = Self {
            before,
            restorer,
            lifeline,
        };
        if let Some(buckets) = buckets {
            fs::write(BUCKETS, buckets.to_string()).map_err(fail)?;
        }
        fs::write(MAX, max.to_string()).map_err(fail)?;
        Ok(table)
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        self.lifeline = None;
        // Whether it did its work shows in the sysctl, not in its status.
        let _ = self.restorer.wait();
    }
}
