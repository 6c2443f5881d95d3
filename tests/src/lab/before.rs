//! What a lab must leave as it was: namespaces, the table's size, interfaces, processes.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::no_namespace_is_left;
use crate::cases::poll;

/// How often the end of earlier cases' namespaces is waited for.
const TRIES: usize = 15;

/// What must be the same after a lab.
pub struct Before {
    max: u64,
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
            max: max()?,
            interfaces: interfaces()?,
        })
    }

    /// Fails unless all is as it was.
    pub fn is_back(&self) -> Result<()> {
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
        if restores || ["ip", "nft", "cat", "conntrack", "tracker"].contains(&program) {
            found.push(program.to_owned());
        }
    }
    Ok(found)
}
