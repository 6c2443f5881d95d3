//! How a watch begins and ends: the command's exit status, signals, and what is left behind.

use std::net::{Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tracker_user::lab::clock::Clock;

use super::bpf::Objects;
use super::tracker::{finish, program, show};
use super::{Case, Kind, PREFIX};
use crate::net::{SERVER4, Topology};

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
            name: "traffic_goes_on",
            kind: Kind::Free(traffic_goes_on),
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

/// Time between datagrams: much shorter than the end of a watch takes.
const PERIOD: Duration = Duration::from_millis(20);

const PORT: u16 = 9;

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

fn signal_ends_well() -> Result<()> {
    let topology = tracking()?;
    for end in [Signal::SIGINT, Signal::SIGTERM] {
        Objects::are_gone()?;
        let recording = fresh("signal_ends_well");
        let mut child = under_way(&topology, &recording)?;
        ensure!(
            Objects::count() != Objects::NONE,
            "no program is loaded while tracker watches"
        );
        signal(&child, end)?;
        let status = ended(&mut child)?;
        ensure!(
            status.code() == Some(0),
            "after {end} tracker ended with {status}"
        );
        report_of(&recording, true)?;
        Objects::are_gone()?;
    }
    Ok(())
}

/// Traffic does not end with the watch: packets that come when the hooks are gone already, and
/// the entries are still to be looked at, must not make two gaps one.
fn traffic_goes_on() -> Result<()> {
    let topology = tracking()?;
    let socket = topology.client.run(|| -> std::io::Result<UdpSocket> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.connect((SERVER4, PORT))?;
        Ok(socket)
    })??;
    // Takes the datagrams, which nobody reads: a refusal would keep the next one from being sent.
    let _server = topology
        .server
        .run(|| UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)))??;
    let recording = fresh("traffic_goes_on");
    let ended = AtomicBool::new(false);
    let (done, longest_pause) = std::thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            let mut last = Instant::now();
            while !ended.load(Ordering::Relaxed) {
                socket.send(b"datagram")?;
                longest = longest.max(last.elapsed());
                last = Instant::now();
                std::thread::sleep(PERIOD);
            }
            Ok::<_, std::io::Error>(longest)
        });
        let done = finish(profile(&topology, &recording).args(["--duration", "3s"]));
        ended.store(true, Ordering::Relaxed);
        (done, sender.join())
    });
    let done = done?;
    ensure!(done.status.success(), "tracker ended with {}", done.status);
    let report = report_of(&recording, true)?;
    let longest_pause = longest_pause.map_err(|_| anyhow::anyhow!("the sender panicked"))??;
    let gap = report["timers"]
        .as_array()
        .and_then(|rows| rows.iter().find(|row| row["name"] == "udp_timeout"))
        .and_then(|row| row["max_gap"]["max_s"].as_f64())
        .context("the report has no gap under udp_timeout")?;
    ensure!(
        gap > 0.0 && gap <= longest_pause.as_secs_f64() + 0.01,
        "a gap of {gap} s, but no pause was longer than {longest_pause:?}"
    );
    Ok(())
}

fn second_signal() -> Result<()> {
    let topology = tracking()?;
    Objects::are_gone()?;
    let recording = fresh("second_signal");
    let mut child = under_way(&topology, &recording)?;
    signal(&child, Signal::SIGINT)?;
    signal(&child, Signal::SIGINT)?;
    ended(&mut child)?;
    show(&recording)?;
    Objects::are_gone()
}

fn killed() -> Result<()> {
    let topology = tracking()?;
    Objects::are_gone()?;
    let recording = fresh("killed");
    let mut child = under_way(&topology, &recording)?;
    signal(&child, Signal::SIGKILL)?;
    ended(&mut child)?;
    report_of(&recording, false)?;
    Objects::are_gone()
}
