//! Traffic for the lab's engine, and a witness that writes it into a ledger.

mod before;
mod hidden;
mod nothing;
mod population;
mod scribe;

pub use before::{Before, signal_restorer, signal_watcher};
pub use hidden::{Hidden, NoModules};
pub use nothing::{namespaces_are, no_namespace_is_left};
pub use population::population;
pub use scribe::Scribe;
