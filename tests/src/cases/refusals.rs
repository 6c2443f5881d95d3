//! A kernel that does not let itself be watched: without type information, or with a policy against it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use anyhow::{Result, anyhow, ensure};
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

use super::errors::{CANNOT_OBSERVE, not_written, profile, refused, says, tracking};
use super::faces::fresh;
use super::tracker::end_with;
use super::{Case, Kind};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "error_no_types",
            kind: Kind::Free(no_types),
        },
        Case {
            name: "error_refused",
            kind: Kind::Free(forbidden),
        },
    ]
}

/// Runs a command from a thread that has first given something up, for itself and for what it starts.
pub fn without(
    give_up: impl FnOnce() -> Result<()> + Send,
    command: &mut Command,
) -> Result<Output> {
    apart(give_up, || refused(command, CANNOT_OBSERVE))
}

/// The same of a command that says on stdout what it cannot do; gives that back.
pub fn without_saying(
    give_up: impl FnOnce() -> Result<()> + Send,
    command: &mut Command,
) -> Result<String> {
    apart(give_up, || Ok(end_with(command, CANNOT_OBSERVE)?))
}

/// On a thread that has first given something up.
fn apart<T: Send>(
    give_up: impl FnOnce() -> Result<()> + Send,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    thread::scope(|scope| {
        let inside = || {
            give_up()?;
            work()
        };
        scope.spawn(inside).join()
    })
    .map_err(|_| anyhow!("the thread without it has died"))?
}

/// What is mounted from now on only the calling thread sees, and what it starts.
pub(super) fn own_mounts() -> Result<()> {
    let nothing = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNS)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(nothing, "/", nothing, private, nothing)?;
    Ok(())
}

fn no_types() -> Result<()> {
    let topology = tracking()?;
    let recording = fresh("no_types");
    // In a mount namespace of its own, which goes away with the thread and what it started.
    let hide = || {
        own_mounts()?;
        let (types, nothing) = ("/sys/kernel/btf", None::<&str>);
        mount(
            Some("none"),
            types,
            Some("tmpfs"),
            MsFlags::empty(),
            nothing,
        )?;
        Ok(())
    };
    let done = without(hide, &mut profile(topology.router.name(), &recording))?;
    says(&done, &["/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF"])?;
    ensure!(
        Path::new("/sys/kernel/btf/vmlinux").exists(),
        "the types are hidden from everybody"
    );
    not_written(&recording)
}

/// With every right that root has, programs can still be forbidden, or the hooks for them.
fn forbidden() -> Result<()> {
    let topology = tracking()?;
    for (filter, says_so) in [
        (no_programs()?, "programs are refused"),
        (
            forbid(libc::SYS_perf_event_open, Vec::new())?,
            "refuses to watch",
        ),
    ] {
        let recording = fresh("forbidden");
        let done = without(
            move || Ok(apply_filter(&filter)?),
            profile(topology.router.name(), &recording).args(["--attach", "kprobe"]),
        )?;
        says(&done, &[says_so, "not permitted", "policy"])?;
        not_written(&recording)?;
    }
    Ok(())
}

/// `BPF_PROG_LOAD` in linux/bpf.h.
const BPF_PROG_LOAD: u64 = 5;

/// A filter that forbids all eBPF programs.
pub fn no_programs() -> Result<BpfProgram> {
    let loads = SeccompRule::new(vec![SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Eq,
        BPF_PROG_LOAD,
    )?])?;
    forbid(libc::SYS_bpf, vec![loads])
}

/// A filter that answers EPERM to a system call that one of the rules fits, to any if there is none.
fn forbid(call: libc::c_long, rules: Vec<SeccompRule>) -> Result<BpfProgram> {
    let filter = SeccompFilter::new(
        BTreeMap::from([(call, rules)]),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.cast_unsigned()),
        std::env::consts::ARCH.try_into()?,
    )?;
    Ok(filter.try_into()?)
}
