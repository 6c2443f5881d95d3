//! Who watches, and the measured command beneath it.

use std::env;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::de::DeserializeOwned;
use tracker_user::bench::queue::Queue;
use tracker_user::lab::net::Namespace;

use super::measured::{Measured, Priority, Programs};
use crate::net::Tool;

const RECORDING: &str = "/tmp/bench.db";
const EVENTS: &str = "/tmp/bench.events";
const A_MOMENT: Duration = Duration::from_millis(5);

/// How tracker takes its hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hooks {
    /// As it does by itself.
    Best,
    /// By kprobes alone.
    Kprobes,
}

/// Who watches.
pub enum Observer<'a> {
    /// Nobody.
    Nobody,
    /// `tracker profile`, of this path.
    Tracker(&'a Path, Hooks),
    /// `conntrack -E` to a file.
    Conntrack(&'a Tool),
}

impl Observer<'_> {
    /// As it stands in a table.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Tracker(..) => "tracker profile",
            Self::Conntrack(_) => "conntrack -E -o timestamp",
        }
    }
}

/// Runs cases while the observer watches.
pub fn measure(
    observer: &Observer,
    cases: &[&str],
    priority: Priority,
    programs: Programs,
) -> Result<Vec<Measured>> {
    let (priority, programs) = (word(&priority), word(&programs));
    let options = ["--priority", &priority, "--programs", &programs];
    let words: Vec<String> = std::iter::once(&"run")
        .chain(cases)
        .chain(&options)
        .map(|&word| word.to_owned())
        .collect();
    match observer {
        Observer::Nobody => {
            let mut alone = Command::new(env::current_exe()?);
            answer(alone.args(words))
        }
        Observer::Tracker(path, hooks) => answer(&mut beneath(path, *hooks, &words)?),
        Observer::Conntrack(tool) => {
            let events = Events::listen(tool)?;
            let mut measured: Vec<Measured> =
                answer(Command::new(env::current_exe()?).args(words))?;
            let seen = events.end()?;
            // Which case an event came from is not told.
            if let [measured] = measured.as_mut_slice() {
                measured.seen = Some(seen);
            }
            Ok(measured)
        }
    }
}

/// This program with these words, as the command that `tracker profile` watches.
pub fn beneath(tracker: &Path, hooks: Hooks, words: &[String]) -> Result<Command> {
    let mut command = Command::new(tracker);
    command.args(["profile", "--force", "-o", RECORDING]);
    if hooks == Hooks::Kprobes {
        command.args(["--attach", "kprobe"]);
    }
    command.arg("--").arg(env::current_exe()?).args(words);
    Ok(command)
}

/// Runs a command that prints one JSON value.
pub fn answer<T: DeserializeOwned>(command: &mut Command) -> Result<T> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command
        .output()
        .with_context(|| format!("cannot run {name}"))?;
    if !done.status.success() {
        bail!(
            "{name} ended with {}: {}",
            done.status,
            String::from_utf8_lossy(&done.stderr).trim()
        );
    }
    serde_json::from_slice(&done.stdout).with_context(|| format!("cannot read what {name} printed"))
}

fn word(value: &impl ValueEnum) -> String {
    value
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default()
}

/// A running `conntrack -E`.
struct Events {
    child: Child,
}

impl Events {
    /// Starts it and waits until it listens.
    fn listen(tool: &Tool) -> Result<Self> {
        let child = Command::new(tool.path())
            .args(["-E", "-o", "timestamp"])
            .stdout(fs::File::create(EVENTS)?)
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run conntrack")?;
        let mut events = Self { child };
        while queue()?.is_none() {
            if let Some(status) = events.child.try_wait()? {
                bail!("conntrack -E ended with {status}");
            }
            std::thread::sleep(A_MOMENT);
        }
        Ok(events)
    }

    /// Waits until it has read all that is queued for it, ends it, and counts the new entries that it reported.
    fn end(mut self) -> Result<u64> {
        while queue()?.is_some_and(|queue| queue.waiting > 0) {
            std::thread::sleep(A_MOMENT);
        }
        kill(Pid::from_raw(self.child.id().try_into()?), Signal::SIGINT)?;
        self.child.wait()?;
        let text = fs::read_to_string(EVENTS)?;
        Ok(text.lines().filter(|line| line.contains("[NEW]")).count() as u64)
    }
}

/// What waits for the process that listens to conntrack's events here; none if no process does.
fn queue() -> Result<Option<Queue>> {
    let own = Namespace::at("own", ["/proc/self/ns/net".into()]);
    Ok(Queue::of(&own)?)
}
