//! Writes a recording, one transaction an interval.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, Transaction, params};
use tracker_common::{
    Loss, Proto,
    layout::{Counters, HistogramId, Losses, PortKey, PortUse},
};

use super::{
    Distribution, RecordingError, blob, coarsen::Coarsener, counters, header, schema,
};
use crate::source::{Description, NamespaceSample, Sample};

/// What to do when the output file is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it, and fail.
    Refuse,
    /// Put the recording in its place.
    Replace,
}

/// Writes one recording.
///
/// Of every namespace it remembers the last totals, to write differences.
pub struct Writer {
    path: PathBuf,
    connection: Connection,
    state: State,
}

struct State {
    namespaces: HashMap<u32, Known>,
    losses: Option<Losses>,
    coarsener: Coarsener,
    interval: i64,
    last_us: i64,
}

/// What was last written of a namespace.
struct Known {
    id: i64,
    name: String,
    live: u64,
    counters: Box<Counters>,
    histograms: HashMap<HistogramId, Series>,
    sysctls: BTreeMap<String, u64>,
}

struct Series {
    id: i64,
    total: Distribution,
}

impl Writer {
    /// Whether a recording can be made at `path`. Leaves nothing there: ask before a watch begins.
    ///
    /// # Errors
    /// When the file exists and shall not be replaced, or its folder cannot be written.
    pub fn check(path: &Path, existing: Existing) -> Result<(), RecordingError> {
        let unwritable =
            |why: String| RecordingError::Unwritable { path: path.to_owned(), why };
        match fs::symlink_metadata(path) {
            Ok(found) if !found.is_file() => {
                Err(unwritable("it is there, and no regular file".to_owned()))
            }
            Ok(_) if existing == Existing::Refuse => {
                Err(RecordingError::Exists { path: path.to_owned() })
            }
            Ok(_) => nix::unistd::access(path, nix::unistd::AccessFlags::W_OK)
                .map_err(|errno| unwritable(errno.desc().to_owned())),
            // Only trying tells: a folder's permissions do not say what its file system allows.
            Err(error) if error.kind() == io::ErrorKind::NotFound => fs::File::create_new(path)
                .and_then(|_| fs::remove_file(path))
                .map_err(|error| unwritable(error.to_string())),
            Err(error) => Err(unwritable(error.to_string())),
        }
    }

    /// Begins a recording.
    ///
    /// # Errors
    /// As [`Writer::check`], or when the file cannot be made.
    pub fn create(
        path: &Path,
        description: &Description,
        existing: Existing,
    ) -> Result<Self, RecordingError> {
        Self::check(path, existing)?;
        let unwritable =
            |why: String| RecordingError::Unwritable { path: path.to_owned(), why };
        let absolute = std::path::absolute(path).map_err(|error| unwritable(error.to_string()))?;
        // A journal left by a killed watch would be played back into the new file.
        for old in [absolute.clone(), header::journal(&absolute)] {
            match fs::remove_file(&old) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(unwritable(error.to_string()));
                }
                _ => {}
            }
        }
        begin(&absolute, description)
            .map(|connection| Self {
                path: path.to_owned(),
                connection,
                state: State {
                    namespaces: HashMap::new(),
                    losses: None,
                    coarsener: Coarsener::default(),
                    interval: 0,
                    last_us: 0,
                },
            })
            .map_err(|error| {
                // Nothing was recorded yet, so nothing may stay.
                let _ = fs::remove_file(&absolute);
                unwritable(error.to_string())
            })
    }

    /// Writes the interval that ends with this sample.
    ///
    /// # Errors
    /// When the file system refuses. The intervals before stay whole.
    pub fn write(&mut self, sample: &Sample) -> Result<(), RecordingError> {
        self.transaction(sample, false)
    }

    /// Writes the last interval, and marks the recording as complete.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn finish(mut self, sample: &Sample) -> Result<(), RecordingError> {
        self.transaction(sample, true)?;
        let Self { path, connection, state: _ } = self;
        connection.close().map_err(|(_, source)| RecordingError::Write { path, source })
    }

    fn transaction(&mut self, sample: &Sample, last: bool) -> Result<(), RecordingError> {
        let Self { path, connection, state } = self;
        let mut write = || {
            let transaction = connection.transaction()?;
            state.interval(&transaction, sample)?;
            if last {
                transaction.execute("UPDATE meta SET value = 1 WHERE key = 'complete'", [])?;
            }
            transaction.commit()
        };
        write().map_err(|source| RecordingError::Write { path: path.clone(), source })
    }
}

