//! A guard, and what else happens on the machine meanwhile.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::plan::Plan;
use super::{ESTABLISHED, FAILED, Guard, INTERRUPTED, MAX, UDP, is, own, poll, sysctl};
use crate::cases::errors::{LOSSES, tracking};
use crate::cases::tracker::{end_with, succeed};
use crate::net::SERVER4;

const USAGE: i32 = 2;
const OWN_FILE: &str = "/etc/sysctl.d/90-tracker.conf";
const MAX_FILE: &str = "/proc/sys/net/netfilter/nf_conntrack_max";

/// Other plans that are applied and taken back: a guard touches none but its own.
pub fn others() -> Result<()> {
    let topology = tracking()?;
    let router = &topology.router;
    let plan = Plan::write(&[router], &[(UDP, 30, 45)])?;
    succeed(&mut plan.apply())?;
    let second = Plan::write(&[router], &[(UDP, 30, 45), (ESTABLISHED, 432_000, 7200)])?;
    end_with(second.apply().args(["--guard", "5s"]), USAGE)?;
    is(router, UDP, 45)?;
    succeed(&mut plan.rollback())?;
    is(router, UDP, 30)?;

    let plan = Plan::write(&[router], &[(UDP, 30, 45)])?;
    let mut guard = Guard::start(&plan, "10m", router, UDP, 45)?;
    succeed(&mut plan.rollback())?;
    succeed(&mut plan.apply())?;
    ensure!(guard.end()?.code() == Some(FAILED), "the guard went on");
    is(router, UDP, 45)?;
    succeed(&mut plan.rollback())?;

    // Somebody sets a value and goes back: what is left of that is not the guard's any more.
    let mut guard = Guard::start(&plan, "10m", router, UDP, 45)?;
    router.set_sysctl(&format!("net.netfilter.{UDP}"), "77")?;
    end_with(&mut plan.rollback(), LOSSES)?;
    ensure!(guard.end()?.code() == Some(FAILED), "the guard went on");
    is(router, UDP, 77)?;
    succeed(plan.rollback().arg("--force"))?;
    is(router, UDP, 30)?;

    // It goes back, but for what somebody else has set: it has gone back all the same.
    let plan = Plan::write(&[router], &[(UDP, 30, 45), (ESTABLISHED, 432_000, 7200)])?;
    let mut guard = Guard::start(&plan, "10m", router, ESTABLISHED, 7200)?;
    router.set_sysctl(&format!("net.netfilter.{UDP}"), "77")?;
    guard.signal(Signal::SIGINT)?;
    let status = guard.end()?;
    ensure!(
        status.code() == Some(INTERRUPTED),
        "the guard ended with {status}"
    );
    is(router, UDP, 77)?;
    is(router, ESTABLISHED, 432_000)?;
    succeed(plan.rollback().arg("--force"))?;
    is(router, UDP, 30)?;
    plan.is_forgotten()
}

/// A guard that is stopped watches over nothing, nor does one whose other half is gone.
pub fn stop() -> Result<()> {
    let topology = tracking()?;
    let router = &topology.router;
    let plan = Plan::write(&[router], &[(UDP, 30, 45)])?;
    let restored = || {
        poll("the old value", || {
            sysctl(router, UDP).ok().filter(|it| *it == 30)
        })
    };
    let mut guard = Guard::start(&plan, "10m", router, UDP, 45)?;
    guard.signal(Signal::SIGSTOP)?;
    // Twice, since it takes longer than one waits for anything else.
    let _ = restored();
    restored()?;
    guard.signal(Signal::SIGCONT)?;
    ensure!(guard.end()?.code() == Some(FAILED), "the guard went on");

    let mut guard = Guard::start(&plan, "10m", router, UDP, 45)?;
    let other = children(guard.0.id())?.pop().context("nobody waits")?;
    kill(Pid::from_raw(other), Signal::SIGKILL)?;
    ensure!(guard.end()?.code() == Some(FAILED), "the guard went on");
    restored()?;
    plan.is_forgotten()
}

/// Processes that this one has started.
fn children(of: u32) -> Result<Vec<i32>> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc")?.filter_map(Result::ok) {
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        // The name, in parentheses, may hold anything.
        let after = stat.rsplit(") ").next().unwrap_or_default();
        let parent = after.split(' ').nth(1).and_then(|it| it.parse().ok());
        let pid = entry.file_name().to_string_lossy().parse();
        if parent == Some(of)
            && let Ok(pid) = pid
        {
            children.push(pid);
        }
    }
    Ok(children)
}

