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
