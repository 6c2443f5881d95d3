//! The watch of this kernel by eBPF programs. The only module that names `aya`.
//!
//! `hooks` decides what to hook from what the kernel has, its machine code (`text`, `branch`) not
//! least, `load` loads and attaches it,
//! `read` and `strata` add the maps up over the CPUs, `scope` knows the watched namespaces and their
//! tables, `watch` is the [`Source`](super::Source) made of these.

mod branch;
mod census;
mod error;
mod fentry;
mod flow;
mod hooks;
mod load;
mod mapped;
pub mod native;
mod object;
mod rare;
mod read;
mod refusal;
mod rights;
mod room;
mod scope;
pub mod statistics;
mod strata;
mod survey;
mod sys;
mod text;
mod watch;

pub use error::StartError;
pub use hooks::{Attach, Pin};
pub use room::Room;
pub use survey::{Offer, survey};
pub use watch::{Options, Watch};
