//! Applying a plan to this machine, and going back.
//!
//! `intent` makes of a plan and of the machine as it is what is to be written where; `room` refuses a table
//! that is smaller than what is in it; `state` remembers
//! the old values in a file before the first of them is overwritten; `write` writes and reads back;
//! `rollback` restores, from any process and at any time; `in_force` tells whether what was written is still
//! there; `guard` watches after a change and goes back by itself. `own_file` keeps values over a reboot.
//!
//! What is to be done at a rollback follows from the machine alone: a setting that has the value that was
//! written gets its old one, one that has its old one stays, and any other value is somebody else's. So it
//! does not matter at which step a process ended.

mod change;
mod durable;
mod error;
mod fault;
pub mod guard;
mod id;
mod in_force;
mod intent;
mod own_file;
mod place;
mod rollback;
mod room;
mod state;
mod write;

pub use self::{
    change::Change,
    error::ApplyError,
    id::Id,
    in_force::{Drift, drifted, is_undone},
    intent::{Intent, Options},
    own_file::OwnFile,
    place::Place,
    rollback::{Outcome, Restored, forget, roll_back},
    state::{Remembered, Store, Whose},
    write::{OnFailure, apply, persist},
};
