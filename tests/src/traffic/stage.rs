//! Where a case's traffic happens: a topology, its clock, and the ledger.

use std::collections::BTreeMap;
use std::time::Duration;

use tracker_user::lab::{clock::Clock, priority::run_first};

use super::{TrafficError, socket};
use crate::net::{Netns, Topology};
use crate::truth::{Entry, Followed, Ledger, Name, Reason, Return, Step};

/// Timers whose settings the truth needs.
const TIMERS: [&str; 25] = [
    "tcp_timeout_syn_sent",
    "tcp_timeout_syn_recv",
    "tcp_timeout_established",
    "tcp_timeout_fin_wait",
    "tcp_timeout_close_wait",
    "tcp_timeout_last_ack",
    "tcp_timeout_time_wait",
    "tcp_timeout_close",
    "tcp_timeout_max_retrans",
    "tcp_timeout_unacknowledged",
    "udp_timeout",
    "udp_timeout_stream",
    "icmp_timeout",
    "icmpv6_timeout",
    "generic_timeout",
    "gre_timeout",
    "gre_timeout_stream",
    "sctp_timeout_closed",
    "sctp_timeout_cookie_wait",
    "sctp_timeout_cookie_echoed",
    "sctp_timeout_established",
    "sctp_timeout_shutdown_sent",
    "sctp_timeout_shutdown_recd",
    "sctp_timeout_shutdown_ack_sent",
    "sctp_timeout_heartbeat_sent",
];

/// A topology in use, with all that is written down about it.
pub struct Stage {
    /// The namespaces.
    pub topology: Topology,
    /// The kernel's ticks.
    pub clock: Clock,
    /// What happened so far.
    pub ledger: Ledger,
    namespace: String,
    timeouts: BTreeMap<Name, u64>,
}

impl Stage {
    /// Enters the topology with this prefix, going on with a ledger.
    pub fn open(prefix: &str, ledger: Ledger) -> Result<Self, TrafficError> {
        run_first().map_err(socket("real-time priority"))?;
        let topology = Topology::attach(prefix);
        let clock = Clock::calibrate()?;
        let namespace = topology.router.name().to_owned();
        let ledger = Ledger {
            jiffy_s: clock.jiffy_s(),
            slack: 2,
            ..ledger
        };
        let mut stage = Self {
            topology,
            clock,
            ledger,
            namespace,
            timeouts: BTreeMap::new(),
        };
        stage.read_timeouts();
        Ok(stage)
    }

    /// The namespace that tracks.
    #[must_use]
    pub fn router(&self) -> &Netns {
        &self.topology.router
    }

    /// Reads the timers' settings anew. A timer that the kernel lacks is left out.
    pub fn read_timeouts(&mut self) {
        for timer in TIMERS {
            if let Ok(seconds) = self
                .topology
                .router
                .sysctl(&format!("net.netfilter.nf_conntrack_{timer}"))
            {
                self.timeouts.insert(timer.into(), seconds);
            }
        }
        self.ledger
            .settings
            .insert(self.namespace.clone(), self.timeouts.clone());
    }

    /// Sets timers of the router, in seconds.
    pub fn set_timeouts(&mut self, timers: &[(&str, u64)]) -> Result<(), TrafficError> {
        for (timer, seconds) in timers {
            let name = format!("net.netfilter.nf_conntrack_{timer}");
            self.topology
                .router
                .set_sysctl(&name, &seconds.to_string())?;
        }
        self.read_timeouts();
        Ok(())
    }

    /// A timer's setting in seconds.
    #[must_use]
    pub fn timeout(&self, timer: &str) -> u64 {
        self.timeouts.get(timer).copied().unwrap_or(0)
    }

    /// Waits, as part of the traffic.
    pub fn pause(&self, length: Duration) -> Result<(), TrafficError> {
        let now = self.clock.now()?;
        self.clock.until(now + self.clock.jiffies(length))?;
        Ok(())
    }

    /// Waits seconds, as part of the traffic.
    pub fn pause_s(&self, seconds: u64) -> Result<(), TrafficError> {
        self.pause(Duration::from_secs(seconds))
    }

    /// Writes down a new entry of the router in its first state.
    pub fn insert(
        &mut self,
        proto: &'static str,
        port: u16,
        at: u64,
        state: &'static str,
        timer: &'static str,
    ) -> usize {
        let step = self.step(at, state, timer);
        self.ledger.insert(Entry {
            namespace: self.namespace.clone(),
            proto: proto.into(),
            port,
            pickup: false,
            before: false,
            causes: BTreeMap::new(),
            followed: Followed::Wholly,
            steps: vec![step],
            death: None,
        })
    }

