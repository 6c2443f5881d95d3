//! Entries and their longest gaps by destination port and timer.
//!
//! What a look finds is noted after it: that the entry is armed by a timer for the first time, or that its
//! longest gap has become a long one. With most packets nothing is.

use tracker_common::{
    Loss, Proto, Timer,
    layout::{GAP_PLACES, GAP_PROBES, GapKey, LONG, Usual},
};

use crate::{asm, maps::GAPS, ports, tally};

/// What a look has found, in one word: the id of a timer that was first seen to arm the entry, and 1; the id
/// of one under which the longest gap has become a long one, and 1; the bucket that it was in, and the one
/// that it is in.
#[derive(Clone, Copy)]
pub struct News(u64);

impl News {
    /// Nothing.
    pub const NONE: Self = Self(0);

    /// A timer was first seen to arm the entry.
    #[inline(always)]
    pub fn armed(&mut self, timer: Timer) {
        self.0 |= timer as u64 + 1;
    }

    /// The longest gap under a timer went from one bucket to another.
    #[inline(always)]
    pub fn raised(&mut self, timer: Timer, from: usize, to: usize) {
        if to >= LONG {
            self.0 |= (timer as u64 + 1) << 8 | (from as u64) << 16 | (to as u64) << 32;
        }
    }

    /// Notes it of an entry to this port ([`ports::key_of`]) in the namespace of a slot.
    #[inline(always)]
    pub fn note(self, slot: u32, port: u64) {
        if self.0 != 0 {
            note(slot, port, self.0);
        }
    }
}

/// Notes by which timer an entry of a protocol began whose insert was counted; `None` if none is known.
#[inline(always)]
pub fn begun(slot: u32, port: u64, proto: Proto, timer: Option<Timer>) {
    let usual = Usual::beginning(proto).map(|(_, timer)| timer);
    if timer == usual {
        return;
    }
    if let Some(usual) = usual {
        ports::arm(slot, port, usual as u32, u32::MAX);
    }
    if let Some(timer) = timer {
        ports::arm(slot, port, timer as u32, 1);
    }
}

/// Verified on its own, so once.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn note(slot: u32, port: u64, news: u64) -> u32 {
    let [armed, raised, from, from_high, to, to_high, ..] = news.to_le_bytes();
    if armed != 0 {
        ports::arm(slot, port, u32::from(armed) - 1, 1);
    }
    if raised != 0 {
        let key = |low, high| GapKey::packed(port, raised - 1, u16::from_le_bytes([low, high]));
        if u16::from_le_bytes([from, from_high]) as usize >= LONG {
            count_gap(slot, key(from, from_high), u64::MAX);
        }
        count_gap(slot, key(to, to_high), 1);
    }
    0
}

/// Adds entries to a packed [`GapKey`]. Verified on its own, so once.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn count_gap(slot: u32, key: u64, entries: u64) -> u32 {
    let Some(gaps) = GAPS.get_ptr_mut(slot) else {
        return 0;
    };
    let start = GapKey::place(key);
    for probe in start..start + GAP_PROBES {
        // SAFETY: a map value lives as long as its map; the place is masked to the array.
        let place = unsafe { &raw mut (*gaps).places[probe % GAP_PLACES] };
        // SAFETY: fields of the place, aligned.
        unsafe {
            let taken = &raw mut (*place).key;
            if taken.read_volatile() == 0 && asm::exchange(taken, 0, key) {
                // A kernel without such an instruction has done nothing.
                taken.write_volatile(key);
            }
            if taken.read_volatile() == key {
                asm::add_u64(&raw mut (*place).count, entries);
                return 0;
            }
        }
    }
    tally::loss(Loss::StrataFull);
    0
}
