//! Which application of a plan old values belong to.

use std::{
    convert::Infallible,
    fmt,
    hash::{BuildHasher, RandomState},
    process,
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// Told anew each time that old values are remembered, so that whoever waits to restore some does not
/// restore those of another plan that was applied since.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    /// One that nothing else has.
    #[must_use]
    pub fn new() -> Self {
        // Its keys are the system's random numbers.
        let random = RandomState::new().hash_one(process::id());
        Self(format!("{random:016x}"))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Id {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}
