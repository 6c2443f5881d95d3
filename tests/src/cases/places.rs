//! The topologies that cases use, made once and cleaned between cases.

use std::fs;
use std::net::IpAddr;

use crate::net::{NetError, SERVER4, SERVER6, Topology};
use crate::traffic::{Stage, TrafficError};
use crate::truth::Ledger;

/// Settings of the router's timers in seconds: short, so that a case is, and no two alike that could be confused.
pub const TIMEOUTS: [(&str, u64); 17] = [
    ("tcp_timeout_syn_sent", 12),
    ("tcp_timeout_syn_recv", 9),
    ("tcp_timeout_established", 50),
    ("tcp_timeout_fin_wait", 14),
    ("tcp_timeout_close_wait", 20),
    ("tcp_timeout_last_ack", 7),
    ("tcp_timeout_time_wait", 16),
    ("tcp_timeout_close", 5),
    ("tcp_timeout_max_retrans", 30),
    ("tcp_timeout_unacknowledged", 40),
    ("udp_timeout", 6),
    ("udp_timeout_stream", 11),
    ("icmp_timeout", 4),
    ("icmpv6_timeout", 8),
    ("generic_timeout", 10),
    ("gre_timeout", 13),
    ("gre_timeout_stream", 17),
];

/// Where the size of the table is set, for all namespaces.
const SIZE: [&str; 2] = [
    "/proc/sys/net/netfilter/nf_conntrack_buckets",
    "/proc/sys/net/netfilter/nf_conntrack_max",
];

/// Topologies made so far, by prefix.
#[derive(Debug, Default)]
pub struct Places {
    made: Vec<(String, Topology)>,
    size: Option<[String; 2]>,
}

impl Places {
    /// Makes the topology, or cleans it if it is there: no entries, timers as in every case.
    pub fn prepare(&mut self, prefix: &str) -> Result<(), NetError> {
        self.made
            .retain(|(held, topology)| held != prefix || topology.is_whole());
        let topology = match self.made.iter().position(|(held, _)| held == prefix) {
            Some(held) => &self.made[held].1,
            None => {
                let made = Topology::create(prefix)?;
                made.track()?;
                made.acknowledge_at_once()?;
                warm_up(prefix);
                self.made.push((prefix.to_owned(), made));
                &self.made[self.made.len() - 1].1
            }
        };
        topology.router.conntrack("-F")?;
        let size = self
            .size
            .get_or_insert_with(|| SIZE.map(|path| fs::read_to_string(path).unwrap_or_default()));
        for (path, value) in SIZE.iter().zip(size) {
            if fs::read_to_string(path).is_ok_and(|now| now != *value) {
                // A table of another size than usual shows in the next comparison.
                let _ = fs::write(path, value);
            }
        }
        for (timer, seconds) in TIMEOUTS {
            topology.router.set_sysctl(
                &format!("net.netfilter.nf_conntrack_{timer}"),
                &seconds.to_string(),
            )?;
        }
        Ok(())
    }

    /// Removes all topologies.
    pub fn clear(&mut self) {
        self.made.clear();
    }
}

/// Takes every path once: the first packet of a kind may wait for code to be loaded or patched.
fn warm_up(prefix: &str) {
    let walk = || -> Result<(), TrafficError> {
        let mut stage = Stage::open(prefix, Ledger::default())?;
        for address in [IpAddr::from(SERVER4), IpAddr::from(SERVER6)] {
            let mut echo = stage.echo(address)?;
            // Only that it was tried matters.
            let _ = stage.ping(&mut echo);
        }
        let server = stage.udp_port(7)?;
        let _ = stage.begin_answered(&server, SERVER4.into());
        let listener = stage.listen(7)?;
        if let Ok(conn) = stage.connect(&listener) {
            let _ = stage.reset(conn);
        }
        Ok(())
    };
    // What does not work here fails in the case itself, with its reason.
    let _ = walk();
}
