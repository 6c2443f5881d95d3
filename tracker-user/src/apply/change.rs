//! One value before and after.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Place;
use crate::settings::Name;

/// A setting of a namespace: what it was, and what it becomes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where. Sizes are set in the machine's first namespace.
    pub place: Place,
    /// What.
    #[serde(serialize_with = "to_text", deserialize_with = "from_text")]
    pub name: Name,
    /// Old value; timers in seconds.
    pub before: u64,
    /// New value.
    pub after: u64,
}

fn to_text<S: Serializer>(name: &Name, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(name)
}

fn from_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Name, D::Error> {
    let text = String::deserialize(deserializer)?;
    Name::parse(&text).map_err(de::Error::custom)
}
