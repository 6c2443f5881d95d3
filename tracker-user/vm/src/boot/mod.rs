//! One boot: a kernel, what the guest gets, and what came of it.

mod guest;
mod initramfs;
mod outcome;
mod qemu;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;

pub(crate) use guest::is_static;
pub(crate) use initramfs::Initramfs;
pub use outcome::Outcome;

use crate::cache::Cache;
use crate::kernel::{Kernel, Spec};
use crate::note;
use crate::process::{say, tail};

/// What to run in a guest, and how.
#[derive(Debug, Clone)]
pub struct Request {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// Files of this machine for the guest.
    pub add: Vec<Added>,
    /// Variables for the command's environment.
    pub env: Vec<(String, String)>,
    /// Where the guest's /out is brought back to.
    pub out: Option<PathBuf>,
    /// Modules to load before the command.
    pub load: Vec<String>,
    /// The machine.
    pub machine: Machine,
}

/// The virtual machine's shape.
#[derive(Debug, Clone)]
pub struct Machine {
    /// One nanosecond of the guest's time for each instruction, and no waiting.
    pub warp: bool,
    /// Virtual CPUs.
    pub smp: u32,
    /// An emulator runs them in turn. At once, they may run code that the kernel has patched as it was before: qemu 7.2
    /// does at times, and the guest dies of a breakpoint that is no longer there.
    pub in_turn: bool,
    /// Memory in MiB.
    pub mem: u32,
    /// How long the guest may take in all, in this machine's time.
    pub timeout: Duration,
}

/// A file or folder of this machine, and its path in the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Added {
    /// Where it is here.
    pub host: PathBuf,
    /// Where the guest finds it.
    pub guest: PathBuf,
}

impl Request {
    /// A command in a guest whose clock counts instructions.
    pub fn warp(
        command: impl IntoIterator<Item = impl Into<String>>,
        add: Vec<Added>,
        timeout: Duration,
    ) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            add,
            env: Vec::new(),
            out: None,
            load: DEFAULT_LOAD.map(str::to_owned).to_vec(),
            machine: Machine {
                warp: true,
                smp: 1,
                in_turn: true,
                mem: DEFAULT_MEM,
                timeout,
            },
        }
    }
}

/// Modules that are loaded unless the user says otherwise.
pub const DEFAULT_LOAD: [&str; 2] = ["nf_conntrack", "nf_conntrack_netlink"];
/// Memory in MiB unless the user says otherwise.
pub const DEFAULT_MEM: u32 = 1024;

/// Where a guest's output goes.
pub type Sink = Box<dyn std::io::Write + Send>;

/// Boots a kernel and runs the command there. The command's stdout goes to `stdout` as it comes, its stderr to stderr.
///
/// # Errors
/// When the kernel, the initramfs or qemu cannot be had, or /out cannot be brought back.
pub fn run(spec: &Spec, request: &Request, cache: &Cache, stdout: Sink) -> Result<Outcome> {
    cache.tidy();
    let kernel = crate::kernel::get(spec, cache)?;
    let started = Instant::now();
    let initrd = guest::initramfs(&kernel, request, cache)?;
    let end = qemu::boot(&kernel, &initrd, &request.machine, stdout)?;
    let outcome = Outcome::of(&end);
    note!(
        "kernel {} ({}{}): {outcome} after {:.1} s",
        kernel.release,
        end.accelerator,
        if request.machine.warp { ", warp" } else { "" },
        started.elapsed().as_secs_f64()
    );
    if outcome.code() != 0 && outcome.wants_console() {
        explain(&kernel, &end);
    }
    if let Some(into) = &request.out {
        // A guest that did not come to its end sends nothing, or not all.
        match guest::bring_back(end.parcel(), into) {
            Err(error) if outcome.status().is_none() => note!("{error:#}"),
            brought => brought?,
        }
    }
    Ok(outcome)
}

/// Shows the end of the console, where the reason is.
fn explain(kernel: &Kernel, end: &qemu::End) {
    const LINES: usize = 40;
    note!("the console of {} ends:", kernel.release);
    let last = tail(&end.console, LINES);
    for line in if last.is_empty() { "(nothing)" } else { &last }.lines() {
        say(&format!("  | {line}"));
    }
    if !end.emulator.is_empty() {
        note!("qemu says: {}", end.emulator);
    }
}