    /// Writes down a refresh.
    pub fn refresh(&mut self, entry: usize, at: u64, state: &'static str, timer: &'static str) {
        let step = self.step(at, state, timer);
        self.ledger.entries[entry].steps.push(step);
    }

    /// Writes down that an entry is of the same flow as one that has expired.
    pub fn returned(&mut self, expired: usize, entry: usize) {
        let entries = &self.ledger.entries;
        let (Some(last), Some(first)) =
            (entries[expired].steps.last(), entries[entry].steps.first())
        else {
            return;
        };
        let back = Return {
            namespace: self.namespace.clone(),
            timer: last.timer.clone(),
            gap: first.at - last.at,
        };
        self.ledger.returns.push(back);
    }

    /// The jiffy in which a living entry expires.
    #[must_use]
    pub fn expiry(&self, entry: usize) -> u64 {
        Ledger::expiry(&self.ledger.entries[entry]).unwrap_or(0)
    }

    /// Waits for a jiffy, as part of the traffic.
    pub fn wait_until(&self, jiffy: u64) -> Result<(), TrafficError> {
        self.clock.until(jiffy)?;
        Ok(())
    }

    /// Writes down a death at once.
    pub fn kill(&mut self, entry: usize, at: u64, reason: Reason) {
        self.ledger.kill(entry, at, reason);
    }

    /// Writes down that an entry's gaps are not told, and how often tracker says so and why.
    pub fn without_gaps(&mut self, entry: usize, causes: &[(&'static str, u64)]) {
        let entry = &mut self.ledger.entries[entry];
        entry.followed = Followed::WithoutGaps;
        entry.causes = causes
            .iter()
            .map(|&(cause, times)| (cause.into(), times))
            .collect();
    }

    /// Writes down what the kernel counts itself in this topology.
    pub fn counted(&mut self, statistic: &'static str, times: u64) {
        let router = self.router().name().to_owned();
        let counts = self.ledger.statistics.entry(router).or_default();
        *counts.entry(statistic.into()).or_default() += times;
    }

    /// Takes over what was written down about another topology.
    pub fn take(&mut self, other: Self) {
        self.ledger.slack = self.ledger.slack.max(other.ledger.slack);
        self.ledger.entries.extend(other.ledger.entries);
        self.ledger.returns.extend(other.ledger.returns);
        self.ledger.settings.extend(other.ledger.settings);
        self.ledger.statistics.extend(other.ledger.statistics);
    }

    /// Waits until the client's link is gone, because the router is.
    pub fn wait_for_cut(&self) -> Result<(), TrafficError> {
        let linked = || nix::net::if_::if_nametoindex("outer").is_ok();
        while self.topology.client.run(linked)? {
            self.clock.align()?;
        }
        Ok(())
    }

    /// Runs `conntrack` in the router to remove entries and gives back the jiffy in which it ended.
    pub fn delete(&mut self, line: &str) -> Result<u64, TrafficError> {
        self.router().conntrack(line)?;
        Ok(self.clock.now()?)
    }

    /// The router's count of entries.
    pub fn count(&self) -> Result<u64, TrafficError> {
        Ok(self.router().sysctl("net.netfilter.nf_conntrack_count")?)
    }

    /// Waits until everything has expired, makes the kernel remove it, and writes that down.
    pub fn settle(&mut self) -> Result<(), TrafficError> {
        let last = self
            .ledger
            .entries
            .iter()
            .filter_map(Ledger::expiry)
            .max()
            .unwrap_or(0);
        self.clock.until(last.max(self.clock.now()?) + 2)?;
        self.sweep()
    }

    /// Makes the kernel remove what has expired, and writes that down.
    pub fn sweep(&mut self) -> Result<(), TrafficError> {
        // Listing the table removes the expired entries met on the way.
        self.router().read("net/nf_conntrack")?;
        let now = self.clock.now()?;
        let namespace = self.namespace.clone();
        self.ledger.expire(&namespace, now);
        let living = self
            .ledger
            .entries
            .iter()
            .filter(|entry| entry.namespace == namespace && entry.death.is_none())
            .count();
        let count = self.count()?;
        if count == living as u64 {
            return Ok(());
        }
        let listed = self.router().read("net/nf_conntrack")?;
        Err(TrafficError::Surprise(format!(
            "the table holds {count} entries where {living} should live:\n{listed}"
        )))
    }

    fn step(&self, at: u64, state: &'static str, timer: &'static str) -> Step {
        let timeout = self.clock.jiffies(Duration::from_secs(self.timeout(timer)));
        Step {
            at,
            state: state.into(),
            timer: timer.into(),
            timeout,
        }
    }
}
