//! Writing: the old values first, then the new ones, all or none.

use super::{ApplyError, Change, OwnFile, Remembered, Store, rollback::roll_back};
use crate::kernel::Root;

/// Remembers the old values on the disk, then writes the new ones, each read back. If one fails, all are
/// put back. Nothing is written before it is seen that everything may be.
///
/// # Errors
/// [`ApplyError`]; but for [`ApplyError::Stuck`], the values are then what they were.
pub fn apply(root: &Root, store: &Store, changes: Vec<Change>) -> Result<(), ApplyError> {
    if let Some(old) = store.load()? {
        super::rollback::is_ours(root, store, &old)?;
        // Live values of another boot are gone, and there is no way back to the ones before them.
        if old.is_of_this_boot(root)? || old.own_file.is_some() {
            let path = store.path().to_owned();
            return Err(ApplyError::Applied { path });
        }
    }
    for change in &changes {
        change.place.check(root, change.name)?;
        if change.place.read(root, change.name)? != change.before {
            return Err(ApplyError::Moved(change.name));
        }
    }
    let state = Remembered::now(root, changes)?;
    if let Err(error) = store.save(&state) {
        // It may be there in spite of the error. Nothing has been changed, so it is not needed.
        let _ = store.remove();
        return Err(error);
    }
    let mut written = state.changes.iter();
    match written.try_for_each(|it| it.place.write(root, it.name, it.after)) {
        Ok(()) => Ok(()),
        Err(cause) => Err(undone(root, store, cause)),
    }
}

/// Has the applied values set at boot, too. If that fails, nothing stays of it, nor of the live values
/// if they are to go as well.
///
/// # Errors
/// As [`apply`].
pub fn persist(root: &Root, store: &Store, on_failure: OnFailure) -> Result<(), ApplyError> {
    let Some(mut state) = store.load()? else {
        return Ok(());
    };
    let Some(own) = OwnFile::of(root, &state.changes)? else {
        return Ok(());
    };
    state.own_file = Some(own.clone());
    let done = store.save(&state).and_then(|()| own.write(root));
    match (done, on_failure) {
        (Ok(()), _) => Ok(()),
        (Err(cause), OnFailure::UndoAll) => Err(undone(root, store, cause)),
        (Err(cause), OnFailure::KeepLive) => {
            let _ = own.restore(root, true);
            state.own_file = None;
            store.save(&state)?;
            Err(cause)
        }
    }
}

/// What becomes of the live values when the file cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// They go back.
    UndoAll,
    /// They stay: they have proven good.
    KeepLive,
}

fn undone(root: &Root, store: &Store, cause: ApplyError) -> ApplyError {
    let cause = Box::new(cause);
    // What was written a moment ago is nobody else's, even if the kernel made something else of it.
    match roll_back(root, store, true) {
        Ok(_) => ApplyError::Undone { cause },
        Err(undo) => ApplyError::Stuck {
            cause,
            undo: Box::new(undo),
            path: store.path().to_owned(),
        },
    }
}
