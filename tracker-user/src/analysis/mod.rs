//! What a recording says: sums and rates ([`Summary`]), what to set because of it ([`advice`]), and
//! what would follow ([`forecast`], [`whatif`]).
//!
//! Nothing here asks the machine anything: the same recording gives the same answer everywhere.

pub mod advice;
mod course;
pub mod forecast;
mod observed;
mod occupancy;
mod rows;
mod summary;
pub mod whatif;

pub use observed::Observed;
pub use occupancy::{Occupancies, Occupancy};
pub use rows::{
    Balance, Count, Death, Insert, PortRow, Quantiles, StateRow, StratumRow, TableSize, TimerRow,
};
pub use summary::{Body, NamespaceSummary, Summary};
