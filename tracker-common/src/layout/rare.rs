//! What happens seldom, and so is counted by all CPUs in one place.

use core::mem::offset_of;

use super::{Histogram, HistogramId};
use crate::Timer;

/// Histograms of one namespace that no bank has.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rare {
    /// What tells that a histogram has changed.
    pub counts: RareCounts,
    /// [`HistogramId::Idle`] by [`Timer`].
    pub idle: [Histogram; Timer::SLOTS],
    /// [`HistogramId::Return`] by [`Timer`].
    pub returned: [Histogram; Timer::SLOTS],
}

/// Values in the histograms of a [`Rare`], by [`Timer`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RareCounts {
    /// In those of idle entries.
    pub idle: [u64; Timer::SLOTS],
    /// In those of entries that returned.
    pub returned: [u64; Timer::SLOTS],
}

impl RareCounts {
    /// All zero.
    pub const ZERO: Self = Self {
        idle: [0; Timer::SLOTS],
        returned: [0; Timer::SLOTS],
    };

    /// Histograms that have changed since `before`.
    pub fn changed_since(&self, before: &Self) -> impl Iterator<Item = HistogramId> {
        let (now, before) = (*self, *before);
        Timer::ALL.iter().flat_map(move |&timer| {
            let id = timer.id();
            let idle = now.idle[id] != before.idle[id];
            let returned = now.returned[id] != before.returned[id];
            let idle = idle.then_some(HistogramId::Idle(timer));
            let returned = returned.then_some(HistogramId::Return(timer));
            idle.into_iter().chain(returned)
        })
    }
}

impl Rare {
    /// Where a histogram is, in bytes; `None` of those that a bank has.
    #[must_use]
    pub const fn offset(id: HistogramId) -> Option<usize> {
        let (base, timer) = match id {
            HistogramId::Idle(timer) => (offset_of!(Self, idle), timer),
            HistogramId::Return(timer) => (offset_of!(Self, returned), timer),
            _ => return None,
        };
        Some(base + timer.id() * size_of::<Histogram>())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn a_histogram_is_in_a_bank_or_here() {
        for id in HistogramId::all() {
            assert_ne!(id.offset().is_some(), Rare::offset(id).is_some(), "{id:?}");
        }
    }

    #[test]
    fn only_what_a_count_tells_of_has_changed() {
        let mut now = RareCounts::ZERO;
        now.idle[Timer::TcpEstablished.id()] = 2;
        now.returned[Timer::Udp.id()] = 1;
        let changed: std::vec::Vec<_> = now.changed_since(&RareCounts::ZERO).collect();
        assert_eq!(
            changed,
            [
                HistogramId::Idle(Timer::TcpEstablished),
                HistogramId::Return(Timer::Udp)
            ]
        );
        assert_eq!(now.changed_since(&now).count(), 0);
    }
}
