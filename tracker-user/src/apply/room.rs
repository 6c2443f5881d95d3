//! Whether the table is to be smaller than what is in it.

use super::{ApplyError, Change, Place};
use crate::{
    kernel::{Root, netns},
    settings::Name,
};

/// Fails if a namespace has as many entries as the table is to hold from now on. They keep the timeouts
/// that they have, so lower timers make no room for new ones at once.
///
/// # Errors
/// [`ApplyError::Crowded`].
pub fn check(root: &Root, changes: &[Change]) -> Result<(), ApplyError> {
    let is_lowered = |it: &&Change| {
        it.name == Name::Max && it.after != 0 && (it.before == 0 || it.after < it.before)
    };
    let Some(max) = changes.iter().find(is_lowered).map(|it| it.after) else {
        return Ok(());
    };
    for known in netns::list(root) {
        let place = Place::from(&known);
        // What cannot be entered, or is gone by now, is not the plan's.
        let Ok(entries) = place.entries(root) else {
            continue;
        };
        if entries >= max {
            return Err(ApplyError::Crowded {
                place: place.name,
                entries,
                max,
            });
        }
    }
    Ok(())
}
