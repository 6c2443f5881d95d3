//! Longest gaps by destination port and timer, as the programs count them.

use std::{collections::BTreeMap, io, mem::offset_of};

use tracker_common::{
    Timer,
    layout::{Bank, GapKey, Gaps, PortKey, Ports},
};

use super::mapped::Mapped;
use crate::source::Stratum;

/// Entries by port and timer; they may be below 0 on one CPU.
type Entries = BTreeMap<(PortKey, Timer), i64>;
/// Entries by the bucket of their longest gap, by port and timer.
type Long = BTreeMap<(PortKey, Timer), BTreeMap<u16, u64>>;

/// Those of the namespace in a slot.
pub fn strata(
    banks: &Mapped<'_, Bank>,
    gaps: &Mapped<'_, Gaps>,
    slot: u32,
    cpus: u32,
) -> io::Result<Vec<Stratum>> {
    let mut entries = Entries::new();
    let offset = offset_of!(Bank, ports);
    banks.read_part(slot * cpus, cpus, offset, |cpu: &Ports| {
        cpu.each_armed(|port, timer, count| *entries.entry((port, timer)).or_default() += count);
    })?;
    let mut long = Long::new();
    gaps.read(slot, 1, |gaps| {
        for place in &gaps.places {
            if let Some(GapKey {
                port,
                timer,
                bucket,
            }) = GapKey::unpacked(place.key)
            {
                let buckets = long.entry((port, timer)).or_default();
                let count = buckets.entry(bucket).or_default();
                *count = count.wrapping_add(place.count);
            }
        }
    })?;
    Ok(joined(&entries, long))
}

/// A port that has its place on no CPU is one of the others. The two are not read at one instant, and of one
/// entry the one may be counted and the other not yet: so there are no fewer entries than long gaps.
fn joined(entries: &Entries, long: Long) -> Vec<Stratum> {
    let mut strata: BTreeMap<(PortKey, Timer), Stratum> = BTreeMap::new();
    let mut of = |(port, timer), at: &mut dyn FnMut(&mut Stratum)| {
        at(strata.entry((port, timer)).or_insert(Stratum {
            port,
            timer,
            connections: 0,
            max_gaps: Vec::new(),
        }));
    };
    for (&key, &count) in entries {
        of(key, &mut |it| {
            it.connections = u64::try_from(count).unwrap_or(0);
        });
    }
    for ((port, timer), buckets) in long {
        let is_known = entries.contains_key(&(port, timer));
        let port = if is_known { port } else { PortKey::OTHERS };
        of((port, timer), &mut |it| add(it, &buckets));
    }
    strata
        .into_values()
        .filter(|it| it.connections > 0)
        .collect()
}

fn add(stratum: &mut Stratum, buckets: &BTreeMap<u16, u64>) {
    let mut sums: BTreeMap<u16, u64> = stratum.max_gaps.iter().copied().collect();
    for (&bucket, &count) in buckets {
        // Who left a bucket may be counted before who entered it.
        if count.cast_signed() > 0 {
            *sums.entry(bucket).or_default() += count;
        }
    }
    stratum.connections = stratum.connections.max(sums.values().sum());
    stratum.max_gaps = sums.into_iter().collect();
}

#[cfg(test)]
mod tests {
    use super::*;

    const WEB: PortKey = PortKey {
        port: 443,
        proto: 0,
    };
    const RARE: PortKey = PortKey { port: 9, proto: 0 };
    const TIMER: Timer = Timer::TcpEstablished;

    fn buckets<const N: usize>(buckets: [(u16, u64); N]) -> BTreeMap<u16, u64> {
        buckets.into()
    }

    #[test]
    fn gaps_of_a_port_without_a_place_are_those_of_others() {
        let entries = [((WEB, TIMER), 5), ((PortKey::OTHERS, TIMER), 2)].into();
        let long = [
            ((WEB, TIMER), buckets([(700, 1), (800, 1)])),
            ((RARE, TIMER), buckets([(700, 1)])),
            ((PortKey::OTHERS, TIMER), buckets([(700, 1)])),
        ];
        let seen: Vec<_> = joined(&entries, long.into())
            .into_iter()
            .map(|it| (it.port, it.connections, it.max_gaps))
            .collect();
        assert_eq!(
            seen,
            [
                (PortKey::OTHERS, 2, vec![(700, 2)]),
                (WEB, 5, vec![(700, 1), (800, 1)]),
            ]
        );
    }

    #[test]
    fn an_entry_on_its_way_between_two_buckets_is_never_below_nothing() {
        let entries = [((WEB, TIMER), 1), ((RARE, TIMER), -1)].into();
        let long = [((WEB, TIMER), buckets([(700, u64::MAX), (800, 2)]))].into();
        let seen = joined(&entries, long);
        assert_eq!(seen.len(), 1);
        assert_eq!(
            (seen[0].connections, &seen[0].max_gaps[..]),
            (2, &[(800, 2)][..])
        );
    }
}
