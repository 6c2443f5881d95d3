//! Scripts: what the two ends of a connection do, step by step, and what conntrack makes of it.
//!
//! What each packet does to its entry is stated here, by what the kernel is known to do, and
//! nowhere else. It is not taken from the rules by which tracker reads entries.

mod connection;
mod echo;
mod limits;
mod program;
mod segment;
mod step;
mod talk;
mod tcp;
#[cfg(test)]
mod tests;
mod udp;

pub use connection::Connection;
pub use program::{Fault, Program};
pub use step::{Do, End, Placed, Step, Way};
