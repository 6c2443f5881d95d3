//! Writes a recording, one transaction an interval.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, Transaction, params};
use tracker_common::{Loss, layout::Losses};

use super::{RecordingError, coarsen::Coarsener, counters, header, known::Known, schema};
use crate::source::{Description, Sample};

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
    /// By their places in the samples.
    namespaces: Vec<Known>,
    losses: Option<Losses>,
    coarsener: Coarsener,
    interval: i64,
    last_us: i64,
}

impl Writer {
    /// Whether a recording can be made at `path`. Leaves nothing there: ask before a watch begins.
    ///
    /// # Errors
    /// When the file exists and shall not be replaced, or its folder cannot be written.
    pub fn check(path: &Path, existing: Existing) -> Result<(), RecordingError> {
        let unwritable = |why: String| RecordingError::Unwritable {
            path: path.to_owned(),
            why,
        };
        match fs::symlink_metadata(path) {
            Ok(found) if !found.is_file() => {
                Err(unwritable("it is there, and no regular file".to_owned()))
            }
            Ok(_) if existing == Existing::Refuse => Err(RecordingError::Exists {
                path: path.to_owned(),
            }),
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
        let unwritable = |why: String| RecordingError::Unwritable {
            path: path.to_owned(),
            why,
        };
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
                    namespaces: Vec::new(),
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
    /// When the file system refuses. The intervals before stay whole, and nothing can be written
    /// after: drop the writer.
    pub fn write(&mut self, sample: &Sample) -> Result<(), RecordingError> {
        self.transaction(sample, false)
    }

    /// Writes the last interval, and marks the recording as complete.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub fn finish(mut self, sample: &Sample) -> Result<(), RecordingError> {
        self.transaction(sample, true)?;
        let Self {
            path,
            connection,
            state: _,
        } = self;
        connection
            .close()
            .map_err(|(_, source)| RecordingError::Write { path, source })
    }

    fn transaction(&mut self, sample: &Sample, last: bool) -> Result<(), RecordingError> {
        let Self {
            path,
            connection,
            state,
        } = self;
        let mut write = || {
            let transaction = connection.transaction()?;
            state.interval(&transaction, sample)?;
            if last {
                transaction.execute("UPDATE meta SET value = 1 WHERE key = 'complete'", [])?;
            }
            transaction.commit()
        };
        write().map_err(|source| RecordingError::Write {
            path: path.clone(),
            source,
        })
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
        for (place, namespace) in sample.namespaces.iter().enumerate() {
            if place == self.namespaces.len() {
                self.namespaces.push(Known::new(tx, namespace)?);
            }
            self.namespaces[place].interval(tx, self.interval, namespace, now_us)?;
        }
        self.losses(tx, &sample.losses)?;
        self.coarsener.run(tx, now_us)?;
        self.interval += 1;
        self.last_us = now_us;
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

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use tracker_common::Proto;

    use crate::{
        recording::synthetic::{Space, Synthetic},
        source::Source as _,
    };

    #[test]
    fn a_namespace_may_have_the_number_of_one_that_has_gone() {
        let mut source = Synthetic::new();
        source.host().insert(Proto::Udp, 2);
        let first = source.sample().unwrap();
        let inum = source.host().inum;
        source.host().table = None;
        source.namespaces.push(Space::new(inum, "another"));
        source.namespaces[1].insert(Proto::Udp, 5);
        let second = source.sample().unwrap();
        let read = source.recorded(&[first, second]);
        let seen = read.namespaces.iter();
        let seen: Vec<_> = seen
            .map(|it| (it.inum, it.name.as_str(), it.counters.inserted()))
            .collect();
        let name = source.namespaces[0].name.as_str();
        assert_eq!(seen, [(inum, name, 2), (inum, "another", 5)]);
    }
}
