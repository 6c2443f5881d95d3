//! tracker's own process: CPU time, memory, start.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::{Pid, getppid};
use tracker_user::bench::cpu::Cpu;
use tracker_user::bench::memory::Memory;

use super::observer::{Hooks, answer, beneath};
use super::report::{Spent, User};
use super::traffic::Flows;

/// How long the process is watched, after it has settled.
const WATCH_S: u32 = 60;
const SETTLE: Duration = Duration::from_secs(3);
/// New flows a second while busy: with the kernel's 30 s for an unanswered flow, 15,000 entries live.
const BUSY_FLOWS: u32 = 500;
const SHORTEST: [&str; 6] = [
    "profile",
    "--force",
    "--duration",
    "1ms",
    "-o",
    "/tmp/shortest.db",
];

/// Measures the process.
pub fn measure(tracker: &Path) -> Result<User> {
    let spent = |flows: u32| {
        let words = ["watch-parent", &WATCH_S.to_string(), &flows.to_string()].map(str::to_owned);
        answer(&mut beneath(tracker, Hooks::Best, &words)?)
    };
    Ok(User {
        attached_ns: answer(&mut beneath(
            tracker,
            Hooks::Best,
            &["started".to_owned(), now()?.to_string()],
        )?)?,
        shortest_ns: shortest(tracker)?,
        idle: spent(0)?,
        busy: spent(BUSY_FLOWS)?,
        busy_flows: BUSY_FLOWS,
    })
}

/// Nanoseconds since an instant of the monotonic clock.
pub fn started(since: u64) -> Result<u64> {
    Ok(now()? - since)
}

/// What the parent process takes in so many seconds while so many new flows a second are made.
pub fn watch_parent(seconds: u32, flows: u32) -> Result<Spent> {
    let parent = getppid();
    let mut made = Flows::new()?;
    std::thread::sleep(SETTLE);
    let (start, cpu) = (Instant::now(), cpu_ns(parent)?);
    for second in 1..=seconds {
        for _ in 0..flows {
            made.next()?;
        }
        let next = start + Duration::from_secs(second.into());
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(Spent {
        cpu_ns: cpu_ns(parent)? - cpu,
        wall_ns: u64::try_from(start.elapsed().as_nanos())?,
        peak_kib: peak_kib(parent)?,
    })
}

/// The time of a whole watch of 1 ms.
fn shortest(tracker: &Path) -> Result<u64> {
    let start = Instant::now();
    let done = Command::new(tracker).args(SHORTEST).output()?;
    if !done.status.success() {
        bail!(
            "tracker {} ended with {}: {}",
            SHORTEST.join(" "),
            done.status,
            String::from_utf8_lossy(&done.stderr).trim()
        );
    }
    Ok(u64::try_from(start.elapsed().as_nanos())?)
}

/// CPU time of all threads of a process, to the nanosecond.
fn cpu_ns(process: Pid) -> Result<u64> {
    let cpu = Cpu::of_process(process).context("cannot read the CPU time of a process")?;
    Ok(u64::try_from(
        Duration::from_secs_f64(cpu.sum()).as_nanos(),
    )?)
}

fn peak_kib(process: Pid) -> Result<u64> {
    let memory = Memory::of_process(process).context("cannot read the memory of a process")?;
    Ok(memory.peak_bytes / 1024)
}

fn now() -> Result<u64> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC)?;
    Ok(u64::try_from(Duration::from(time).as_nanos())?)
}
