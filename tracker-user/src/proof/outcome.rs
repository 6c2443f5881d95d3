//! What a proof comes to.

use serde::{Deserialize, Serialize};

use super::Proof;

/// By how much the traffic of a play may differ from what was recorded, as a share of it, and still
/// stand for it.
const LIKE: f64 = 0.2;
/// The same in entries, for tables that hold few.
const FEW: f64 = 10.0;

/// In a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All that the plan changes came as it says.
    Holds,
    /// What was tested did; something was not, or not with traffic like that of the recording.
    Partly,
    /// Something came otherwise.
    Fails,
    /// Nothing that the plan changes can be tested.
    Nothing,
}

/// The entry count that was recorded beside that of the play under the same settings.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct Likeness {
    /// Mean of the recording, as much of it as is played.
    pub recorded: f64,
    /// Mean of the play.
    pub played: f64,
}

impl Likeness {
    /// The play stands for the recording.
    #[must_use]
    pub fn is_near(&self) -> bool {
        (self.played - self.recorded).abs() <= f64::max(LIKE * self.recorded, FEW)
    }
}

impl Proof {
    /// In a word.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let is_like = self.likeness.is_none_or(|it| it.is_near());
        match self.holds {
            None => Outcome::Nothing,
            Some(false) => Outcome::Fails,
            Some(true) if self.untested.is_empty() && is_like => Outcome::Holds,
            Some(true) => Outcome::Partly,
        }
    }
}
