//! A plan that was written to a file: read back, and judged before anyone relies on it.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Deserializer, de::Error as _};

use super::{Action, Basis, Evidence, Guard, Origin, Place, Plan, Policy, Predicted, TablePlan};
use crate::settings::{Assignment, AssignmentError, Name};

/// A plan as `tracker recommend --format json` writes it. Fields that this tracker does not know are
/// passed over.
#[derive(Clone, Debug, Deserialize)]
pub struct PlanFile {
    /// Policy that it follows.
    pub policy: Policy,
    /// Share of connections that a lower timer may cut.
    pub max_harm: f64,
    /// The machine that was watched.
    pub machine: Origin,
    /// Its kernel, as `uname -r` says.
    pub kernel: String,
    /// `all`, or the namespace that was named for the watch.
    pub scope: String,
    /// Namespaces in which timers are to be set.
    pub namespaces: Vec<Place>,
    /// What it rests on.
    pub observed: Basis,
    /// Every setting that was looked at.
    pub settings: Vec<PlannedSetting>,
    /// Size of the table.
    pub table: TablePlan,
    /// The entry count that follows.
    pub predicted: Predicted,
    /// What is normal while it is applied.
    pub guard: Guard,
    /// What an operator must know.
    pub warnings: Vec<String>,
}

/// One sysctl of a plan.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct PlannedSetting {
    /// Which.
    #[serde(deserialize_with = "name")]
    pub name: Name,
    /// Value when the plan was made. Timers are in seconds.
    pub current: u64,
    /// Value to set.
    pub recommended: u64,
    /// What that is.
    pub action: Action,
    /// Why, in one clause.
    pub reason: String,
    /// What was counted.
    pub evidence: Evidence,
    /// Entries that this takes out of the table on average; below 0 if it adds some.
    pub entries_saved: i64,
}

fn name<'de, D: Deserializer<'de>>(from: D) -> Result<Name, D::Error> {
    Name::parse(&String::deserialize(from)?).map_err(D::Error::custom)
}

impl PlanFile {
    /// Reads a plan.
    ///
    /// # Errors
    /// When the file cannot be read, is no plan or one of another shape, or asks for what cannot be.
    pub fn open(path: &Path) -> Result<Self, PlanFileError> {
        let text = std::fs::read_to_string(path).map_err(|source| PlanFileError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &text)
    }

    /// Reads the text of a plan; `path` is for the words of an error.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, PlanFileError> {
        let path = || path.to_owned();
        let damaged = |error: serde_json::Error| PlanFileError::Damaged {
            path: path(),
            what: error.to_string(),
        };
        let value: serde_json::Value = serde_json::from_str(text).map_err(damaged)?;
        let found = value["schema_version"]
            .as_u64()
            .ok_or_else(|| PlanFileError::Foreign { path: path() })?;
        if found != u64::from(Plan::SCHEMA) {
            return Err(PlanFileError::Schema {
                path: path(),
                found,
            });
        }
        let plan: Self = serde_json::from_str(text).map_err(damaged)?;
        plan.check()
            .map_err(|what| PlanFileError::Damaged { path: path(), what })?;
        Ok(plan)
    }

    /// What the plan changes.
    ///
    /// # Errors
    /// When a value is one that its setting cannot have; of a plan that was read none is.
    pub fn changes(&self) -> Result<Vec<Assignment>, AssignmentError> {
        let changed = self.settings.iter().filter(|it| it.action != Action::Keep);
        changed
            .map(|it| Assignment::new(it.name, it.recommended))
            .collect()
    }

    fn check(&self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for it in &self.settings {
            if !seen.insert(it.name) {
                return Err(format!("{} is in it twice", it.name));
            }
            if it.action != Action::of(it.current, it.recommended) {
                return Err(format!(
                    "{} is to {} from {} to {}",
                    it.name,
                    it.action.name(),
                    it.current,
                    it.recommended
                ));
            }
        }
        self.changes().map_err(|error| error.to_string())?;
        let guard = &self.guard;
        let shares = [self.max_harm, guard.max_harm];
        if !shares.iter().all(|share| (0.0..1.0).contains(share)) {
            return Err("its max_harm is no share".to_owned());
        }
        Ok(())
    }
}

/// Why a file is no plan to rely on.
#[derive(Debug, thiserror::Error)]
pub enum PlanFileError {
    /// The system refuses to read it.
    #[error("{} cannot be read: {source}. Name a file that tracker recommend --format json wrote", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's word for it.
        source: io::Error,
    },
    /// JSON of something else.
    #[error("{} is no plan. Make one with tracker recommend --format json", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A plan of an older or a newer tracker.
    #[error("{} has version {found} of a plan's shape, and this tracker knows {}. Make it again with tracker recommend --format json", path.display(), Plan::SCHEMA)]
    Schema {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// A plan that is not whole, or that contradicts itself.
    #[error("{} is no whole plan: {what}. Make it again with tracker recommend --format json", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
}
