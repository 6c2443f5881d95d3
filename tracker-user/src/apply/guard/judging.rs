//! That a guard still judges what is applied: it holds a lock of the file that remembers the old values, which the
//! kernel lets go of with its process, in whatever way that ends.

use std::{
    fs::{File, TryLockError},
    io,
};

use crate::apply::{ApplyError, Store};

/// As long as this is there, nobody else has the values set at boot.
#[derive(Debug)]
pub struct Judging(#[expect(dead_code, reason = "it is the lock")] File);

impl Judging {
    /// From now on, for what a store remembers.
    ///
    /// # Errors
    /// When the file cannot be opened, or is locked.
    pub fn begin(store: &Store) -> Result<Self, ApplyError> {
        let begun = || {
            let file = File::open(store.path())?;
            file.try_lock()?;
            Ok(Self(file))
        };
        begun().map_err(|source| failed(store, source))
    }

    /// Fails if a guard judges what a store remembers.
    ///
    /// # Errors
    /// [`ApplyError::Judged`], or when it cannot be told.
    pub fn is_over(store: &Store) -> Result<(), ApplyError> {
        let file = match File::open(store.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            file => file.map_err(|source| failed(store, source))?,
        };
        match file.try_lock() {
            Ok(()) => Ok(()),
            Err(TryLockError::WouldBlock) => Err(ApplyError::Judged),
            Err(TryLockError::Error(source)) => Err(failed(store, source)),
        }
    }
}

fn failed(store: &Store, source: io::Error) -> ApplyError {
    ApplyError::State {
        path: store.path().to_owned(),
        source,
    }
}
