//! How a watch begins and ends: the command's exit status, signals, and what is left behind.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::bpf::Objects;
use super::tracker::{finish, program, show};
use super::{Case, Kind, PREFIX};
use crate::clock::Clock;
use crate::net::Topology;

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "cmd_exit_status",
            kind: Kind::Free(cmd_exit_status),
        },
        Case {
            name: "signal_ends_well",
            kind: Kind::Free(signal_ends_well),
        },
        Case {
            name: "second_signal",
            kind: Kind::Free(second_signal),
        },
        Case {
            name: "killed",
            kind: Kind::Free(killed),
        },
    ]
}

/// How long something may take that has no event to wait for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A topology that tracks.
fn tracking() -> Result<Topology> {
    let topology = Topology::create(PREFIX)?;
    topology.track()?;
    Ok(topology)
}

fn profile(topology: &Topology, recording: &Path) -> Command {
    let mut command = Command::new(program());
    command
        .args(["profile", "--netns", topology.router.name(), "-o"])
        .arg(recording);
    command
}

/// A recording's path, with nothing there.
pub fn fresh(name: &str) -> PathBuf {
    let path = PathBuf::from(format!("/tmp/{name}.db"));
    for old in [
        path.clone(),
        path.with_extension("db-wal"),
        path.with_extension("db-shm"),
    ] {
        // Mostly there is none.
        let _ = std::fs::remove_file(old);
    }
    path
}

/// Asks again at each tenth of a second of the guest's time until there is an answer.
pub fn poll<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> Result<T> {
    let clock = Clock::calibrate()?;
    let step = clock.jiffies(Duration::from_millis(100));
    let end = clock.now()? + clock.jiffies(PATIENCE);
    loop {
        if let Some(answer) = ask() {
            return Ok(answer);
        }
        let now = clock.now()?;
        if now > end {
            bail!("{what} did not come within {} s", PATIENCE.as_secs());
        }
        clock.until(now + step)?;
    }
}

fn cmd_exit_status() -> Result<()> {
    let topology = tracking()?;
    for code in [0, 7] {
        let recording = fresh("cmd_exit_status");
        let mut command = profile(&topology, &recording);
        let done = finish(
            command
                .arg("--")
                .args(["sh", "-c", &format!("exit {code}")]),
        )?;
        ensure!(
            done.status.code() == Some(code),
            "CMD ended with {code}, tracker with {}",
            done.status
        );
        ensure!(
            show(&recording)?["complete"] == json!(true),
            "the recording is not complete"
        );
    }
    Ok(())
}

/// A watch under way, with at least one interval in its recording.
fn under_way(topology: &Topology, recording: &Path) -> Result<Child> {
    let mut command = profile(topology, recording);
    let child = command
        .args(["--duration", "600s"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let begun = || {
        show(recording).ok().filter(|report| {
            report["duration_s"]
                .as_f64()
                .is_some_and(|length| length > 0.5)
        })
    };
    poll("the first interval", begun)?;
    Ok(child)
}

fn signal(child: &Child, signal: Signal) -> Result<()> {
    kill(Pid::from_raw(child.id().cast_signed()), signal)
        .context("the watch ended before it was told to")
}

fn ended(child: &mut Child) -> Result<ExitStatus> {
    poll("the end of the watch", || child.try_wait().ok().flatten())
}

fn report_of(recording: &Path, complete: bool) -> Result<Value> {
    let report = show(recording)?;
    ensure!(
        report["complete"] == json!(complete),
        "complete is {} instead of {complete}",
        report["complete"]
    );
    Ok(report)
}

fn nothing_left(before: Objects) -> Result<()> {
    let mut now = before;
    poll("the removal of all programs, maps and links", || {
        now = Objects::count();
        (now == before).then_some(())
    })
    .with_context(|| format!("{before:?} before, {now:?} after"))
}

fn signal_ends_well() -> Result<()> {
    let topology = tracking()?;
    for end in [Signal::SIGINT, Signal::SIGTERM] {
        let before = Objects::count();
        let recording = fresh("signal_ends_well");
        let mut child = under_way(&topology, &recording)?;
        ensure!(
            Objects::count() != before,
            "no program is loaded while tracker watches"
        );
        signal(&child, end)?;
        let status = ended(&mut child)?;
        ensure!(
            status.code() == Some(0),
            "after {end} tracker ended with {status}"
        );
        report_of(&recording, true)?;
        nothing_left(before)?;
    }
    Ok(())
}

fn second_signal() -> Result<()> {
    let topology = tracking()?;
    let before = Objects::count();
    let recording = fresh("second_signal");
    let mut child = under_way(&topology, &recording)?;
    signal(&child, Signal::SIGINT)?;
    signal(&child, Signal::SIGINT)?;
    ended(&mut child)?;
    show(&recording)?;
    nothing_left(before)
}

fn killed() -> Result<()> {
    let topology = tracking()?;
    let before = Objects::count();
    let recording = fresh("killed");
    let mut child = under_way(&topology, &recording)?;
    signal(&child, Signal::SIGKILL)?;
    ended(&mut child)?;
    report_of(&recording, false)?;
    nothing_left(before)
}
