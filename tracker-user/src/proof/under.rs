//! A scenario under a plan's settings.

use super::ProofError;
use crate::{
    analysis::advice::{Action, file::PlannedSetting},
    lab::scenario::{Scenario, Timeouts},
    settings::{Assignment, Name},
};

/// The scenario under these settings. Timers that no packet of a scenario arms stay as they are, and
/// so does a table without limit.
///
/// # Errors
/// When a value cannot be set.
pub fn under(settings: &[PlannedSetting], scenario: &Scenario) -> Result<Scenario, ProofError> {
    let mut changed = scenario.clone();
    for it in settings.iter().filter(|it| it.action != Action::Keep) {
        let is_played = match it.name {
            Name::Timer(timer) => Timeouts::default().has(timer),
            Name::Max | Name::Buckets => it.recommended > 0,
        };
        if is_played {
            changed.change(Assignment {
                name: it.name,
                value: it.recommended,
            })?;
        }
    }
    Ok(changed)
}
