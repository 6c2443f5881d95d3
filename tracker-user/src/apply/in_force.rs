//! Whether what was written is still there.

use super::{ApplyError, Change};
use crate::kernel::Root;

/// A value that is not the one that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// What was written.
    pub change: Change,
    /// What it is now; `None` if its namespace, or conntrack in it, is gone.
    pub now: Option<u64>,
}

/// Nothing that was written is there any more.
#[must_use]
pub fn is_undone(root: &Root, changes: &[Change]) -> bool {
    let is_there = |it: &Change| match it.place.read(root, it.name) {
        Ok(now) => now == it.after,
        Err(ApplyError::Gone { .. } | ApplyError::Missing { .. }) => false,
        // Whether it is cannot be told.
        Err(_) => true,
    };
    !changes.iter().any(is_there)
}

/// Those of the changes whose value is another one by now.
///
/// # Errors
/// When one cannot be read though it is there.
pub fn drifted(root: &Root, changes: &[Change]) -> Result<Vec<Drift>, ApplyError> {
    let mut drifted = Vec::new();
    for change in changes {
        let is_gone = change.place.stranger(root).is_some();
        let now = match change.place.read(root, change.name) {
            _ if is_gone => None,
            Err(ApplyError::Gone { .. } | ApplyError::Missing { .. }) => None,
            now => Some(now?),
        };
        if now != Some(change.after) {
            drifted.push(Drift {
                change: change.clone(),
                now,
            });
        }
    }
    Ok(drifted)
}
