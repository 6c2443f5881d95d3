//! What a recording says: sums and rates ([`Summary`]), and what to set because of it
//! ([`advice`]).
//!
//! Nothing here asks the machine anything: the same recording gives the same answer everywhere.

pub mod advice;
mod course;
mod observed;
mod rows;
mod summary;

pub use observed::Observed;
pub use rows::{Balance, Count, Death, Insert, PortRow, Quantiles, StateRow, TableSize, TimerRow};
pub use summary::{Body, NamespaceSummary, Summary};
