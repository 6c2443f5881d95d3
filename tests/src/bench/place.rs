//! The guest's first namespace, made ready: it tracks its loopback.

use std::fs;

use anyhow::{Context, Result};

use crate::net::tool;

/// One rule that looks at the state is what makes the kernel track.
const RULE: &str = "table inet bench {\n chain output {\n  type filter hook output priority 0\n  ct state established counter\n }\n}\n";

/// Settings under which every case fits, and under which nothing but interrupts can interrupt it.
const SETTINGS: [(&str, &str); 3] = [
    ("net/netfilter/nf_conntrack_buckets", "65536"),
    ("net/netfilter/nf_conntrack_max", "65536"),
    // A process of real-time priority otherwise leaves a twentieth of each second to the others.
    ("kernel/sched_rt_runtime_us", "-1"),
];

/// Makes the namespace track, with a table that is large enough.
pub fn prepare() -> Result<()> {
    SETTINGS
        .iter()
        .try_for_each(|(name, value)| set(name, value))?;
    tool("nft")?.feed("-f -", RULE)?;
    Ok(())
}

/// Switches the kernel's statistics of programs, which cost instructions themselves.
pub fn statistics(on: bool) -> Result<()> {
    set("kernel/bpf_stats_enabled", if on { "1" } else { "0" })
}

fn set(name: &str, value: &str) -> Result<()> {
    fs::write(format!("/proc/sys/{name}"), value)
        .with_context(|| format!("cannot set {name}; vm-bench is to be run as root in a guest"))
}
