//! Longest gaps by destination port and timer in a recording: totals.

use std::collections::HashMap;

use rusqlite::{Connection, Transaction, params};
use tracker_common::{Proto, Timer, histogram::highest, layout::PortKey};

use super::{Distribution, PortRecord, StratumRecord, blob, schema};
use crate::source::Stratum;

/// What was last written of a namespace.
pub type Known = HashMap<(PortKey, Timer), Stratum>;

/// Writes what has changed since `known`, for a namespace.
pub fn write(
    tx: &Transaction<'_>,
    namespace: i64,
    known: &mut Known,
    now: &[Stratum],
) -> rusqlite::Result<()> {
    let mut replace = tx.prepare_cached(
        "REPLACE INTO stratum (namespace, proto, port, timer, connections, max_gaps, max_us)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for shown in now {
        if known.get(&(shown.port, shown.timer)) == Some(shown) {
            continue;
        }
        let gaps = distribution(shown);
        let proto = Proto::from_id(usize::from(shown.port.proto));
        replace.execute(params![
            namespace,
            proto.map_or(PortRecord::OTHERS, Proto::name),
            shown.port.port,
            shown.timer.name(),
            shown.connections.cast_signed(),
            blob::encode(&gaps),
            gaps.max_us.cast_signed()
        ])?;
        known.insert((shown.port, shown.timer), shown.clone());
    }
    Ok(())
}

/// A bucket stands for its highest value: no gap is taken for shorter than it was.
fn distribution(shown: &Stratum) -> Distribution {
    let mut gaps = Distribution::default();
    for &(bucket, count) in &shown.max_gaps {
        gaps.put(bucket, count);
        if count > 0 {
            gaps.max_us = gaps.max_us.max(highest(usize::from(bucket)));
        }
    }
    gaps
}

/// Those of a namespace: none from a recording that is older than they are, nor under a timer that
/// this version does not know.
pub fn read(connection: &Connection, namespace: i64) -> rusqlite::Result<Vec<StratumRecord>> {
    let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version < schema::WITH_STRATA {
        return Ok(Vec::new());
    }
    let mut select = connection.prepare_cached(
        "SELECT proto, port, timer, connections, max_gaps, max_us FROM stratum
         WHERE namespace = ?1 ORDER BY proto, port, timer",
    )?;
    let mut rows = select.query([namespace])?;
    let mut strata = Vec::new();
    while let Some(row) = rows.next()? {
        let (proto, timer): (String, String) = (row.get(0)?, row.get(2)?);
        let Some(timer) = Timer::from_name(&timer) else {
            continue;
        };
        let (connections, max_us): (i64, i64) = (row.get(3)?, row.get(5)?);
        let bytes: Vec<u8> = row.get(4)?;
        strata.push(StratumRecord {
            proto: Proto::from_name(&proto),
            port: row.get(1)?,
            timer,
            connections: connections.cast_unsigned(),
            max_gaps: blob::decode(&bytes, 0, max_us.cast_unsigned())
                .ok_or_else(|| schema::damaged("gaps of a port that are no histogram"))?,
        });
    }
    Ok(strata)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tracker_common::histogram::index;

    use super::{super::synthetic::Synthetic, *};

    #[test]
    fn longest_gaps_by_port_are_the_last_ones_shown() {
        let mut source = Synthetic::new();
        let gap = |seconds: u64| index(seconds * 1_000_000) as u16;
        let port = |proto: u16, port| PortKey { port, proto };
        let stratum = |port, connections, max_gaps: &[(u16, u64)]| Stratum {
            port,
            timer: Timer::TcpEstablished,
            connections,
            max_gaps: max_gaps.to_vec(),
        };
        let web = port(Proto::Tcp.id() as u16, 443);
        source.host().strata = vec![stratum(web, 7, &[(gap(5), 2)])];
        let first = source.now();
        let moved = [(gap(5), 1), (gap(1_200), 1)];
        source.host().strata = vec![stratum(web, 9, &moved), stratum(PortKey::OTHERS, 3, &[])];
        source.at = Duration::from_secs(1);
        let read = source.recorded(&[first, source.now()]);
        let strata = &read.namespaces[0].strata;
        let seen: Vec<_> = strata
            .iter()
            .map(|it| (it.proto, it.port, it.timer, it.connections))
            .collect();
        assert_eq!(
            seen,
            [
                (None, 0, Timer::TcpEstablished, 3),
                (Some(Proto::Tcp), 443, Timer::TcpEstablished, 9)
            ]
        );
        assert!(strata[0].max_gaps.is_empty());
        let upper = |seconds| highest(usize::from(gap(seconds)));
        let edges: Vec<_> = strata[1].max_gaps.edges().collect();
        assert_eq!(edges, [(upper(5), 1), (upper(1_200), 1)]);
    }
}
