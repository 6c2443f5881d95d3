//! What the router's kernel counts.

use std::{collections::BTreeMap, io};

use crate::{
    kernel::statistics::counts,
    lab::net::{Namespace, NetError},
    source::Statistic,
};

/// The router's counters at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Packets that reached the router's IP layer.
    pub received: u64,
    /// Entries in its table.
    pub entries: u64,
    /// conntrack's own counters, over all CPUs; those that the kernel has.
    pub conntrack: BTreeMap<Statistic, u32>,
}

impl Statistics {
    /// Reads them.
    ///
    /// # Errors
    /// When the namespace cannot be read.
    pub fn of(router: &Namespace) -> Result<Self, NetError> {
        let of_ipv6 = match router.read("net/snmp6") {
            // A kernel may be without.
            Err(NetError::Proc { source, .. }) if source.kind() == io::ErrorKind::NotFound => 0,
            text => ipv6(&text?),
        };
        let received = ipv4(&router.read("net/snmp")?) + of_ipv6;
        let conntrack = counts(&router.read("net/stat/nf_conntrack")?).unwrap_or_default();
        Ok(Self {
            received,
            entries: router.sysctl("net.netfilter.nf_conntrack_count")?,
            conntrack: conntrack.into_iter().collect(),
        })
    }

    /// What was added to one of conntrack's counters since an earlier moment.
    #[must_use]
    pub fn since(&self, before: &Self, counter: Statistic) -> u64 {
        let of = |it: &Self| it.conntrack.get(&counter).copied().unwrap_or(0);
        of(self).wrapping_sub(of(before)).into()
    }

    /// What was added to each of them, by its name.
    #[must_use]
    pub fn all_since(&self, before: &Self) -> BTreeMap<&'static str, u64> {
        let counters = self.conntrack.keys();
        counters
            .map(|&counter| (counter.name(), self.since(before, counter)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_may_wrap_between_two_moments() {
        let at = |count| Statistics {
            conntrack: BTreeMap::from([(Statistic::Drop, count)]),
            ..Statistics::default()
        };
        let (before, after) = (at(u32::MAX), at(2));
        assert_eq!(after.since(&before, Statistic::Drop), 3);
        assert_eq!(after.since(&before, Statistic::EarlyDrop), 0);
        assert_eq!(after.all_since(&before), BTreeMap::from([("drop", 3)]));
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