/// A table that gets full meanwhile: packets are dropped, or entries evicted.
pub fn full_table() -> Result<()> {
    const SMALL: u64 = 64;
    let topology = tracking()?;
    let max = own(MAX)?;
    let plan = Plan::write(&[&topology.router], &[(MAX, max, SMALL)])?;
    let small = || own(MAX).ok().filter(|it| *it == SMALL);
    let flood = |packets: u64| -> Result<()> {
        for _ in 0..packets {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.send_to(b"anybody?", (SERVER4, 9))?;
        }
        Ok(())
    };
    // What the kernel counts of a namespace is known from when it has its first entry on.
    topology.client.run(|| flood(1))??;
    let mut guard = Guard::started(plan.apply().args(["--guard", "10m"]), small)?;
    topology.client.run(|| flood(4 * SMALL))??;
    let status = guard.end()?;
    let found = own(MAX)?;
    fs::write(MAX_FILE, format!("{max}\n"))?;
    ensure!(
        status.code() == Some(FAILED),
        "the guard ended with {status}"
    );
    ensure!(found == max, "max is {found}, not {max}");
    plan.is_forgotten()
}

/// Somebody has all settings set anew meanwhile, as `sysctl --system` does: what is judged is not the plan any more.
pub fn sysctls() -> Result<()> {
    let topology = tracking()?;
    let router = &topology.router;
    let max = own(MAX)?;
    fs::create_dir_all("/etc/sysctl.d")?;
    let plan = Plan::write(&[router], &[(UDP, 30, 45), (MAX, max, max + 1000)])?;
    let raised = || own(MAX).ok().filter(|it| *it == max + 1000);
    let mut guard = Guard::started(plan.apply().args(["--persist", "--guard", "5s"]), raised)?;
    fs::write(MAX_FILE, format!("{max}\n"))?;
    let status = guard.end()?;
    ensure!(
        status.code() == Some(LOSSES),
        "the guard ended with {status}"
    );
    ensure!(!Path::new(OWN_FILE).exists(), "it is set at boot");
    is(router, UDP, 45)?;
    succeed(&mut plan.rollback())?;
    is(router, UDP, 30)?;
    plan.is_forgotten()?;

    // Where nothing of it is left, a guard ends before its time.
    let raised = || sysctl(router, UDP).ok().filter(|it| *it == 45);
    let plan = Plan::write(&[router], &[(UDP, 30, 45)])?;
    let mut guard = Guard::started(plan.apply().args(["--guard", "1h"]), raised)?;
    router.set_sysctl(&format!("net.netfilter.{UDP}"), "30")?;
    let status = guard.end()?;
    ensure!(
        status.code() == Some(LOSSES),
        "the guard of nothing ended with {status}"
    );
    succeed(&mut plan.rollback())?;
    plan.is_forgotten()
}

/// What is to be set at boot once it has proven good; and where somebody else has taken the file's place meanwhile.
pub fn foreign_file() -> Result<()> {
    let topology = tracking()?;
    let max = own(MAX)?;
    fs::create_dir_all("/etc/sysctl.d")?;
    let plan = Plan::write(&[&topology.router], &[(MAX, max, max + 1000)])?;
    let guard = |length| {
        let raised = || own(MAX).ok().filter(|it| *it == max + 1000);
        Guard::started(plan.apply().args(["--persist", "--guard", length]), raised)
    };
    let status = guard("3s")?.end()?;
    ensure!(status.success(), "the guard ended with {status}");
    let text = fs::read_to_string(OWN_FILE)?;
    ensure!(
        text.ends_with(&format!("{MAX} = {}\n", max + 1000)),
        "{text}"
    );
    succeed(&mut plan.rollback())?;
    ensure!(!Path::new(OWN_FILE).exists(), "the file is still there");

    let mut guard = guard("5s")?;
    let foreign = "net.netfilter.nf_conntrack_max = 5\n";
    fs::write(OWN_FILE, foreign)?;
    let status = guard.end()?;
    let text = fs::read_to_string(OWN_FILE)?;
    fs::remove_file(OWN_FILE)?;
    ensure!(
        status.code() == Some(USAGE),
        "the guard ended with {status}"
    );
    ensure!(text == foreign, "{text}");
    // It has proven good, and stays.
    ensure!(own(MAX)? == max + 1000, "max is {}", own(MAX)?);
    succeed(&mut plan.rollback())?;
    ensure!(own(MAX)? == max, "max is {}", own(MAX)?);
    plan.is_forgotten()
}
