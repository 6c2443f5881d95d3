//! However a lab ends, nothing is left of it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tracker_user::lab::net::Namespace;

use crate::cases::faces::{fresh, poll};
use crate::cases::tracker::{program, show};
use crate::lab::no_namespace_is_left;

/// The lab is killed in the middle of a flood.
pub fn killed() -> Result<()> {
    let before = Before::look()?;
    let mut lab = Lab::start("lab_killed")?;
    lab.end(Signal::SIGKILL)?;
    before.is_back()?;
    // Its watch has noticed, and ended well.
    ensure!(
        show(&lab.recording)?["complete"] == json!(true),
        "the recording is not complete"
    );
    Ok(())
}

/// Ctrl-C in the middle of a flood: the truth is told about what was sent until then.
pub fn interrupted() -> Result<()> {
    let before = Before::look()?;
    let mut lab = Lab::start("lab_interrupted")?;
    let status = lab.end(Signal::SIGINT)?;
    ensure!(status.code() == Some(130), "the lab ended with {status}");
    before.is_back()?;
    let report = show(&lab.recording)?;
    let truth: Value = serde_json::from_str(&fs::read_to_string(&lab.truth)?)?;
    ensure!(
        report["balance"]["inserted"] == truth["entries"] && report["balance"]["lost"] == json!(0),
        "{} entries were sent, and this was seen: {}",
        truth["entries"],
        report["balance"]
    );
    Ok(())
}

/// A flood under way, being watched.
struct Lab {
    child: Child,
    recording: PathBuf,
    truth: PathBuf,
}

impl Lab {
    /// Starts it, and waits until there are many entries.
    fn start(name: &str) -> Result<Self> {
        let recording = fresh(name);
        let truth = recording.with_extension("json");
        let scenario = recording.with_extension("toml");
        fs::write(&scenario, SCENARIO)?;
        let mut child = Command::new(program())
            .args(["lab", "run"])
            .arg(&scenario)
            .arg("--truth")
            .arg(&truth)
            .arg("--watch")
            .arg(&recording)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().context("no pipe")?;
        let mut lines = BufReader::new(stderr).lines();
        let line = lines.next().context("the lab has said nothing")??;
        // What it says later is of no interest, but has to go somewhere.
        std::thread::spawn(move || lines.count());
        let path = line
            .split_whitespace()
            .find_map(|word| word.strip_suffix('.'));
        let path = path.with_context(|| format!("no path in: {line}"))?;
        let router = Namespace::at("router", [PathBuf::from(path)]);
        poll("many entries", || {
            let count = router.sysctl("net.netfilter.nf_conntrack_count").ok();
            count.filter(|count| *count >= MANY)
        })?;
        ensure!(!no_namespace_is_left()?, "the lab has no namespace");
        Ok(Self {
            child,
            recording,
            truth,
        })
    }

    fn end(&mut self, signal: Signal) -> Result<ExitStatus> {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal)
            .context("the lab ended before it was told to")?;
        poll("the end of the lab", || {
            self.child.try_wait().ok().flatten()
        })
    }
}

/// Entries that show that the flood is under way.
const MANY: u64 = 4000;

/// More than can be sent before it is ended, and nothing that one of them would take another's place for.
const SCENARIO: &str = r#"
description = "New flows without end"
duration = "1h"
[settings]
max = 1000000
[[population]]
name = "datagrams"
proto = "udp"
arrival = { rate = 2000 }
clients = "spoofed"
servers = 1
ports = { from = 1, to = 1000 }
script = [{ datagram = { bytes = 64 } }]
"#;

/// How often the end of earlier cases' namespaces is waited for.
const TRIES: usize = 15;

/// What must be the same after a lab.
struct Before {
    max: u64,
    interfaces: Vec<String>,
}

impl Before {
    fn look() -> Result<Self> {
        // What an earlier case has cut off holds its namespace until it gives up sending.
        let mut tries = (0..TRIES).map(|_| poll("the end of earlier namespaces", none_left));
        tries
            .find(Result::is_ok)
            .context("earlier namespaces do not end")??;
        Ok(Self {
            max: max()?,
            interfaces: interfaces()?,
        })
    }

    fn is_back(&self) -> Result<()> {
        poll("the end of the lab's namespaces", none_left)?;
        poll("the size of the table as it was", || {
            max().ok().filter(|now| *now == self.max)
        })?;
        let now = interfaces()?;
        ensure!(
            now == self.interfaces,
            "there are other interfaces: {now:?}"
        );
        poll("the end of the lab's processes", || {
            processes().ok().filter(Vec::is_empty)
        })
        .with_context(|| format!("{:?} are left", processes()))?;
        Ok(())
    }
}

fn none_left() -> Option<()> {
    no_namespace_is_left().is_ok_and(|none| none).then_some(())
}

fn max() -> Result<u64> {
    let text = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_max")?;
    Ok(text.trim().parse()?)
}

/// Names of this namespace's interfaces.
fn interfaces() -> Result<Vec<String>> {
    let text = fs::read_to_string("/proc/self/net/dev")?;
    let name = |line: &str| Some(line.split_once(':')?.0.trim().to_owned());
    Ok(text.lines().filter_map(name).collect())
}

/// Programs that a lab starts, and that are still there.
fn processes() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let line = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let mut words = line.split('\0');
        let program = words.next().unwrap_or("").rsplit('/').next().unwrap_or("");
        let restores = program == "sh" && words.any(|word| word.contains("nf_conntrack_max"));
        if restores || ["ip", "nft", "cat", "tracker"].contains(&program) {
            found.push(program.to_owned());
        }
    }
    Ok(found)
}
