//! What the counters say about how many entries a table holds.

use tracker_common::layout::Counters;

/// Inserts and deaths counted so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Entries inserted.
    pub inserted: u64,
    /// Entries destroyed.
    pub destroyed: u64,
}

impl Flow {
    /// Those of these counters.
    pub fn of(counters: &Counters) -> Self {
        Self {
            inserted: counters.inserted(),
            destroyed: counters.destroyed(),
        }
    }

    /// Entries of a table that holds so many, beyond those counted in and not out. Below 0, so many
    /// deaths were not counted.
    pub fn beyond(self, entries: u64) -> i64 {
        let Self {
            inserted,
            destroyed,
        } = self;
        entries
            .wrapping_add(destroyed)
            .wrapping_sub(inserted)
            .cast_signed()
    }

    /// Entries in a table with so many beyond those counted.
    pub fn entries(self, beyond: i64) -> u64 {
        let came = self.inserted.saturating_add_signed(beyond);
        came.saturating_sub(self.destroyed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths_that_were_not_counted_do_not_live_on() {
        let flow = Flow {
            inserted: 78_279,
            destroyed: 78_277,
        };
        let beyond = flow.beyond(0);
        assert_eq!(beyond, -2);
        assert_eq!(flow.entries(beyond), 0);
        let later = Flow {
            inserted: 78_289,
            destroyed: 78_280,
        };
        assert_eq!(later.entries(beyond), 7);
    }

    #[test]
    fn entries_from_before_the_watch_are_beyond_the_counted() {
        let flow = Flow {
            inserted: 10,
            destroyed: 4,
        };
        assert_eq!(flow.beyond(106), 100);
        assert_eq!(flow.entries(100), 106);
        assert_eq!(flow.entries(-20), 0);
    }
}
