//! Layout of the values in the maps that eBPF programs write and user space reads.
//!
//! Everything is `repr(C)` without padding. Arrays by id have a power of two of slots, so that
//! an index can be masked instead of checked.

mod gaps;
mod histogram_id;
mod ports;
mod rare;
mod usual;

use crate::{
    Cause, Loss, Proto, Reason, State, Timer,
    histogram::{self, BUCKETS},
    record::Record,
};

pub use gaps::{GAP_PLACES, GAP_PROBES, GapKey, GapPlace, Gaps, LONG};
pub use histogram_id::HistogramId;
pub use ports::{PORT_PLACES, PORT_PROBES, PortKey, PortPlace, PortUse, Ports};
pub use rare::{Rare, RareCounts};
pub use usual::Usual;

/// A kernel offset that this kernel does not have.
pub const ABSENT: u32 = u32::MAX;

/// Most bytes of `struct nf_conn` that programs read in one go, where they cannot read it in place.
pub const ENTRY_BYTES: usize = 256;

/// Most words of a namespace's settings that are read in one go.
pub const SETTINGS: usize = 128;

/// Slots for namespaces, at most.
pub const MAX_NAMESPACES: u32 = 64;

/// In the map of namespaces by kernel address: not in the scope of the watch.
pub const OUT_OF_SCOPE: u32 = u32::MAX;

/// Places of a [`Group`].
pub const WAYS: usize = 4;

/// Live entries whose addresses fall together. A place's key is the address of its entry, 0 while the
/// place is free, [`Group::CLAIMED`] while its record is written.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Whose places are taken.
    pub keys: [u64; WAYS],
    /// What is kept of them.
    pub records: [Record; WAYS],
}

impl Group {
    /// Key of a place that is being taken.
    pub const CLAIMED: u64 = 1;

    /// Groups for a table of so many entries: places for 86 of 100. By chance (Poisson) 25.6 % of a full
    /// table find none then, 5.7 % of one that is half full.
    #[must_use]
    pub const fn for_entries(entries: u32) -> u32 {
        (entries as u64 * 86).div_ceil(100 * WAYS as u64) as u32
    }

    /// The group of an entry, by the lower half of its address, among so many groups (Fibonacci
    /// hashing: neighbours fall far from each other).
    #[inline(always)]
    #[must_use]
    pub const fn of(lower_half: u32, groups: u32) -> u32 {
        // No two entries are nearer to each other than 128 bytes.
        let hash = (lower_half >> 7).wrapping_mul(0x9e37_79b9);
        ((hash as u64 * groups as u64) >> 32) as u32
    }
}

/// Counters of one namespace on one CPU. Monotonic but for wrapping.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Entries inserted, by [`Proto`].
    pub inserts: [u64; Proto::SLOTS],
    /// Inserts that begin in the middle of a connection, by [`Proto`].
    pub pickups: [u64; Proto::SLOTS],
    /// Visits to a [`State`] that began during the watch.
    pub entered: [u64; State::SLOTS],
    /// Of these, ended by a change of state.
    pub moved_on: [u64; State::SLOTS],
    /// Of these, ended by expiry.
    pub expired: [u64; State::SLOTS],
    /// Of these, ended by any other death.
    pub killed: [u64; State::SLOTS],
    /// Time that living entries had spent in their [`State`] at the last census, in µs.
    pub live_us: [u64; State::SLOTS],
    /// Deaths by [`State`] (row) and [`Reason`] (column), also of entries older than the watch.
    pub deaths: [[u64; Reason::SLOTS]; State::SLOTS],
    /// Expiries by the [`Timer`] that ran out.
    pub timer_expired: [u64; Timer::SLOTS],
    /// Resumed gaps by [`Timer`].
    pub gaps: [u64; Timer::SLOTS],
    /// Entries that were ever seen armed by a [`Timer`].
    pub connections: [u64; Timer::SLOTS],
    /// Packets whose gap could not be attributed, by [`Cause`].
    pub causes: [u64; Cause::SLOTS],
}

