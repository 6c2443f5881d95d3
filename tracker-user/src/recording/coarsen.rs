//! Joins old intervals, so that a day at one interval a second stays small.
//!
//! Differences are added; of the entry count the peak and the lowest stay. Joining happens in the
//! transaction of an interval, so a recording is never seen half joined.

use std::collections::BTreeMap;

use rusqlite::{Transaction, params};
use tracker_common::layout::Counters;

use super::{Distribution, blob, counters, statistics};

const SECOND: i64 = 1_000_000;

/// Age at which intervals are joined, and the length of the joined ones, in µs; by level.
const LEVELS: [(i64, i64); 2] = [(600 * SECOND, 10 * SECOND), (7_200 * SECOND, 60 * SECOND)];

/// Remembers how far the joining has come.
#[derive(Default)]
pub struct Coarsener {
    done_us: [i64; LEVELS.len()],
}

impl Coarsener {
    /// Joins what is old enough at `now_us`.
    pub fn run(&mut self, tx: &Transaction<'_>, now_us: i64) -> rusqlite::Result<()> {
        for ((level, (age, length)), done_us) in (0_i64..).zip(LEVELS).zip(&mut self.done_us) {
            let boundary = (now_us - age).max(0) / length * length;
            if boundary > *done_us {
                for group in groups(tx, level, boundary, length)? {
                    join(tx, &group, level + 1)?;
                }
                *done_us = boundary;
            }
        }
        Ok(())
    }
}

/// Intervals of a level that began before `boundary`, by the longer interval they fall into.
fn groups(
    tx: &Transaction<'_>,
    level: i64,
    boundary: i64,
    length: i64,
) -> rusqlite::Result<Vec<Vec<i64>>> {
    let mut groups: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    let mut select = tx.prepare_cached(
        "SELECT id, started_us FROM interval WHERE level = ?1 AND started_us < ?2 ORDER BY id",
    )?;
    let mut rows = select.query(params![level, boundary])?;
    while let Some(row) = rows.next()? {
        groups
            .entry(row.get::<_, i64>(1)? / length)
            .or_default()
            .push(row.get(0)?);
    }
    Ok(groups.into_values().collect())
}

/// Makes one interval of several neighbours. It keeps the first one's id.
fn join(tx: &Transaction<'_>, ids: &[i64], level: i64) -> rusqlite::Result<()> {
    let (Some(&first), Some(&last)) = (ids.first(), ids.last()) else {
        return Ok(());
    };
    tx.prepare_cached(
        "UPDATE interval
         SET level = ?3, ended_us = (SELECT ended_us FROM interval WHERE id = ?2)
         WHERE id = ?1",
    )?
    .execute(params![first, last, level])?;
    if first == last {
        return Ok(());
    }
    join_samples(tx, first, last)?;
    join_histograms(tx, first, last)?;
    statistics::join(tx, first, last)?;
    tx.prepare_cached("DELETE FROM interval WHERE id > ?1 AND id <= ?2")?
        .execute(params![first, last])?;
    Ok(())
}

/// The numbers of a namespace in an interval, beside its counters.
#[derive(Clone, Copy, Default)]
struct Sampled {
    samples: i64,
    count_sum: i64,
    count_min: Option<i64>,
    count_max: Option<i64>,
    max: Option<i64>,
    buckets: Option<i64>,
}

impl Sampled {
    fn join(self, later: Self) -> Self {
        Self {
            samples: self.samples + later.samples,
            count_sum: self.count_sum.saturating_add(later.count_sum),
            count_min: self.count_min.into_iter().chain(later.count_min).min(),
            count_max: self.count_max.max(later.count_max),
            max: later.max.or(self.max),
            buckets: later.buckets.or(self.buckets),
        }
    }
}

fn join_samples(tx: &Transaction<'_>, first: i64, last: i64) -> rusqlite::Result<()> {
    let listed = counters::names()
        .into_iter()
        .map(|(number, name)| (number as u64, name));
    let decoder = counters::Decoder::new(listed);
    let mut joined: BTreeMap<i64, (Box<Counters>, Sampled)> = BTreeMap::new();
    let mut select = tx.prepare_cached(
        "SELECT namespace, counters, samples, count_sum, count_min, count_max, max, buckets
         FROM sample WHERE interval BETWEEN ?1 AND ?2 ORDER BY interval",
    )?;
    let mut rows = select.query(params![first, last])?;
    while let Some(row) = rows.next()? {
        let sampled = Sampled {
            samples: row.get(2)?,
            count_sum: row.get(3)?,
            count_min: row.get(4)?,
            count_max: row.get(5)?,
            max: row.get(6)?,
            buckets: row.get(7)?,
        };
        let added = decoder
            .decode(row.get_ref(1)?.as_blob()?)
            .ok_or_else(damaged)?;
        joined
            .entry(row.get(0)?)
            .and_modify(|(sum, before)| {
                counters::add(sum, &added);
                *before = before.join(sampled);
            })
            .or_insert((added, sampled));
    }
    drop(rows);
    tx.prepare_cached("DELETE FROM sample WHERE interval BETWEEN ?1 AND ?2")?
        .execute(params![first, last])?;
    let mut insert = tx.prepare_cached(
        "INSERT INTO sample (interval, namespace, counters, samples, count_sum, count_min,
                             count_max, max, buckets)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    for (namespace, (sum, it)) in joined {
        insert.execute(params![
            first,
            namespace,
            counters::encode(&sum),
            it.samples,
            it.count_sum,
            it.count_min,
            it.count_max,
            it.max,
            it.buckets
        ])?;
    }
    Ok(())
}

fn join_histograms(tx: &Transaction<'_>, first: i64, last: i64) -> rusqlite::Result<()> {
    let mut joined: BTreeMap<i64, Distribution> = BTreeMap::new();
    let mut select = tx.prepare_cached(
        "SELECT series, difference, sum_us, max_us FROM histogram WHERE interval BETWEEN ?1 AND ?2",
    )?;
    let mut rows = select.query(params![first, last])?;
    while let Some(row) = rows.next()? {
        let (sum_us, max_us) = (row.get::<_, i64>(2)?, row.get::<_, i64>(3)?);
        let bytes = row.get_ref(1)?.as_blob()?;
        let added = blob::decode(bytes, sum_us.cast_unsigned(), max_us.cast_unsigned())
            .ok_or_else(damaged)?;
        joined.entry(row.get(0)?).or_default().merge(&added);
    }
    drop(rows);
    tx.prepare_cached("DELETE FROM histogram WHERE interval BETWEEN ?1 AND ?2")?
        .execute(params![first, last])?;
    let mut insert = tx.prepare_cached(
        "INSERT INTO histogram (interval, series, difference, sum_us, max_us)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    for (series, sum) in joined {
        insert.execute(params![
            first,
            series,
            blob::encode(&sum),
            sum.sum_us.cast_signed(),
            sum.max_us.cast_signed()
        ])?;
    }
    Ok(())
}

/// Someone else wrote to the file meanwhile.
fn damaged() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(
        rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
        Some("an earlier interval is damaged".to_owned()),
    )
}
