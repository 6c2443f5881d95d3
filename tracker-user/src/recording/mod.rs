//! Recordings: one SQLite file, written an interval at a time.
//!
//! Each interval is one transaction, so a watch that is killed loses at most the interval under
//! way. An interval holds *differences*: of the counters (`counters`) and of every histogram that
//! changed (`blob`). Beside them stand the latest *totals*, so that a summary costs the same for
//! a minute as for a month. Longest gaps per entry exist as totals only, because an entry moves
//! from bucket to bucket as its longest gap grows. Old intervals are joined (`coarsen`).

mod blob;
mod coarsen;
mod counters;
mod distribution;
mod error;
mod header;
mod known;
mod reader;
mod record;
mod schema;
mod statistics;
mod strata;
mod timers;
mod writer;

#[cfg(test)]
pub(crate) mod synthetic;
#[cfg(test)]
mod tests;

pub(crate) use counters::add as add_counters;
pub use distribution::Distribution;
pub use error::RecordingError;
pub use record::{CountSample, Interval, NamespaceRecord, PortRecord, Recording, StratumRecord};
pub use timers::GapSpan;
pub use writer::{Existing, Writer};
