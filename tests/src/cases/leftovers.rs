//! After a watch the connection tracker can be unloaded; without it tracker says so.

use std::ffi::CString;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::kmod::{DeleteModuleFlags, delete_module};

use super::errors::{CANNOT_OBSERVE, not_written, refused, says};
use super::faces::{fresh, poll};
use super::tracker::{program, succeed};
use super::{Case, Kind, PREFIX};
use crate::lab::NoModules;
use crate::net::Topology;

/// The cases of this file. They come last, since they leave fewer modules loaded than they found.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "no_leftovers",
            kind: Kind::Free(no_leftovers),
        },
        Case {
            name: "error_not_loaded",
            kind: Kind::Free(not_loaded),
        },
    ]
}

const CONNTRACK: &str = "nf_conntrack";

fn no_leftovers() -> Result<()> {
    {
        let topology = Topology::create(PREFIX)?;
        topology.track()?;
        let recording = fresh("no_leftovers");
        let mut profile = Command::new(program());
        profile
            .args(["profile", "--netns", topology.router.name(), "-o"])
            .arg(&recording);
        succeed(profile.args(["--", "sh", "-c", "exit 0"]))?;
    }
    without_conntrack(|| Ok(()))
}

fn not_loaded() -> Result<()> {
    without_conntrack(|| {
        let recording = fresh("not_loaded");
        let mut profile = Command::new(program());
        let done = refused(
            profile
                .args(["profile", "--duration", "1s", "-o"])
                .arg(&recording),
            CANNOT_OBSERVE,
        )?;
        says(&done, &["nf_conntrack is not loaded", "modprobe"])?;
        not_written(&recording)?;
        // The lab would have it loaded, if it could be.
        let _none = NoModules::begin()?;
        let mut lab = Command::new(program());
        let done = refused(lab.args(["lab", "run", "dns"]), CANNOT_OBSERVE)?;
        says(&done, &["nft -f - failed: ", "modules"])
    })
}

/// Does something while conntrack is not loaded.
pub fn without_conntrack(work: impl FnOnce() -> Result<()>) -> Result<()> {
    let is_module = Path::new("/sys/module/nf_conntrack/refcnt").exists();
    if !is_module {
        // Built in: there is nothing to unload, and nothing that could be missing.
        ensure!(
            !loaded(CONNTRACK)?,
            "a module without a use count is listed"
        );
        return Ok(());
    }
    // A namespace goes away in its own time, and its rules with it.
    poll("the unloading of nf_conntrack", || unload(CONNTRACK).ok())
        .context("something still uses it")?;
    let result = work();
    succeed(Command::new("modprobe").arg("nf_conntrack_netlink"))?;
    result
}

fn loaded(name: &str) -> Result<bool> {
    Ok(fs::read_to_string("/proc/modules")?
        .lines()
        .any(|line| line.split(' ').next() == Some(name)))
}

/// Unloads a module after those that use it.
fn unload(name: &str) -> Result<()> {
    let holders = fs::read_dir(format!("/sys/module/{name}/holders"))?;
    for holder in holders {
        unload(&holder?.file_name().to_string_lossy())?;
    }
    Ok(delete_module(
        &CString::new(name)?,
        DeleteModuleFlags::O_NONBLOCK,
    )?)
}
