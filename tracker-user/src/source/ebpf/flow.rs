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

/// Readings of a table and its counters, of which the least counts.
///
/// The table's count and the counters are not read at one instant: with the inserts from before and
/// the deaths from after the count, no reading tells too few. Entries that are not in the table yet, or
/// no more, can only add to it too. A processor that is held up keeps such entries for as long, so
/// readings are of little worth unless others may run between them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readings {
    least: Option<i64>,
    quiet: u32,
}

impl Readings {
    /// Quiet ones that are enough.
    const ENOUGH: u32 = 8;
    /// Readings at most.
    pub const MOST: u32 = 128;

    /// Takes a table's count, and the counters from before and after it was read.
    pub fn take(&mut self, before: Flow, entries: u64, after: Flow) {
        let flow = Flow {
            inserted: before.inserted,
            destroyed: after.destroyed,
        };
        let most = flow.beyond(entries);
        self.least = Some(self.least.map_or(most, |least| least.min(most)));
        self.quiet += u32::from(before == after);
    }

    /// In enough of them nothing was inserted or destroyed meanwhile.
    pub fn are_enough(&self) -> bool {
        self.quiet >= Self::ENOUGH
    }

    /// Entries beyond those that were counted, as in [`Flow::beyond`].
    pub fn beyond(&self) -> i64 {
        self.least.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_the_readings_counts() {
        let flow = |inserted, destroyed| Flow {
            inserted,
            destroyed,
        };
        let mut readings = Readings::default();
        assert_eq!(readings.beyond(), 0);
        readings.take(flow(5, 1), 110, flow(6, 3));
        assert_eq!(readings.beyond(), 108);
        for _ in 0..Readings::ENOUGH {
            assert!(!readings.are_enough());
            readings.take(flow(6, 3), 104, flow(6, 3));
        }
        readings.take(flow(7, 3), 106, flow(7, 3));
        assert!(readings.are_enough());
        assert_eq!(readings.beyond(), 101);
    }

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
