//! What a lab must leave as it was: namespaces, the table's size, interfaces, processes.

use std::fs;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::no_namespace_is_left;
use crate::cases::poll;

/// How often the end of earlier cases' namespaces is waited for.
const TRIES: usize = 15;

/// What must be the same after a lab.
pub struct Before {
    size: [u64; 2],
    interfaces: Vec<String>,
}

impl Before {
    /// Waits for the end of what was before, and looks.
    pub fn look() -> Result<Self> {
        // What an earlier case has cut off holds its namespace until it gives up sending.
        let mut tries = (0..TRIES).map(|_| poll("the end of earlier namespaces", none_left));
        tries
            .find(Result::is_ok)
            .context("earlier namespaces do not end")??;
        Ok(Self {
            size: size()?,
            interfaces: interfaces()?,
        })
    }

    /// Fails unless all is as it was.
    pub fn is_back(&self) -> Result<()> {
        poll("the end of the lab's namespaces", none_left)?;
        poll("the size of the table as it was", || {
            size().ok().filter(|now| *now == self.size)
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

/// Entries at most, and buckets.
fn size() -> Result<[u64; 2]> {
    let of = |what: &str| -> Result<u64> {
        let text = fs::read_to_string(format!("/proc/sys/net/netfilter/nf_conntrack_{what}"))?;
        Ok(text.trim().parse()?)
    };
    Ok([of("max")?, of("buckets")?])
}

/// Names of this namespace's interfaces.
fn interfaces() -> Result<Vec<String>> {
    let text = fs::read_to_string("/proc/self/net/dev")?;
    let name = |line: &str| Some(line.split_once(':')?.0.trim().to_owned());
    Ok(text.lines().filter_map(name).collect())
}

/// Programs that a lab starts, and that are still there.
fn processes() -> Result<Vec<String>> {
    let known = ["ip", "nft", "cat", "conntrack", "tracker"];
    let mut all = running()?;
    all.retain(|it| it.restores() || known.contains(&it.program.as_str()));
    Ok(all.into_iter().map(|it| it.program).collect())
}

/// Sends a signal to the process that will put the table's size back.
pub fn signal_restorer(signal: Signal) -> Result<()> {
    signal_one(signal, Running::restores)
}

/// Sends a signal to the `tracker profile` that runs.
pub fn signal_watcher(signal: Signal) -> Result<()> {
    let watches = |it: &Running| it.program == "tracker" && it.words.starts_with("profile");
    signal_one(signal, watches)
}

fn signal_one(signal: Signal, is_meant: impl Fn(&Running) -> bool) -> Result<()> {
    let all = running()?;
    let meant = all.iter().find(|it| is_meant(it));
    let meant = meant.context("there is no such process")?;
    Ok(kill(meant.process, signal)?)
}

/// A process.
struct Running {
    process: Pid,
    program: String,
    words: String,
}

impl Running {
    fn restores(&self) -> bool {
        self.program == "sh" && self.words.contains("nf_conntrack_max")
    }
}

fn running() -> Result<Vec<Running>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let Ok(number) = entry.file_name().to_string_lossy().parse() else {
            continue;
        };
        let line = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let (program, words) = line.split_once('\0').unwrap_or((&line, ""));
        found.push(Running {
            process: Pid::from_raw(number),
            program: program.rsplit('/').next().unwrap_or("").to_owned(),
            words: words.to_owned(),
        });
    }
    Ok(found)
}
