//! What tracker's eBPF programs and its user space agree on.
//!
//! * ids and names: [`Proto`], [`State`], [`Timer`], [`Reason`], [`Cause`], [`Loss`];
//! * the layout of map values: [`layout`];
//! * the histogram's buckets: [`histogram`];
//! * the pure rules: which timer armed an entry ([`armed`]), what a look at it tells ([`look`]), how
//!   jiffies are compared ([`jiffies`]), what a packet or a death tells about an entry ([`record`]),
//!   how one that comes back is known again ([`grave`]).
//!
//! The rules are plain functions so that the same code runs in the kernel and in tests.
#![no_std]
#![forbid(unsafe_code)]

#[macro_use]
pub mod ids;

pub mod armed;
pub mod field;
pub mod grave;
pub mod histogram;
pub mod jiffies;
pub mod layout;
pub mod look;
pub mod native;
pub mod record;
pub mod uapi;

pub use field::{CAST, CAST_TYPE, Field};
pub use ids::{Cause, Loss, Proto, Reason, State, Timer};

/// Version of the contract. User space refuses an eBPF object of another version.
pub const CONTRACT_VERSION: u32 = 4;
