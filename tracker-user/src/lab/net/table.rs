//! The size of the table, which is one for all namespaces.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::unix::process::CommandExt,
    process::{Child, ChildStdin, Command, Stdio},
};

use super::{
    Change, NetError, Size,
    size::{Present, Step},
};

const MAX: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
const BUCKETS: &str = "/proc/sys/net/netfilter/nf_conntrack_buckets";
const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";

/// The table's size, changed until this is dropped, or the process ends in whatever way.
#[derive(Debug)]
pub struct Table {
    steps: Vec<(&'static str, Step)>,
    restorer: Child,
    lifeline: Option<ChildStdin>,
    _lock: File,
}

impl Table {
    /// Sets the number of entries at most, and that of buckets if one is given. Before it does, `tell`
    /// hears of what will change, if anything does. Only the machine's first namespace can: this is to
    /// be called there.
    ///
    /// # Errors
    /// When the kernel refuses, the machine needs the table itself, another lab has set it, or no
    /// shell can be started that will undo it.
    pub fn resize(
        max: Size,
        buckets: Option<Size>,
        tell: impl FnOnce(&Change),
    ) -> Result<Self, NetError> {
        let fail = |source| NetError::Table { source };
        let lock = File::open(MAX).map_err(fail)?;
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            return Err(NetError::Busy);
        }
        let present = Present {
            max: read(MAX).map_err(fail)?,
            buckets: read(BUCKETS).map_err(fail)?,
            tracked: read(COUNT).map_err(fail)?,
        };
        let change = present.change(max, buckets)?;
        if change.is_any() {
            tell(&change);
        }
        let steps = [(BUCKETS, change.buckets), (MAX, change.max)];
        let steps: Vec<_> = steps.into_iter().filter(|(_, it)| it.is_any()).collect();
        let shared = lock.try_clone().map_err(fail)?;
        let mut restorer = restorer(&steps, shared).map_err(fail)?;
        let table = Self {
            lifeline: restorer.stdin.take(),
            steps,
            restorer,
            _lock: lock,
        };
        for (path, step) in &table.steps {
            fs::write(path, step.after.to_string()).map_err(fail)?;
        }
        Ok(table)
    }
}

/// A process that waits for the end of its input, which comes with the end of this process, and then
/// undoes the change. In a process group of its own, Ctrl-C does not reach it, and what a service
/// manager sends to all processes it does not heed. It holds the lock until it is done: a second lab
/// would else take this one's size for the machine's.
fn restorer(steps: &[(&'static str, Step)], lock: File) -> io::Result<Child> {
    let mut undo = "trap '' INT TERM HUP QUIT; read _".to_owned();
    for (path, step) in steps.iter().rev() {
        undo += &format!("; echo {} >{path}", step.before);
    }
    Command::new("/bin/sh")
        .args(["-c", &undo])
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(lock)
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
}

fn read(path: &str) -> io::Result<u64> {
    let text = fs::read_to_string(path)?;
    text.trim().parse().map_err(io::Error::other)
}

impl Drop for Table {
    fn drop(&mut self) {
        self.lifeline = None;
        // Whether it did its work shows in the sysctl, not in its status: it may have been killed.
        let _ = self.restorer.wait();
        for (path, step) in self.steps.iter().rev() {
            if read(path).ok() != Some(step.before) {
                // Who may not write it has not changed it either.
                let _ = fs::write(path, step.before.to_string());
            }
        }
    }
}
