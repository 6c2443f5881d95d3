//! Scenarios: TOML files that say which connections there are, when they begin, and what they do.

mod arrival;
#[cfg(test)]
mod asked;
mod bins;
mod builtin;
mod compile;
mod course;
mod error;
mod file;
#[cfg(test)]
mod hostile;
mod router;
mod settings;
mod spread;
#[cfg(test)]
mod tests;
mod timeouts;
mod traffic;
mod tuples;

use std::path::Path;
use std::time::Duration;

pub use arrival::Arrival;
pub use builtin::{BUILTIN, Builtin};
pub use error::ScenarioError;
pub use spread::{Number, Seconds, Spread, Time, Unit};
pub use timeouts::Timeouts;
pub use traffic::{Cut, Overrides, Rate, Traffic, room};
pub use tuples::{Clients, Tuples};

use super::script::Program;

/// A scenario.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name: a built-in one's, or its file's.
    pub name: String,
    /// What it models.
    pub description: String,
    /// Connections begin within this time. Those that have begun go on to their end.
    pub duration: Duration,
    /// The router masquerades clients.
    pub masquerade: bool,
    /// Sysctls of the router, named without their prefix `net.netfilter.nf_conntrack_`.
    pub sysctls: Vec<(String, u64)>,
    /// Entries that the table takes, or more if it is not to get full.
    pub max: Option<u64>,
    /// Its buckets.
    pub buckets: Option<u64>,
    /// How long the router's timers are.
    pub timeouts: Timeouts,
    /// Its populations.
    pub populations: Vec<Population>,
    /// Its table `[proof]`, which says what a proof compares; nothing else heeds it.
    pub proof: Option<toml::Table>,
}

/// Connections of one kind.
#[derive(Clone, Debug)]
pub struct Population {
    /// Its name.
    pub name: String,
    /// When its connections begin, after `start`.
    pub arrival: Arrival,
    /// When the first may begin.
    pub start: Duration,
    /// How many there are, at most.
    pub count: Option<u64>,
    /// Between whom they are.
    pub tuples: Tuples,
    /// Time there and back.
    pub rtt: Spread<Seconds>,
    /// What they do.
    pub program: Program,
}

impl Scenario {
    /// The built-in one of a name, or the one in a file whose name ends in `.toml` or has a slash.
    pub fn find(name: &str) -> Result<Self, ScenarioError> {
        if let Some(builtin) = BUILTIN.iter().find(|builtin| builtin.name == name) {
            return Self::parse(name, builtin.text);
        }
        let path = Path::new(name);
        let is_file = name.contains('/') || path.extension().is_some_and(|it| it == "toml");
        if !is_file {
            return Err(ScenarioError::Unknown(name.to_owned()));
        }
        let text =
            std::fs::read_to_string(path).map_err(|source| ScenarioError::read(path, source))?;
        Self::parse(name, &text)
    }

    /// The one that a file holds.
    pub fn parse(file: &str, text: &str) -> Result<Self, ScenarioError> {
        let parsed = toml::from_str(text).map_err(|error| error::Wrong::of(&error, text));
        let compiled = parsed.and_then(|parsed| compile::scenario(parsed, file));
        compiled.map_err(|wrong| wrong.at(file, text))
    }
}
