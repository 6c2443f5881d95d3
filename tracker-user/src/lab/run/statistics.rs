//! What the router's kernel counts.

use std::collections::BTreeMap;

use crate::lab::net::{Namespace, NetError};

/// Counters of conntrack that are about more than single packets: the name of the file's column, and
/// that of the counter.
const NAMES: [(&str, &str); 9] = [
    ("clashres", "clash_resolve"),
    ("invalid", "invalid"),
    ("chainlength", "chaintoolong"),
    ("insert", "insert"),
    ("insert_failed", "insert_failed"),
    ("drop", "drop"),
    ("early_drop", "early_drop"),
    ("icmp_error", "error"),
    ("search_restart", "search_restart"),
];

/// The router's counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets that reached the router's IP layer.
    pub received: u64,
    /// Entries in its table.
    pub entries: u64,
    /// conntrack's own counters, over all CPUs; those that the kernel has.
    pub conntrack: BTreeMap<&'static str, u64>,
}

impl Statistics {
    /// Reads them.
    ///
    /// # Errors
    /// When the namespace cannot be read.
    pub fn of(router: &Namespace) -> Result<Self, NetError> {
        let received = ipv4(&router.read("net/snmp")?) + ipv6(&router.read("net/snmp6")?);
        Ok(Self {
            received,
            entries: router.sysctl("net.netfilter.nf_conntrack_count")?,
            conntrack: conntrack(&router.read("net/stat/nf_conntrack")?),
        })
    }

    /// What was added to each of conntrack's counters since an earlier moment.
    #[must_use]
    pub fn since(&self, before: &Self) -> BTreeMap<&'static str, u64> {
        let earlier = |name| before.conntrack.get(name).copied().unwrap_or(0);
        self.conntrack
            .iter()
            .map(|(name, count)| (*name, count.saturating_sub(earlier(name))))
            .collect()
    }
}

/// A line of names, then one of numbers.
fn ipv4(text: &str) -> u64 {
    let mut rows = text.lines().filter(|line| line.starts_with("Ip: "));
    let (Some(names), Some(values)) = (rows.next(), rows.next()) else {
        return 0;
    };
    let place = names.split(' ').position(|name| name == "InReceives");
    let value = place.and_then(|place| values.split(' ').nth(place));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

fn ipv6(text: &str) -> u64 {
    let row = text
        .lines()
        .find_map(|line| line.strip_prefix("Ip6InReceives"));
    row.and_then(|value| value.trim().parse().ok()).unwrap_or(0)
}

/// A line of names, then one of hexadecimal numbers for each CPU.
fn conntrack(text: &str) -> BTreeMap<&'static str, u64> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or("").split_whitespace().collect();
    let mut sums = BTreeMap::new();
    for line in lines {
        for (name, value) in names.iter().zip(line.split_whitespace()) {
            let known = NAMES.into_iter().find(|(column, _)| column == name);
            if let (Some((_, counter)), Ok(value)) = (known, u64::from_str_radix(value, 16)) {
                *sums.entry(counter).or_insert(0) += value;
            }
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_added_up_over_the_cpus() {
        let text = "entries  clashres found drop icmp_error\n\
                    00000007  00000000 0000000a 00000001 00000010\n\
                    00000007  00000000 00000001 00000002 00000000\n";
        let sums = conntrack(text);
        assert_eq!(
            sums,
            BTreeMap::from([("clash_resolve", 0), ("drop", 3), ("error", 16)])
        );
        let now = Statistics {
            conntrack: sums,
            ..Statistics::default()
        };
        assert_eq!(now.since(&Statistics::default())["drop"], 3);
        assert_eq!(now.since(&now)["drop"], 0);
    }

    #[test]
    fn received_packets_are_of_both_families() {
        let snmp =
            "Ip: Forwarding DefaultTTL InReceives InHdrErrors\nIp: 1 64 120 0\nIcmp: InMsgs\n";
        assert_eq!(ipv4(snmp), 120);
        assert_eq!(
            ipv6("Ip6InReceives                   \t34\nIp6InHdrErrors \t1\n"),
            34
        );
        assert_eq!(ipv4("") + ipv6(""), 0);
    }
}