impl Counters {
    /// All zero.
    pub const ZERO: Self = Self {
        inserts: [0; Proto::SLOTS],
        pickups: [0; Proto::SLOTS],
        entered: [0; State::SLOTS],
        moved_on: [0; State::SLOTS],
        expired: [0; State::SLOTS],
        killed: [0; State::SLOTS],
        live_us: [0; State::SLOTS],
        deaths: [[0; Reason::SLOTS]; State::SLOTS],
        timer_expired: [0; Timer::SLOTS],
        gaps: [0; Timer::SLOTS],
        connections: [0; Timer::SLOTS],
        causes: [0; Cause::SLOTS],
    };

    /// Entries inserted.
    #[must_use]
    pub fn inserted(&self) -> u64 {
        self.inserts.iter().sum()
    }

    /// Entries destroyed.
    #[must_use]
    pub fn destroyed(&self) -> u64 {
        self.deaths.iter().flatten().sum()
    }
}

/// What was lost on one CPU, by [`Loss`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Losses {
    /// Times that each loss happened.
    pub count: [u64; Loss::SLOTS],
}

/// A histogram on one CPU.
///
/// Buckets wrap at 32 bits, and the buckets of a [`HistogramId::MaxGap`] also go down (on another
/// CPU perhaps): only sums over all CPUs, and differences between two readings, mean something.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// Sum of the values, in µs; not kept for max gaps.
    pub sum_us: u64,
    /// Largest value so far, in µs.
    pub max_us: u64,
    /// Values by [`histogram::index`].
    pub buckets: [u32; BUCKETS],
}

impl Histogram {
    /// Empty.
    pub const ZERO: Self = Self {
        sum_us: 0,
        max_us: 0,
        buckets: [0; BUCKETS],
    };

    /// Adds a value in µs.
    #[inline(always)]
    pub fn add(&mut self, micros: u64) {
        self.add_at(micros, histogram::index(micros));
    }

    /// Adds a value in µs whose bucket is known.
    #[inline(always)]
    pub fn add_at(&mut self, micros: u64, bucket: usize) {
        self.sum_us = self.sum_us.wrapping_add(micros);
        if micros > self.max_us {
            self.max_us = micros;
        }
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            *bucket = bucket.wrapping_add(1);
        }
    }

    /// Moves one count to another bucket, or adds it when it had none. Bucket 0 is not kept: it
    /// holds whoever is in no other.
    #[inline(always)]
    pub fn raise(&mut self, from: Option<usize>, to: usize, micros: u64) {
        if micros > self.max_us {
            self.max_us = micros;
        }
        if let Some(from) = from
            && from != 0
            && let Some(bucket) = self.buckets.get_mut(from)
        {
            *bucket = bucket.wrapping_sub(1);
        }
        if let Some(bucket) = self.buckets.get_mut(to) {
            *bucket = bucket.wrapping_add(1);
        }
    }
}

/// What is counted of one namespace on one CPU, and what is known there of the namespace: all that a
/// program needs but for the entry's record, in one value.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bank {
    /// Kernel address of the namespace's `struct net`; 0 while nobody has asked for it on this CPU.
    pub net: u64,
    /// Jiffies, all 64 bits of them, when the following were last taken from the [`Namespace`].
    pub checked: u64,
    /// `nf_conntrack_tcp_max_retrans`.
    pub max_retrans: u32,
    /// [`Namespace::epoch`].
    pub epoch: u32,
    /// Length of each [`Timer`], in jiffies.
    pub lengths: [u32; Timer::SLOTS],
    /// Counters.
    pub counters: Counters,
    /// Counters of what is usual.
    pub usual: Usual,
    /// Insert to death. What lies in the first 32 KiB takes one instruction to reach.
    pub lifetime: Histogram,
    /// Removal minus expiry.
    pub overdue: Histogram,
    /// Time spent in each [`State`].
    pub residency: [Histogram; State::SLOTS],
    /// Resumed gaps under each [`Timer`].
    pub gap: [Histogram; Timer::SLOTS],
    /// Longest resumed gap of each entry under each [`Timer`].
    pub max_gap: [Histogram; Timer::SLOTS],
    /// Entries by destination port.
    pub ports: Ports,
}

