//! Reads a recording.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};
use tracker_common::{
    Loss, Proto, Timer,
    layout::{Counters, HistogramId, Losses},
};

use super::{
    CountSample, Distribution, Interval, NamespaceRecord, PortRecord, Recording, RecordingError,
    blob, counters::Decoder, header, schema, statistics, strata, timers::Rest,
};
use crate::source::{Statistics, Table};

impl Recording {
    /// Reads a recording, also of a watch that goes on.
    ///
    /// # Errors
    /// When the file cannot be read, is no recording, comes from a newer tracker, or is damaged.
    pub fn open(path: &Path) -> Result<Self, RecordingError> {
        header::check(path)?;
        read_with(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .or_else(|error| match error.sqlite_error() {
                // A killed watch left an interval half written, which only a writer can undo.
                Some(code) if code.extended_code == ffi::SQLITE_READONLY_ROLLBACK => {
                    read_with(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
                }
                _ => Err(error),
            })
            .map_err(|error| explain(path, &error))
    }
}

fn explain(path: &Path, error: &rusqlite::Error) -> RecordingError {
    let path = path.to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen) => RecordingError::Interrupted { path },
        Some(ErrorCode::PermissionDenied) => RecordingError::Unreadable {
            path,
            source: std::io::ErrorKind::PermissionDenied.into(),
        },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => RecordingError::Unreadable {
            path,
            source: std::io::Error::new(std::io::ErrorKind::WouldBlock, "another program locks it"),
        },
        _ => RecordingError::Corrupt {
            path,
            what: error.to_string(),
        },
    }
}

fn read_with(path: &Path, access: OpenFlags) -> rusqlite::Result<Recording> {
    // An absolute path: SQLite gives names like `:memory:` a meaning.
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let connection = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.execute_batch(
        "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA cache_size = -1024;
         BEGIN;",
    )?;
    let verdict: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(schema::damaged(verdict));
    }
    Reader { connection }.recording()
}

struct Reader {
    connection: Connection,
}

impl Reader {
    fn recording(self) -> rusqlite::Result<Recording> {
        let description: String = self.meta("description")?;
        let description = serde_json::from_str(&description)
            .map_err(|error| schema::damaged(format!("its description: {error}")))?;
        let complete = self.meta::<i64>("complete")? == 1;
        let (ids, intervals) = self.intervals()?;
        let namespaces = self.namespaces(&ids)?;
        let losses = self.losses()?;
        let duration = intervals.last().map_or(Duration::ZERO, |last| last.ended);
        Ok(Recording {
            description,
            duration,
            complete,
            intervals,
            namespaces,
            losses,
            rest: Rest::of(self.connection)?,
        })
    }

