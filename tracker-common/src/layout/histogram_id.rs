//! Which histograms there are.

use core::mem::offset_of;

use super::{Bank, Histogram};
use crate::{State, Timer};

/// Which histogram: a namespace has one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HistogramId {
    /// Time spent in a state.
    Residency(State),
    /// Resumed gaps under a timer.
    Gap(Timer),
    /// Longest resumed gap of each entry under a timer.
    MaxGap(Timer),
    /// Insert to death.
    Lifetime,
    /// Removal minus expiry.
    Overdue,
    /// Time since the last refresh of each entry that lives when the watch ends, under the timer that
    /// armed it: a gap whose end nobody saw.
    Idle(Timer),
    /// Last refresh of an entry that expired under a timer, to the insert of the next one of the same
    /// connection: the gap that the timer was too short for.
    Return(Timer),
}

impl HistogramId {
    /// Where it is in a [`Bank`], in bytes; `None` of those that no bank has.
    #[must_use]
    pub fn offset(self) -> Option<usize> {
        let nth = |base: usize, id: usize| base + id * size_of::<Histogram>();
        Some(match self {
            Self::Residency(state) => nth(offset_of!(Bank, residency), state.id()),
            Self::Gap(timer) => nth(offset_of!(Bank, gap), timer.id()),
            Self::MaxGap(timer) => nth(offset_of!(Bank, max_gap), timer.id()),
            Self::Lifetime => offset_of!(Bank, lifetime),
            Self::Overdue => offset_of!(Bank, overdue),
            Self::Idle(_) | Self::Return(_) => return None,
        })
    }

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let states = State::ALL.iter().map(|&state| Self::Residency(state));
        let gaps = Timer::ALL.iter().map(|&timer| Self::Gap(timer));
        let max_gaps = Timer::ALL.iter().map(|&timer| Self::MaxGap(timer));
        states
            .chain(gaps)
            .chain(max_gaps)
            .chain([Self::Lifetime, Self::Overdue])
            .chain(Timer::ALL.iter().map(|&timer| Self::Idle(timer)))
            .chain(Timer::ALL.iter().map(|&timer| Self::Return(timer)))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn every_histogram_has_a_place_of_its_own() {
        let mut offsets: std::vec::Vec<usize> =
            HistogramId::all().filter_map(HistogramId::offset).collect();
        offsets.sort_unstable();
        let apart = |pair: &[usize]| pair[1] - pair[0] >= size_of::<Histogram>();
        assert!(offsets.windows(2).all(apart), "{offsets:?}");
        assert!(
            offsets
                .iter()
                .all(|at| at + size_of::<Histogram>() <= size_of::<Bank>())
        );
    }
}
