//! The kernel's own counts in a recording: totals, and what each interval added.

use std::collections::BTreeMap;

use rusqlite::{Connection, Transaction, params};

use super::schema;
use crate::source::{Statistic, Statistics};

/// Writes what has changed since `known`, for an interval and a namespace.
pub fn write(
    tx: &Transaction<'_>,
    (interval, namespace): (i64, i64),
    known: &mut Statistics,
    now: &Statistics,
) -> rusqlite::Result<()> {
    for (&it, &total) in now {
        // That the kernel counts it at all is worth a row.
        let before = known.insert(it, total);
        if before == Some(total) {
            continue;
        }
        tx.prepare_cached("REPLACE INTO statistic (namespace, name, total) VALUES (?1, ?2, ?3)")?
            .execute(params![namespace, it.name(), total.cast_signed()])?;
        let difference = total.wrapping_sub(before.unwrap_or(0));
        if difference != 0 {
            insert(tx, interval, namespace, it.name(), difference.cast_signed())?;
        }
    }
    Ok(())
}

fn insert(
    tx: &Transaction<'_>,
    interval: i64,
    namespace: i64,
    name: &str,
    difference: i64,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO statistic_sample (interval, namespace, name, difference)
         VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![interval, namespace, name, difference])?;
    Ok(())
}

/// Makes one interval of several.
pub fn join(tx: &Transaction<'_>, first: i64, last: i64) -> rusqlite::Result<()> {
    let mut joined: BTreeMap<(i64, String), i64> = BTreeMap::new();
    let mut select = tx.prepare_cached(
        "SELECT namespace, name, difference FROM statistic_sample WHERE interval BETWEEN ?1 AND ?2",
    )?;
    let mut rows = select.query(params![first, last])?;
    while let Some(row) = rows.next()? {
        let sum = joined.entry((row.get(0)?, row.get(1)?)).or_default();
        *sum = sum.wrapping_add(row.get(2)?);
    }
    drop(rows);
    tx.prepare_cached("DELETE FROM statistic_sample WHERE interval BETWEEN ?1 AND ?2")?
        .execute(params![first, last])?;
    for ((namespace, name), difference) in joined {
        insert(tx, first, namespace, &name, difference)?;
    }
    Ok(())
}

/// Totals of a namespace, and what the intervals added, by their places. Nothing from a recording
/// that is older than these counts.
pub fn read(
    connection: &Connection,
    namespace: i64,
    intervals: &BTreeMap<i64, usize>,
) -> rusqlite::Result<(Statistics, BTreeMap<usize, Statistics>)> {
    let version: u32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let mut totals = Statistics::new();
    let mut course: BTreeMap<usize, Statistics> = BTreeMap::new();
    if version < schema::WITH_STATISTICS {
        return Ok((totals, course));
    }
    let mut select =
        connection.prepare_cached("SELECT name, total FROM statistic WHERE namespace = ?1")?;
    let mut rows = select.query([namespace])?;
    while let Some(row) = rows.next()? {
        // A name that is not known here comes from a tracker that reads more of them.
        if let Some(it) = Statistic::from_name(&row.get::<_, String>(0)?) {
            totals.insert(it, row.get::<_, i64>(1)?.cast_unsigned());
        }
    }
    let mut select = connection.prepare_cached(
        "SELECT interval, name, difference FROM statistic_sample WHERE namespace = ?1",
    )?;
    let mut rows = select.query([namespace])?;
    while let Some(row) = rows.next()? {
        let place = intervals.get(&row.get::<_, i64>(0)?);
        let it = Statistic::from_name(&row.get::<_, String>(1)?);
        if let (Some(&place), Some(it)) = (place, it) {
            let added = row.get::<_, i64>(2)?.cast_unsigned();
            course.entry(place).or_default().insert(it, added);
        }
    }
    Ok((totals, course))
}

#[cfg(test)]
mod tests {
    use tracker_common::Proto;

    use super::*;
    use crate::{
        recording::{Existing, Recording, Writer, synthetic::Synthetic},
        source::Source as _,
    };

    /// The tables of the first version, which had nothing of the kernel's own counts.
    const FIRST_VERSION: &str = "DROP TABLE statistic; DROP TABLE statistic_sample;
    PRAGMA user_version = 1; VACUUM;";

    #[test]
    fn a_recording_of_the_first_version_can_still_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.trk");
        let mut source = Synthetic::new();
        source.host().insert(Proto::Udp, 2);
        let mut writer = Writer::create(&path, source.description(), Existing::Refuse).unwrap();
        writer.write(&source.sample().unwrap()).unwrap();
        writer.finish(&source.finish().unwrap()).unwrap();
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(FIRST_VERSION).unwrap();
        drop(connection);
        let read = Recording::open(&path).unwrap();
        assert_eq!(read.namespaces[0].counters, source.host().counters);
        assert!(read.namespaces[0].statistics.is_empty());
    }

    #[test]
    fn the_kernels_own_counts_are_read_as_totals_and_by_interval() {
        let mut source = Synthetic::new();
        source.host().statistics.remove(&Statistic::ChainTooLong);
        let first = source.sample().unwrap();
        source.host().statistics.insert(Statistic::Drop, 7);
        let second = source.sample().unwrap();
        source.host().statistics.insert(Statistic::Drop, 9);
        let third = source.sample().unwrap();
        let read = source.recorded(&[first, second, third]);
        let host = &read.namespaces[0];
        assert_eq!(host.statistics, source.host().statistics);
        let course: Vec<_> = host.statistics_course.iter().collect();
        let counted = |count| [(Statistic::Drop, count)].into();
        assert_eq!(course, [(&1, &counted(7)), (&2, &counted(2))]);
    }
}
