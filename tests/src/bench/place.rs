//! The guest's first namespace, made ready: it tracks its loopback.

use std::fs;
use std::time::Duration;

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

/// Longer than an interval of tracker's.
const SEEN: Duration = Duration::from_secs(3);

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

/// The timer of an unanswered UDP flow, changed for a while.
pub struct Timer {
    before: String,
}

impl Timer {
    const NAME: &str = "net/netfilter/nf_conntrack_udp_timeout";

    /// Sets it, and lets all that look at it now and then see that.
    pub fn set(seconds: u32) -> Result<Self> {
        let before = fs::read_to_string(format!("/proc/sys/{}", Self::NAME))
            .with_context(|| format!("cannot read {}", Self::NAME))?;
        set(Self::NAME, &seconds.to_string())?;
        std::thread::sleep(SEEN);
        Ok(Self { before })
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // The guest ends soon; its other cases say so if this was refused.
        let _ = set(Self::NAME, self.before.trim());
    }
}

fn set(name: &str, value: &str) -> Result<()> {
    fs::write(format!("/proc/sys/{name}"), value)
        .with_context(|| format!("cannot set {name}; vm-bench is to be run as root in a guest"))
}
