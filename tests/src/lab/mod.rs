//! Traffic for the lab's engine, and a witness that writes it into a ledger.

mod flood;
mod population;
mod scribe;

pub use flood::flood;
pub use population::population;
pub use scribe::Scribe;
