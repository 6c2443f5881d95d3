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
use crate::lab::{Before, no_namespace_is_left, signal_restorer};

/// The lab is killed in the middle of a flood, after all processes were told to end, as a service manager tells them.
pub fn killed() -> Result<()> {
    let before = Before::look()?;
    let mut lab = Lab::start("lab_killed")?;
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        signal_restorer(signal)?;
    }
    lab.end(Signal::SIGKILL)?;
    before.is_back()?;
    // Its watch has noticed, and ended well.
    ensure!(
        show(&lab.recording)?["complete"] == json!(true),
        "the recording is not complete"
    );
    Ok(())
}

/// Ctrl-C in the middle of a flood: the truth is told about what was sent until then. If nobody else can any more, the
/// lab puts back the table's size itself.
pub fn interrupted() -> Result<()> {
    let before = Before::look()?;
    let mut lab = Lab::start("lab_interrupted")?;
    signal_restorer(Signal::SIGKILL)?;
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
        let is_where = |line: &String| line.starts_with("The router is ");
        let line = lines
            .find(|line| line.as_ref().is_ok_and(is_where))
            .context("the lab does not say where its router is")??;
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
buckets = 4096
[[population]]
name = "datagrams"
proto = "udp"
arrival = { rate = 2000 }
clients = "spoofed"
servers = 1
ports = { from = 1, to = 1000 }
script = [{ datagram = { bytes = 64 } }]
"#;