    fn meta<T: rusqlite::types::FromSql>(&self, key: &str) -> rusqlite::Result<T> {
        self.connection
            .query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| {
                row.get(0)
            })
    }

    fn rows<T>(
        &self,
        query: &str,
        id: impl rusqlite::Params,
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        self.connection
            .prepare_cached(query)?
            .query_map(id, read)?
            .collect()
    }

    fn intervals(&self) -> rusqlite::Result<(BTreeMap<i64, usize>, Vec<Interval>)> {
        let rows = self.rows(
            "SELECT id, started_us, ended_us FROM interval ORDER BY started_us, id",
            [],
            |row| {
                let interval = Interval {
                    started: time(row, 1)?,
                    ended: time(row, 2)?,
                };
                Ok((row.get(0)?, interval))
            },
        )?;
        let ids = rows
            .iter()
            .enumerate()
            .map(|(index, &(id, _))| (id, index))
            .collect();
        Ok((
            ids,
            rows.into_iter().map(|(_, interval)| interval).collect(),
        ))
    }

    fn namespaces(
        &self,
        intervals: &BTreeMap<i64, usize>,
    ) -> rusqlite::Result<Vec<NamespaceRecord>> {
        let listed = self.rows("SELECT number, name FROM counter", [], |row| {
            Ok((number(row, 0)?, row.get(1)?))
        })?;
        let decoder = Decoder::new(listed);
        let rows = self.rows(
            "SELECT id, inum, name, live_at_start, live, counters FROM namespace ORDER BY id",
            [],
            |row| {
                let counters = counters(&decoder, row, 5)?;
                let record = NamespaceRecord {
                    inum: row.get(1)?,
                    name: row.get(2)?,
                    live_at_start: number(row, 3)?,
                    live: number(row, 4)?,
                    counters,
                    histograms: BTreeMap::new(),
                    sysctls: BTreeMap::new(),
                    changed: BTreeSet::new(),
                    ports: Vec::new(),
                    strata: Vec::new(),
                    table: None,
                    statistics: Statistics::new(),
                    statistics_course: BTreeMap::new(),
                    samples: Vec::new(),
                };
                Ok((row.get(0)?, record))
            },
        )?;
        rows.into_iter()
            .map(|(id, record)| {
                let (samples, table) = self.samples(id, intervals, &decoder)?;
                let (sysctls, changed) = self.sysctls(id)?;
                let histograms = self.histograms(id)?;
                let ports = self.ports(id)?;
                let strata = strata::read(&self.connection, id)?;
                let (statistics, statistics_course) =
                    statistics::read(&self.connection, id, intervals)?;
                Ok(NamespaceRecord {
                    statistics,
                    statistics_course,
                    samples,
                    table,
                    sysctls,
                    changed,
                    histograms,
                    ports,
                    strata,
                    ..record
                })
            })
            .collect()
    }

    fn samples(
        &self,
        namespace: i64,
        intervals: &BTreeMap<i64, usize>,
        decoder: &Decoder,
    ) -> rusqlite::Result<(Vec<CountSample>, Option<Table>)> {
        let mut table = None;
        let samples = self.rows(
            "SELECT interval, counters, samples, count_sum, count_min, count_max, max, buckets
             FROM sample WHERE namespace = ?1 ORDER BY interval",
            [namespace],
            |row| {
                let counters = counters(decoder, row, 1)?;
                let samples = number(row, 2)?;
                let count = if samples > 0 {
                    let mean = number(row, 3)? as f64 / samples as f64;
                    let (min, max) = (number(row, 4)?, number(row, 5)?);
                    table = Some(Table {
                        count: max,
                        max: number(row, 6)?,
                        buckets: number(row, 7)?,
                    });
                    Some((min, mean, max))
                } else {
                    None
                };
                let id: i64 = row.get(0)?;
                let interval = *intervals
                    .get(&id)
                    .ok_or_else(|| schema::damaged("a sample without its interval"))?;
                let inserted = sum(counters.inserts.iter());
                let destroyed = sum(counters.deaths.iter().flatten());
                Ok(CountSample {
                    interval,
                    count,
                    inserted,
                    destroyed,
                    expired: by_timer(&counters.timer_expired),
                    connections: by_timer(&counters.connections),
                })
            },
        )?;
        Ok((samples, table))
    }

    fn sysctls(
        &self,
        namespace: i64,
    ) -> rusqlite::Result<(BTreeMap<String, u64>, BTreeSet<String>)> {
        let rows: Vec<(String, u64)> = self.rows(
            "SELECT name, value FROM sysctl WHERE namespace = ?1 ORDER BY at_us",
            [namespace],
            |row| Ok((row.get(0)?, number(row, 1)?)),
        )?;
        let mut values = BTreeMap::new();
        let mut changed = BTreeSet::new();
        for (name, value) in rows {
            if values.insert(name.clone(), value).is_some() {
                changed.insert(name);
            }
        }
        Ok((values, changed))
    }

    fn histograms(&self, namespace: i64) -> rusqlite::Result<BTreeMap<HistogramId, Distribution>> {
        let rows: Vec<(String, String, Vec<u8>, u64, u64)> = self.rows(
            "SELECT kind, name, total, sum_us, max_us FROM series WHERE namespace = ?1",
            [namespace],
            |row| {
                Ok((
                    row.get(0)?,
                    row.get(1)?,
                    row.get(2)?,
                    number(row, 3)?,
                    number(row, 4)?,
                ))
            },
        )?;
        let mut histograms = BTreeMap::new();
        for (kind, name, total, sum_us, max_us) in rows {
            // An unknown kind comes from a tracker that counts more: the rest is still true.
            if total.is_empty() {
                continue;
            }
            if let Some(id) = schema::series_id(&kind, &name) {
                let total = blob::decode(&total, sum_us, max_us)
                    .ok_or_else(|| schema::damaged(format!("its histogram {kind} {name}")))?;
                histograms.insert(id, total);
            }
        }
        Ok(histograms)
    }

    fn ports(&self, namespace: i64) -> rusqlite::Result<Vec<PortRecord>> {
        self.rows(
            "SELECT proto, port, inserts, deaths, entry_us FROM port WHERE namespace = ?1",
            [namespace],
            |row| {
                let proto: String = row.get(0)?;
                Ok(PortRecord {
                    proto: Proto::from_name(&proto),
                    port: row.get(1)?,
                    inserts: number(row, 2)?,
                    deaths: number(row, 3)?,
                    entry_us: number(row, 4)?,
                })
            },
        )
    }

    fn losses(&self) -> rusqlite::Result<Losses> {
        let mut losses = Losses {
            count: [0; Loss::SLOTS],
        };
        let rows: Vec<(String, u64)> = self.rows("SELECT name, count FROM loss", [], |row| {
            Ok((row.get(0)?, number(row, 1)?))
        })?;
        for (name, count) in rows {
            if let Some(loss) = Loss::from_name(&name) {
                losses.count[loss.id()] = count;
            }
        }
        Ok(losses)
    }
}

/// Those that are not 0.
fn by_timer(counts: &[u64]) -> Vec<(Timer, u64)> {
    let timers = Timer::ALL.iter().copied().zip(counts.iter().copied());
    timers.filter(|&(_, count)| count > 0).collect()
}

fn counters(
    decoder: &Decoder,
    row: &rusqlite::Row<'_>,
    column: usize,
) -> rusqlite::Result<Box<Counters>> {
    decoder
        .decode(row.get_ref(column)?.as_blob()?)
        .ok_or_else(|| schema::damaged("its counters"))
}

/// A number of 64 bits; SQLite keeps them signed.
fn number(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

fn time(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<Duration> {
    number(row, column).map(Duration::from_micros)
}

fn sum<'a>(values: impl Iterator<Item = &'a u64>) -> u64 {
    values.fold(0, |sum, &value| sum.wrapping_add(value))
}
