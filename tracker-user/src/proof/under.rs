//! A scenario under a plan's settings.

use super::ProofError;
use crate::{
    analysis::advice::file::PlannedSetting, lab::scenario::Scenario, settings::Assignment,
};

/// The scenario under these settings.
///
/// # Errors
/// When a value cannot be set.
pub fn under(settings: &[PlannedSetting], scenario: &Scenario) -> Result<Scenario, ProofError> {
    let mut changed = scenario.clone();
    for it in settings {
        changed.change(assignment(it))?;
    }
    Ok(changed)
}

/// What is to be set.
pub fn assignment(setting: &PlannedSetting) -> Assignment {
    Assignment {
        name: setting.name,
        value: setting.recommended,
    }
}