/// Makes the file with its tables.
fn begin(path: &Path, description: &Description) -> rusqlite::Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.execute_batch(schema::WRITE)?;
    connection.pragma_update(None, "synchronous", schema::SYNCHRONOUS)?;
    connection.pragma_update(None, "application_id", schema::APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", schema::VERSION)?;
    connection.set_prepared_statement_cache_capacity(32);
    let transaction = connection.transaction()?;
    transaction.execute_batch(schema::TABLES)?;
    let description = serde_json::to_string(description)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let mut insert = transaction.prepare("INSERT INTO meta (key, value) VALUES (?1, ?2)")?;
    insert.execute(params!["description", description])?;
    insert.execute(params!["complete", 0])?;
    drop(insert);
    let mut insert = transaction.prepare("INSERT INTO counter (number, name) VALUES (?1, ?2)")?;
    for (number, name) in counters::names() {
        insert.execute(params![number as i64, name])?;
    }
    drop(insert);
    transaction.commit()?;
    Ok(connection)
}

impl State {
    fn interval(&mut self, tx: &Transaction<'_>, sample: &Sample) -> rusqlite::Result<()> {
        let now_us = micros(sample.at).max(self.last_us);
        tx.prepare_cached(
            "INSERT INTO interval (id, level, started_us, ended_us) VALUES (?1, 0, ?2, ?3)",
        )?
        .execute(params![self.interval, self.last_us, now_us])?;
        for namespace in &sample.namespaces {
            self.namespace(tx, namespace, now_us)?;
        }
        self.losses(tx, &sample.losses)?;
        self.coarsener.run(tx, now_us)?;
        self.interval += 1;
        self.last_us = now_us;
        Ok(())
    }

    fn namespace(
        &mut self,
        tx: &Transaction<'_>,
        sample: &NamespaceSample,
        now_us: i64,
    ) -> rusqlite::Result<()> {
        let known = match self.namespaces.entry(sample.inum) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => new.insert(Known::new(tx, sample)?),
        };
        known.totals(tx, sample)?;
        known.sample(tx, self.interval, sample)?;
        for (id, histogram) in &sample.histograms {
            known.histogram(tx, self.interval, *id, histogram)?;
        }
        known.sysctls(tx, &sample.sysctls, now_us)?;
        if let Some(ports) = &sample.ports {
            known.ports(tx, ports)?;
        }
        Ok(())
    }

    fn losses(&mut self, tx: &Transaction<'_>, losses: &Losses) -> rusqlite::Result<()> {
        if self.losses.as_ref() == Some(losses) {
            return Ok(());
        }
        let mut replace = tx.prepare_cached("REPLACE INTO loss (name, count) VALUES (?1, ?2)")?;
        for loss in Loss::ALL {
            replace.execute(params![loss.name(), losses.count[loss.id()].cast_signed()])?;
        }
        self.losses = Some(*losses);
        Ok(())
    }
}

impl Known {
    fn new(tx: &Transaction<'_>, sample: &NamespaceSample) -> rusqlite::Result<Self> {
        tx.execute(
            "INSERT INTO namespace (inum, name, live_at_start, live, counters)
             VALUES (?1, ?2, ?3, ?4, x'')",
            params![
                sample.inum,
                sample.name,
                sample.live_at_start.cast_signed(),
                sample.live.cast_signed()
            ],
        )?;
        Ok(Self {
            id: tx.last_insert_rowid(),
            name: sample.name.clone(),
            live: sample.live,
            counters: Box::new(Counters::ZERO),
            histograms: HashMap::new(),
            sysctls: BTreeMap::new(),
        })
    }

