//! Going back, from whatever is found.

use super::{ApplyError, Change, Id, Place, Store};
use crate::kernel::{Root, netns};

/// What became of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restored {
    /// It has its old value again.
    Done,
    /// It had its old value already.
    Already,
    /// Somebody has set it to this meanwhile, and it stays so.
    Changed(u64),
    /// Its namespace, or conntrack in it, is gone, and its values with it.
    Gone,
    /// Its namespace is not to be seen from here, which does not tell whether it is gone.
    Unseen,
    /// Its namespace's number is another one's by now, which is called so, and whose value stays as it is.
    Stranger(String),
    /// It was of another boot: live values do not outlast one.
    Rebooted,
}

/// What became of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Of each setting, in the order in which they were applied.
    pub changes: Vec<(Change, Restored)>,
    /// Of the file that sets values at boot: true if it is as it was before.
    pub own_file: Option<bool>,
    /// Why the file that remembers old values could not be brought up to date, in a sentence.
    pub stale: Option<String>,
}

impl Outcome {
    /// Settings that somebody else has changed, with their values now.
    pub fn conflicts(&self) -> impl Iterator<Item = (&Change, u64)> {
        self.changes.iter().filter_map(|(change, it)| match it {
            Restored::Changed(now) => Some((change, *now)),
            _ => None,
        })
    }

    /// Settings that are still to be restored.
    fn left(&self) -> impl Iterator<Item = &Change> {
        let is_left = |it: &Restored| {
            matches!(
                it,
                Restored::Changed(_) | Restored::Unseen | Restored::Stranger(_)
            )
        };
        self.changes
            .iter()
            .filter(move |(_, it)| is_left(it))
            .map(|(change, _)| change)
    }

    /// Nothing is left to go back to.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.is_restored() && self.stale.is_none()
    }

    fn is_restored(&self) -> bool {
        self.left().next().is_none() && self.own_file != Some(false)
    }
}

/// Gives every setting its old value that still has the one that was written, or all of them with
/// `force`. What could not be undone stays remembered. `None` if no plan is applied.
///
/// # Errors
/// [`ApplyError`]; what could be restored is, and nothing is forgotten.
pub fn roll_back(root: &Root, store: &Store, force: bool) -> Result<Option<Outcome>, ApplyError> {
    let Some(mut state) = store.load()? else {
        return Ok(None);
    };
    store.is_ours(root, &state)?;
    let mut outcome = Outcome::default();
    let mut failed = None;
    let is_live = state.is_of_this_boot(root)?;
    for change in state.changes.iter().rev() {
        // The file has set the values of its namespace anew.
        let is_set = is_live || state.own_file.is_some() && change.place.is_host();
        let place = if is_live {
            Some(change.place.clone())
        } else {
            // Its number may be another one since.
            Place::host(root)
        };
        let restored = match is_set.then(|| restore(root, place.as_ref(), change, force)) {
            None => Restored::Rebooted,
            Some(Ok(restored)) => restored,
            Some(Err(error)) => {
                failed.get_or_insert(error);
                continue;
            }
        };
        outcome.changes.push((change.clone(), restored));
    }
    outcome.changes.reverse();
    if let Some(own) = &state.own_file {
        match own.restore(root, force) {
            Ok(done) => outcome.own_file = Some(done),
            Err(error) => {
                failed.get_or_insert(error);
            }
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    let kept = if outcome.is_restored() {
        store.remove()
    } else {
        // The file stays remembered, too: by it is known what was set again at boot. What is left is not
        // what a guard waits for.
        state.id = Id::new();
        state.changes = outcome.left().cloned().collect();
        store.save(&state)
    };
    // The values are back, whatever becomes of the file: a next time finds nothing more to do.
    outcome.stale = kept.err().map(|error| error.to_string());
    Ok(Some(outcome))
}

/// Keeps what was applied for good: the old values are forgotten. False if no plan is applied.
///
/// # Errors
/// [`ApplyError`].
pub fn forget(root: &Root, store: &Store) -> Result<bool, ApplyError> {
    let Some(state) = store.load()? else {
        return Ok(false);
    };
    store.is_ours(root, &state)?;
    store.remove()?;
    Ok(true)
}

/// Gives a setting of this place its old value, unless somebody else has changed it, or the place is another one.
pub fn restore(
    root: &Root,
    place: Option<&Place>,
    change: &Change,
    force: bool,
) -> Result<Restored, ApplyError> {
    let Some(place) = place else {
        return Ok(Restored::Unseen);
    };
    if let Some(name) = place.stranger(root).filter(|_| !force) {
        return Ok(Restored::Stranger(name));
    }
    let now = match place.read(root, change.name) {
        Err(ApplyError::Gone { .. }) if !netns::sees_all(root) => return Ok(Restored::Unseen),
        Err(ApplyError::Gone { .. } | ApplyError::Missing { .. }) => return Ok(Restored::Gone),
        now => now?,
    };
    if now == change.before {
        return Ok(Restored::Already);
    }
    if now != change.after && !force {
        return Ok(Restored::Changed(now));
    }
    place.write(root, change.name, change.before)?;
    Ok(Restored::Done)
}
