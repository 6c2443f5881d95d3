//! How the kernel looks for expired entries.

use super::btf::{Btf, BtfError};

/// What the kernel's collector keeps of itself.
const WORK: &str = "conntrack_gc_work";
/// What it keeps where it goes by the entries' own timeouts (5.18 and later).
const MEAN: &str = "avg_timeout";

/// The collector comes as often as the entries' own timeouts ask for; `None` if no type information tells.
#[must_use]
pub fn adapts(btf: &Btf) -> Option<bool> {
    match btf.offset_of(WORK, MEAN) {
        Ok(_) => Some(true),
        Err(BtfError::NoMember { .. }) => Some(false),
        Err(_) => None,
    }
}
