//! Writing: the old values first, then the new ones, all or none.

use std::collections::BTreeMap;

use super::{
    ApplyError, Change, Id, OwnFile, Remembered, Store,
    rollback::{self, Restored},
    room,
};
use crate::{kernel::Root, settings::Name};

/// Remembers the old values on the disk, then writes the new ones, each read back. If one fails, all are
/// put back. Nothing is written before it is seen that everything may be. Gives what is remembered.
///
/// # Errors
/// [`ApplyError`]; but for [`ApplyError::Stuck`], the values are then what they were.
pub fn apply(
    root: &Root,
    store: &Store,
    changes: Vec<Change>,
    id: Id,
) -> Result<Remembered, ApplyError> {
    if store.applied(root)?.is_some() {
        let path = store.path().to_owned();
        return Err(ApplyError::Applied { path });
    }
    room::check(root, &changes)?;
    for change in &changes {
        change.place.check(root, change.name)?;
        if change.place.read(root, change.name)? != change.before {
            return Err(ApplyError::Moved(change.name));
        }
    }
    let recognizable = changes.into_iter().map(|it| Change {
        place: it.place.with_cookie(root),
        ..it
    });
    let state = Remembered::now(root, id, recognizable.collect())?;
    if let Err(error) = store.save(&state) {
        // It may be there in spite of the error. Nothing has been changed, so it is not needed.
        let _ = store.remove();
        return Err(error);
    }
    for (at, change) in state.changes.iter().enumerate() {
        if let Err(cause) = change.place.write(root, change.name, change.after) {
            return Err(undone(root, store, &state, Some(at), cause));
        }
    }
    Ok(state)
}

/// Has values set at boot, too, beside what is applied.
///
/// # Errors
/// As [`apply`]. Nothing stays of the file then.
pub fn persist(
    root: &Root,
    store: &Store,
    wanted: &BTreeMap<Name, u64>,
    on_failure: OnFailure,
) -> Result<(), ApplyError> {
    let Some(before) = store.load()? else {
        return Ok(());
    };
    let done = write_own_file(root, store, &before, wanted);
    match (done, on_failure) {
        (Ok(()), _) => Ok(()),
        (Err(cause), OnFailure::UndoAll) => {
            // The file is in it unless it is as it was.
            let state = store.load().ok().flatten().unwrap_or(before);
            Err(undone(root, store, &state, None, cause))
        }
        (Err(cause), OnFailure::KeepLive) => Err(cause),
    }
}

/// With what was in it remembered first. If it fails, both are what they were.
fn write_own_file(
    root: &Root,
    store: &Store,
    before: &Remembered,
    wanted: &BTreeMap<Name, u64>,
) -> Result<(), ApplyError> {
    let Some(own) = OwnFile::of(root, wanted)? else {
        return Ok(());
    };
    let state = Remembered {
        own_file: Some(own.clone().since(root, before.own_file.as_ref())?),
        ..before.clone()
    };
    let done = store.save(&state).and_then(|()| own.write(root));
    if let Err(cause) = done {
        own.restore(root, false)?;
        store.save(before)?;
        return Err(cause);
    }
    Ok(())
}

/// What becomes of the live values when the file cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// They go back.
    UndoAll,
    /// They stay: they have proven good.
    KeepLive,
}

/// Puts back what was written until a moment ago; `failed` is the change whose value did not come to be.
fn undone(
    root: &Root,
    store: &Store,
    state: &Remembered,
    failed: Option<usize>,
    cause: ApplyError,
) -> ApplyError {
    let cause = Box::new(cause);
    match undo(root, store, state, failed) {
        Ok(()) => ApplyError::Undone { cause },
        Err(undo) => ApplyError::Stuck {
            cause,
            undo: Box::new(undo),
            path: store.path().to_owned(),
        },
    }
}

fn undo(
    root: &Root,
    store: &Store,
    state: &Remembered,
    failed: Option<usize>,
) -> Result<(), ApplyError> {
    for (at, change) in state.changes.iter().enumerate().rev() {
        // What the kernel made of the one that failed is nobody's. Whatever else is neither the old value
        // nor the new one has been set by somebody else since, and is not this program's to undo.
        let place = Some(&change.place);
        let restored = rollback::restore(root, place, change, failed == Some(at))?;
        let name = change.name;
        match restored {
            Restored::Changed(now) => {
                log::warn!("{name} has been set to {now} by somebody else meanwhile, and stays so");
            }
            Restored::Stranger(now) => {
                let was = &change.place.name;
                log::warn!("{name} of {was} stays: its namespace is called {now} by now");
            }
            _ => {}
        }
    }
    if let Some(own) = &state.own_file {
        own.restore(root, false)?;
    }
    store.remove()
}
