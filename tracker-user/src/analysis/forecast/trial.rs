//! A setting that is tried, and where.

use crate::{
    analysis::advice::Action,
    settings::{Assignment, Name},
};

/// A value for a setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trial {
    /// What is set.
    pub name: Name,
    /// To what; timers in seconds.
    pub value: u64,
    /// Where: `None` is everywhere. A value that is lowered stays where it is lower already, and one that is raised
    /// where it is higher.
    pub only: Option<Action>,
}

impl Trial {
    /// What becomes of the value that a namespace has.
    #[must_use]
    pub fn of(self, current: u64) -> u64 {
        match self.only {
            None => self.value,
            Some(Action::Lower) => self.value.min(current),
            Some(Action::Raise) => self.value.max(current),
            Some(Action::Keep) => current,
        }
    }

    /// What these make of a setting that a namespace has.
    pub(super) fn all(trials: &[Self], name: Name, current: u64) -> u64 {
        let trial = trials.iter().find(|it| it.name == name);
        trial.map_or(current, |it| it.of(current))
    }
}

impl From<Assignment> for Trial {
    fn from(it: Assignment) -> Self {
        Self {
            name: it.name,
            value: it.value,
            only: None,
        }
    }
}
