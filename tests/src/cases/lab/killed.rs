//! Nothing is left of a lab that was killed.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tracker_user::lab::net::Namespace;

use crate::cases::faces::poll;
use crate::lab::no_namespace_is_left;

/// Entries of the table while the lab is there.
const MAX: u64 = 5000;
/// More flows than are sent before it is killed.
const FLOWS: u64 = 1_000_000_000;

/// Kills a lab in the middle of a flood.
pub fn killed() -> Result<()> {
    let left = || no_namespace_is_left().is_ok_and(|none| none).then_some(());
    poll("the end of earlier namespaces", left)?;
    let (max, interfaces) = (max()?, interfaces()?);

    let mut child = Command::new(std::env::current_exe()?)
        .args(["flood", &FLOWS.to_string(), "--max", &MAX.to_string()])
        .stdout(Stdio::piped())
        .spawn()?;
    let router = router_of(&mut child)?;
    let count = || router.sysctl("net.netfilter.nf_conntrack_count").ok();
    poll("a full table", || count().filter(|count| *count >= MAX))?;
    ensure!(!no_namespace_is_left()?, "the lab has no namespace");
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL)?;
    child.wait()?;

    poll("the end of the lab's namespaces", left)?;
    poll("the size of the table as it was", || {
        self::max().ok().filter(|now| *now == max)
    })?;
    ensure!(
        self::interfaces()? == interfaces,
        "other interfaces than before"
    );
    poll("the end of the lab's processes", || {
        let children = children_of_nobody().ok()?;
        children.is_empty().then_some(())
    })
    .with_context(|| format!("{:?} are left", children_of_nobody()))
}

/// The first line that it prints is the router's path.
fn router_of(child: &mut Child) -> Result<Namespace> {
    let stdout = child.stdout.take().context("no pipe")?;
    let line = BufReader::new(stdout).lines().next();
    let path = line.context("it has said nothing")??;
    Ok(Namespace::at("router", [PathBuf::from(path)]))
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

/// Programs that the lab starts and that are still there.
fn children_of_nobody() -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        let words = fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        let mut words = words.split('\0');
        let program = words.next().unwrap_or("");
        let name = program.rsplit('/').next().unwrap_or("").to_owned();
        let is_restorer = name == "sh" && words.any(|word| word.contains("nf_conntrack_max"));
        if is_restorer || ["ip", "nft", "cat"].contains(&name.as_str()) {
            found.push(name);
        }
    }
    Ok(found)
}