    fn totals(&mut self, tx: &Transaction<'_>, sample: &NamespaceSample) -> rusqlite::Result<()> {
        if self.live == sample.live
            && self.name == sample.name
            && *self.counters == *sample.counters
        {
            return Ok(());
        }
        tx.prepare_cached("UPDATE namespace SET name = ?2, live = ?3, counters = ?4 WHERE id = ?1")?
            .execute(params![
                self.id,
                sample.name,
                sample.live.cast_signed(),
                counters::encode(&sample.counters)
            ])?;
        self.name.clone_from(&sample.name);
        self.live = sample.live;
        Ok(())
    }

    fn sample(
        &mut self,
        tx: &Transaction<'_>,
        interval: i64,
        sample: &NamespaceSample,
    ) -> rusqlite::Result<()> {
        let difference = counters::difference(&sample.counters, &self.counters);
        self.counters.clone_from(&sample.counters);
        let count = sample.table.map(|table| table.count.cast_signed());
        tx.prepare_cached(
            "INSERT INTO sample (interval, namespace, counters, samples, count_sum, count_min,
                                 count_max, max, buckets)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8)",
        )?
        .execute(params![
            interval,
            self.id,
            counters::encode(&difference),
            i64::from(count.is_some()),
            count.unwrap_or(0),
            count,
            sample.table.map(|table| table.max.cast_signed()),
            sample.table.map(|table| table.buckets.cast_signed()),
        ])?;
        Ok(())
    }

    fn histogram(
        &mut self,
        tx: &Transaction<'_>,
        interval: i64,
        id: HistogramId,
        shown: &tracker_common::layout::Histogram,
    ) -> rusqlite::Result<()> {
        let series = match self.histograms.entry(id) {
            std::collections::hash_map::Entry::Occupied(series) => series.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => {
                new.insert(Series { id: new_series(tx, self.id, id)?, total: Distribution::default() })
            }
        };
        if matches!(id, HistogramId::MaxGap(_)) {
            let now = Distribution::of(shown);
            if now == series.total {
                return Ok(());
            }
            series.total = now;
        } else {
            let added = series.total.advance(shown);
            if added.is_empty() {
                return Ok(());
            }
            tx.prepare_cached(
                "INSERT INTO histogram (interval, series, difference, sum_us, max_us)
                 VALUES (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute(params![
                interval,
                series.id,
                blob::encode(&added),
                added.sum_us.cast_signed(),
                added.max_us.cast_signed()
            ])?;
        }
        tx.prepare_cached("UPDATE series SET total = ?2, sum_us = ?3, max_us = ?4 WHERE id = ?1")?
            .execute(params![
                series.id,
                blob::encode(&series.total),
                series.total.sum_us.cast_signed(),
                series.total.max_us.cast_signed()
            ])?;
        Ok(())
    }

    fn sysctls(
        &mut self,
        tx: &Transaction<'_>,
        values: &BTreeMap<String, u64>,
        now_us: i64,
    ) -> rusqlite::Result<()> {
        for (name, &value) in values {
            if self.sysctls.get(name) != Some(&value) {
                tx.prepare_cached(
                    "REPLACE INTO sysctl (namespace, name, at_us, value) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![self.id, name, now_us, value.cast_signed()])?;
                self.sysctls.insert(name.clone(), value);
            }
        }
        Ok(())
    }

    fn ports(&self, tx: &Transaction<'_>, ports: &[(PortKey, PortUse)]) -> rusqlite::Result<()> {
        let mut replace = tx.prepare_cached(
            "REPLACE INTO port (namespace, proto, port, inserts, deaths, entry_us)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for (key, shown) in ports {
            let proto = Proto::from_id(key.proto as usize).unwrap_or(Proto::Other);
            replace.execute(params![
                self.id,
                proto.name(),
                key.port,
                shown.inserts.cast_signed(),
                shown.deaths.cast_signed(),
                shown.entry_us.cast_signed()
            ])?;
        }
        Ok(())
    }
}

fn new_series(tx: &Transaction<'_>, namespace: i64, id: HistogramId) -> rusqlite::Result<i64> {
    let (kind, name) = schema::series_name(id);
    tx.execute(
        "INSERT INTO series (namespace, kind, name, total, sum_us, max_us)
         VALUES (?1, ?2, ?3, x'', 0, 0)",
        params![namespace, kind, name],
    )?;
    Ok(tx.last_insert_rowid())
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
