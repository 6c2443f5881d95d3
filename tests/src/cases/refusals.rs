//! A kernel that does not let itself be watched: without type information, or with a policy against it.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::thread;

use anyhow::{Result, anyhow, ensure};
use nix::libc;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, apply_filter};

use super::errors::{CANNOT_OBSERVE, not_written, profile, refused, says, tracking};
use super::faces::fresh;
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
fn without(give_up: impl FnOnce() -> Result<()> + Send, command: &mut Command) -> Result<Output> {
    thread::scope(|scope| {
        let inside = || {
            give_up()?;
            refused(command, CANNOT_OBSERVE)
        };
        scope.spawn(inside).join()
    })
    .map_err(|_| anyhow!("the thread without it has died"))?
}

fn no_types() -> Result<()> {
    let topology = tracking()?;
    let recording = fresh("no_types");
    // In a mount namespace of its own, which goes away with the thread and what it started.
    let hide = || {
        let nothing = None::<&str>;
        unshare(CloneFlags::CLONE_NEWNS)?;
        mount(
            nothing,
            "/",
            nothing,
            MsFlags::MS_REC | MsFlags::MS_PRIVATE,
            nothing,
        )?;
        let types = "/sys/kernel/btf";
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

/// With every right that root has, hooks can still be forbidden.
fn forbidden() -> Result<()> {
    let topology = tracking()?;
    let recording = fresh("forbidden");
    let filter = forbid(libc::SYS_perf_event_open)?;
    let done = without(
        move || Ok(apply_filter(&filter)?),
        &mut profile(topology.router.name(), &recording),
    )?;
    says(&done, &["refuses to watch", "not permitted", "policy"])?;
    not_written(&recording)
}

/// A filter that answers EPERM to a system call.
fn forbid(call: libc::c_long) -> Result<BpfProgram> {
    let filter = SeccompFilter::new(
        BTreeMap::from([(call, Vec::new())]),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.cast_unsigned()),
        std::env::consts::ARCH.try_into()?,
    )?;
    Ok(filter.try_into()?)
}
