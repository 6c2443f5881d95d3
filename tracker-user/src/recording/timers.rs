//! What of a recording is read only when it is asked for: gaps of single intervals, of which a day
//! has tens of thousands of histograms.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, params};
use tracker_common::{Timer, layout::HistogramId};

use super::{Distribution, Recording, blob, schema};

/// Resumed gaps that ended in one interval, under one timer in one namespace.
#[derive(Clone, Debug)]
pub struct GapSpan {
    /// Index into [`Recording::namespaces`].
    pub namespace: usize,
    /// The timer.
    pub timer: Timer,
    /// Beginning of the interval.
    pub started: Duration,
    /// Its end.
    pub ended: Duration,
    /// Length of all of them together.
    pub sum: Duration,
    /// Each of them, if one is longer than the interval.
    pub gaps: Option<Distribution>,
}

/// An open recording.
#[derive(Clone, Debug)]
pub struct Rest(Arc<Mutex<Connection>>);

impl Rest {
    /// Ends the transaction of the reader, so that a watch that goes on can write.
    pub fn of(connection: Connection) -> rusqlite::Result<Self> {
        connection.execute_batch("COMMIT;")?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }
}

impl Recording {
    /// Resumed gaps under a timer, of all namespaces, of the intervals in which one was longer than `micros`, by the
    /// beginning of the interval in which they ended.
    ///
    /// # Errors
    /// When the file cannot be read any more, with SQLite's word for it.
    pub fn gaps_beyond(
        &self,
        timer: Timer,
        micros: u64,
    ) -> Result<Vec<(Duration, Distribution)>, String> {
        let connection = self.rest.0.lock().unwrap_or_else(PoisonError::into_inner);
        read(&connection, timer, micros).map_err(|error| error.to_string())
    }
}

impl Recording {
    /// Resumed gaps by interval, timer and namespace.
    ///
    /// # Errors
    /// As [`Self::gaps_beyond`].
    pub fn gap_spans(&self) -> Result<Vec<GapSpan>, String> {
        let connection = self.rest.0.lock().unwrap_or_else(PoisonError::into_inner);
        spans(&connection).map_err(|error| error.to_string())
    }
}

fn spans(connection: &Connection) -> rusqlite::Result<Vec<GapSpan>> {
    let mut select = connection.prepare_cached(
        "SELECT (SELECT count(*) FROM namespace WHERE id < series.namespace), name,
                started_us, ended_us, histogram.sum_us, histogram.max_us, difference
         FROM histogram JOIN series ON series = series.id JOIN interval ON interval = interval.id
         WHERE kind = ?1",
    )?;
    let (kind, _) = schema::series_name(HistogramId::Gap(Timer::Unknown));
    let mut rows = select.query([kind])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let name: String = row.get(1)?;
        // One that this version does not know.
        let Some(timer) = Timer::from_name(&name) else {
            continue;
        };
        let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
        let (started, ended) = (number(2)?, number(3)?);
        let (sum, max) = (number(4)?, number(5)?);
        let is_long = max > ended.saturating_sub(started);
        let gaps = if is_long {
            let bytes = row.get_ref(6)?.as_blob()?;
            let gaps = blob::decode(bytes, sum, max);
            Some(gaps.ok_or_else(|| schema::damaged("gaps of an interval that are no histogram"))?)
        } else {
            None
        };
        found.push(GapSpan {
            namespace: row.get::<_, u32>(0)? as usize,
            timer,
            started: Duration::from_micros(started),
            ended: Duration::from_micros(ended),
            sum: Duration::from_micros(sum),
            gaps,
        });
    }
    Ok(found)
}

fn read(
    connection: &Connection,
    timer: Timer,
    micros: u64,
) -> rusqlite::Result<Vec<(Duration, Distribution)>> {
    // What has no gap that is long enough is not even unpacked.
    let mut select = connection.prepare_cached(
        "SELECT started_us, difference, histogram.sum_us, histogram.max_us
         FROM series JOIN histogram ON series = series.id JOIN interval ON interval = interval.id
         WHERE kind = ?1 AND name = ?2 AND histogram.max_us > ?3",
    )?;
    let (kind, name) = schema::series_name(HistogramId::Gap(timer));
    let mut rows = select.query(params![kind, name, micros.cast_signed()])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let (started, sum, max): (i64, i64, i64) = (row.get(0)?, row.get(2)?, row.get(3)?);
        let bytes = row.get_ref(1)?.as_blob()?;
        let gaps = blob::decode(bytes, sum.cast_unsigned(), max.cast_unsigned())
            .ok_or_else(|| schema::damaged("gaps of an interval that are no histogram"))?;
        let started = Duration::from_micros(started.cast_unsigned());
        found.push((started, gaps));
    }
    Ok(found)
}
