//! What the kernel itself counts of a table.

use std::collections::BTreeMap;

/// One of the kernel's own counts: a column of `/proc/net/stat/nf_conntrack`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Statistic {
    /// Entries evicted from a full table to make room.
    EarlyDrop,
    /// Packets dropped, because the table was full or their entry could not be inserted.
    Drop,
    /// Entries that could not be inserted.
    InsertFailed,
    /// Packets that raced another one of their flow for the insert, and took its entry.
    ClashResolve,
    /// Entries not inserted because their bucket's chain was too long.
    ChainTooLong,
    /// Lookups begun again, because the table changed under them.
    SearchRestart,
    /// Packets that no entry could be made or found for.
    Invalid,
    /// Packets that their protocol found broken.
    Error,
}

/// Totals since the watch began. What a kernel does not count is not in it.
pub type Statistics = BTreeMap<Statistic, u64>;

impl Statistic {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::EarlyDrop,
        Self::Drop,
        Self::InsertFailed,
        Self::ClashResolve,
        Self::ChainTooLong,
        Self::SearchRestart,
        Self::Invalid,
        Self::Error,
    ];

    /// As the kernel's source names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::EarlyDrop => "early_drop",
            Self::Drop => "drop",
            Self::InsertFailed => "insert_failed",
            Self::ClashResolve => "clash_resolve",
            Self::ChainTooLong => "chaintoolong",
            Self::SearchRestart => "search_restart",
            Self::Invalid => "invalid",
            Self::Error => "error",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.name() == name)
    }

    /// What it means, after a number of them.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::EarlyDrop => "entries evicted to make room",
            Self::Drop => "packets dropped",
            Self::InsertFailed => "inserts failed",
            Self::ClashResolve => "clashes resolved",
            Self::ChainTooLong => "chains too long",
            Self::SearchRestart => "lookups restarted",
            Self::Invalid => "invalid packets",
            Self::Error => "broken packets",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_known_again() {
        for it in Statistic::ALL {
            assert_eq!(Statistic::from_name(it.name()), Some(it));
        }
        assert_eq!(Statistic::from_name("found"), None);
    }
}
