//! The truth about traffic, written down while it is made, and what tracker has to report of it.

mod compare;
mod expect;
mod fold;
mod hist;
mod ledger;
mod page;
mod run;
mod scope;

pub use compare::{Want, Wants, diff, flatten};
pub use expect::{Watch, expect};
pub use ledger::{Entry, Followed, Ledger, LedgerError, Name, Reason, Return, Step, UNTOLD};
pub use run::expect_run;
