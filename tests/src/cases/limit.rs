//! A limit to a case's time, by a clock that a guest's own cannot outrun.

use std::fs;
use std::process::exit;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};

/// How long work may take, in real time.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// Until the processes that it started are ended.
    pub time: Duration,
    /// After that, until it has ended by itself.
    pub grace: Duration,
    /// Between two looks at the real clock, in time that a guest may pass at once, or take as long as it takes.
    pub step: Duration,
}

/// The limit of a case. Most take a few seconds.
pub const CASE: Limit = Limit {
    time: Duration::from_secs(300),
    grace: Duration::from_secs(60),
    step: Duration::from_secs(20),
};

/// Does `work`, and tells whether it was over in time. What takes longer is deprived of all processes that it started;
/// if that does not end it, `hopeless` is done and the program ends.
pub fn within<T>(
    limit: Limit,
    hopeless: impl FnOnce() + Send,
    work: impl FnOnce() -> T,
) -> (T, bool) {
    let (working, worked) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let watch = scope.spawn(move || {
            let clock = Real::start();
            let mut in_time = true;
            while worked.recv_timeout(limit.step) == Err(RecvTimeoutError::Timeout) {
                let took = clock.elapsed();
                if took >= limit.time + limit.grace {
                    hopeless();
                    exit(1);
                }
                if took >= limit.time {
                    in_time = false;
                    descendants(getpid()).into_iter().for_each(end);
                }
            }
            in_time
        });
        let result = work();
        drop(working);
        (result, watch.join().unwrap_or(false))
    })
}

/// Time as it passes outside: a guest's battery-backed clock goes with the machine's that it runs on, where others may
/// count instructions.
struct Real {
    start: Option<u64>,
    instant: Instant,
}

impl Real {
    fn start() -> Self {
        Self {
            start: Self::read(),
            instant: Instant::now(),
        }
    }

    fn read() -> Option<u64> {
        let text = fs::read_to_string("/sys/class/rtc/rtc0/since_epoch").ok()?;
        text.trim().parse().ok()
    }

    fn elapsed(&self) -> Duration {
        match (self.start, Self::read()) {
            (Some(start), Some(now)) => Duration::from_secs(now.saturating_sub(start)),
            _ => self.instant.elapsed(),
        }
    }
}

/// All processes that a process has started, and those that these have.
fn descendants(of: Pid) -> Vec<Pid> {
    let listed = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pairs: Vec<(Pid, Pid)> = listed
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let status = fs::read_to_string(entry.path().join("status")).ok()?;
            let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"))?;
            Some((
                Pid::from_raw(parent.trim().parse().ok()?),
                Pid::from_raw(pid),
            ))
        })
        .collect();
    let mut found = vec![of];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let children = pairs.iter().filter(|(of, _)| *of == parent);
        found.extend(children.map(|(_, child)| *child));
        next += 1;
    }
    found.split_off(1)
}

/// Says what a process is at, and ends it.
fn end(pid: Pid) {
    let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let words = read("cmdline").replace('\0', " ");
    eprintln!("ended, since it took too long: {words}\n{}", read("stack"));
    // One that has ended meanwhile is no loss.
    let _ = kill(pid, Signal::SIGKILL);
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const SHORT: Limit = Limit {
        time: Duration::ZERO,
        grace: Duration::from_secs(60),
        step: Duration::from_millis(50),
    };

    #[test]
    fn work_in_time_is_left_alone() {
        assert_eq!(within(CASE, || (), || 7), (7, true));
    }

    #[test]
    fn what_takes_too_long_loses_its_processes() {
        let work = || Command::new("sleep").arg("100000").status();
        let (ended, in_time) = within(SHORT, || (), work);
        assert!(!in_time);
        assert!(!ended.unwrap().success());
    }
}