/// One watched namespace: who it is, and its timers as the kernel has them.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Namespace {
    /// Kernel address of its `struct net`.
    pub net: u64,
    /// Inode number, as in `/proc/PID/ns/net`; 0 while the slot is free.
    pub inum: u32,
    /// Jiffies when the timers were last read.
    pub checked: u32,
    /// Times that a change of timers was noticed; 0 as long as they have not been read.
    pub epoch: u32,
    /// `nf_conntrack_tcp_max_retrans`.
    pub max_retrans: u32,
    /// Length of each [`Timer`], in jiffies.
    pub now: [u32; Timer::SLOTS],
    /// The one before.
    pub before: [u32; Timer::SLOTS],
    /// Epoch in which a timer last changed.
    pub changed: [u32; Timer::SLOTS],
    /// Epoch in which it changed before that.
    pub changed_before: [u32; Timer::SLOTS],
    /// The kernel's settings as they were last read.
    pub settings: [u32; SETTINGS],
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use core::mem::size_of;

    #[test]
    fn nothing_is_padded() {
        assert_eq!(
            size_of::<Bank>(),
            8 + 8
                + 2 * 4
                + 4 * Timer::SLOTS
                + size_of::<Counters>()
                + size_of::<Usual>()
                + (State::SLOTS + 2 * Timer::SLOTS + 2) * size_of::<Histogram>()
                + size_of::<Ports>()
        );
        assert_eq!(
            size_of::<Namespace>(),
            8 + 4 * 4 + 4 * 4 * Timer::SLOTS + 4 * SETTINGS
        );
        assert_eq!(size_of::<Group>(), WAYS * (8 + 48));
        assert_eq!(
            size_of::<Ports>(),
            PORT_PLACES * (32 + 4 * Timer::PER_ENTRY) + 24 + 4 * Timer::SLOTS
        );
        assert_eq!(
            size_of::<Rare>(),
            16 * Timer::SLOTS + 2 * Timer::SLOTS * size_of::<Histogram>()
        );
        assert_eq!(size_of::<Gaps>(), GAP_PLACES * 16);
        assert_eq!(size_of::<Histogram>(), 16 + 4 * BUCKETS);
    }

    #[test]
    fn entries_of_a_slab_are_spread_over_all_groups() {
        // Full pages of objects of 256 bytes.
        let groups = Group::for_entries(1 << 16);
        let mut members = std::vec![0_usize; groups as usize];
        for entry in 0..1_u32 << 16 {
            let page = (entry / 16).wrapping_mul(0x0003_7000);
            members[Group::of(page + entry % 16 * 256, groups) as usize] += 1;
        }
        let beyond: usize = members.iter().map(|it| it.saturating_sub(WAYS)).sum();
        // Chance would leave over 25.6 %.
        assert!(beyond < (1 << 16) / 5, "{beyond} of 65,536 have no place");
    }

    #[test]
    fn a_raised_maximum_leaves_its_old_bucket() {
        let mut histogram = Histogram::ZERO;
        let bucket = histogram::index;
        histogram.raise(Some(0), bucket(4_000), 4_000);
        histogram.raise(Some(bucket(4_000)), bucket(8_000), 8_000);
        assert_eq!(histogram.buckets[bucket(8_000)], 1);
        assert_eq!(histogram.buckets.iter().sum::<u32>(), 1);
        assert_eq!(histogram.max_us, 8_000);
    }
}
