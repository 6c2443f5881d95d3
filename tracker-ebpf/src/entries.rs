//! What is kept of the living: records by the address of their entry.
//!
//! A record is in one of the [`WAYS`] places of the group that its address belongs to; if these are
//! taken, or there are no groups ([`config::GROUPS`]), in a hash map. An entry's own events come
//! one at a time but for packets of one connection on two CPUs, where a look may be lost to the other,
//! and for a packet that looks on while its entry dies.

use core::mem::offset_of;

use tracker_common::{
    Timer,
    layout::{Group, WAYS},
    record::Record,
};

use crate::{
    asm::{self, lower_half},
    config,
    maps::{ENTRIES, OVERFLOW},
};

/// Where a record is.
pub struct Place {
    /// The record.
    pub record: &'static mut Record,
    /// Key of its place in a group; null in the hash map.
    key: *mut u64,
}

impl Place {
    /// Where the record of UDP keeps the key of its flow: beyond its timers, of which a record has places for
    /// more.
    #[inline(always)]
    fn flow_word(&self) -> *const u64 {
        const FIRST: usize = 4;
        const { assert!(Timer::UdpStream.place() < FIRST && FIRST + 4 <= Timer::Unknown.place()) };
        const { assert!((offset_of!(Record, max_gap) + 2 * FIRST).is_multiple_of(8)) };
        self.record.max_gap[FIRST..].as_ptr().cast()
    }

    /// Keeps the key of an entry of UDP, whose record is new.
    #[inline(always)]
    pub fn keep_flow(&mut self, key: u64) {
        // SAFETY: in the record, and aligned as it is.
        unsafe { self.flow_word().cast_mut().write_volatile(key) };
    }

    /// The key of an entry of UDP that was seen inserted.
    #[inline(always)]
    pub fn flow(&self) -> u64 {
        // SAFETY: in the record, and aligned as it is.
        unsafe { self.flow_word().read_volatile() }
    }

    /// The address of the entry that it was found by, as a plain number: what the verifier takes for a pointer, a
    /// function that is verified on its own does not take. `None` if the place is another's by now.
    #[inline(always)]
    pub fn address(&self, address: u64) -> Option<u64> {
        if self.key.is_null() {
            return asm::number(address);
        }
        // SAFETY: a key of the map, which lives as long as the program.
        let key = unsafe { self.key.read_volatile() };
        asm::is_same(key, address).then_some(key)
    }

    /// Lets others find the record, or take it for one where they have found it: that of an entry last seen
    /// in `epoch`.
    #[inline(always)]
    pub fn show(&mut self, address: u64, epoch: u32) {
        // SAFETY: a field of the record, after all others.
        unsafe { (&raw mut self.record.epoch).write_volatile(epoch) };
        if !self.key.is_null() {
            // SAFETY: a key of the map, which lives as long as the program.
            unsafe { self.key.write_volatile(address) };
        }
    }

    /// Gives the place free.
    #[inline(always)]
    pub fn free(self, address: u64) {
        if self.key.is_null() {
            // A record that is gone already was removed by the same death.
            let _ = OVERFLOW.remove(address);
        } else {
            // SAFETY: a key of the map, which lives as long as the program.
            unsafe { self.key.write_volatile(0) };
        }
    }
}

#[inline(always)]
fn group(address: u64) -> Option<&'static mut Group> {
    let groups = config::GROUPS.load();
    if groups == 0 {
        return None;
    }
    // SAFETY: a map value lives as long as its map. Its places are written by those who own them.
    ENTRIES
        .get_ptr_mut(Group::of(lower_half(address), groups))
        .map(|group| unsafe { &mut *group })
}

/// Way of the first place with this key, [`WAYS`] if there is none.
#[inline(always)]
fn way(group: &Group, key: u64) -> usize {
    const { assert!(WAYS == 4) };
    if group.keys[0] == key {
        0
    } else if group.keys[1] == key {
        1
    } else if group.keys[2] == key {
        2
    } else if group.keys[3] == key {
        3
    } else {
        WAYS
    }
}

#[inline(always)]
fn place(group: &'static mut Group, way: usize) -> Place {
    // A number that the verifier does not know: a jiffy of the record.
    let noise = u64::from(group.records[0].born);
    let way = asm::forgotten(way as u64, noise) as usize & (WAYS - 1);
    let keys = group.keys.as_mut_ptr();
    let records = group.records.as_mut_ptr();
    // SAFETY: masked to the arrays, which do not overlap.
    unsafe {
        Place {
            record: &mut *records.add(way),
            key: keys.add(way),
        }
    }
}

/// A place whose record has no gaps. They are written in words, where the compiler would call a function
/// that writes bytes.
#[inline(always)]
fn blank(group: &'static mut Group, way: usize) -> Place {
    const WORDS: usize = size_of::<[u16; Timer::PER_ENTRY]>() / 8;
    const { assert!(WORDS == 3 && offset_of!(Record, max_gap).is_multiple_of(8)) };
    let place = place(group, way);
    let words = place.record.max_gap.as_mut_ptr().cast::<u64>();
    for word in 0..WORDS {
        // SAFETY: in the array, and aligned as the record is.
        unsafe { words.add(word).write_volatile(0) };
    }
    place
}

/// The record of an entry.
#[inline(always)]
pub fn find(address: u64) -> Option<Place> {
    if let Some(group) = group(address) {
        let way = way(group, address);
        if way < WAYS {
            return Some(place(group, way));
        }
    }
    overflowed(address)
}

#[inline(always)]
fn overflowed(address: u64) -> Option<Place> {
    // SAFETY: as in `group`.
    OVERFLOW.get_ptr_mut(address).map(|record| Place {
        record: unsafe { &mut *record },
        key: core::ptr::null_mut(),
    })
}

/// Takes a place in a group, whose record is to be written and then shown; `None` if others have taken
/// them all, or one is left over from an entry whose death was missed.
#[inline(always)]
pub fn take_free(address: u64) -> Option<Place> {
    let group = group(address)?;
    if way(group, address) != WAYS {
        return None;
    }
    let way = claim(group);
    (way < WAYS).then(|| blank(group, way))
}

/// Takes a place, whose record is to be written and then shown: [`Place::show`].
#[inline(always)]
pub fn take(address: u64) -> Option<Place> {
    if let Some(group) = group(address) {
        // One that is left over: its death was missed.
        let mut way = way(group, address);
        if way == WAYS {
            way = claim(group);
        }
        if way < WAYS {
            return Some(blank(group, way));
        }
    }
    OVERFLOW.insert(address, &Record::BLANK, 0).ok()?;
    overflowed(address)
}

/// Takes a free place.
#[inline(always)]
fn claim(group: &mut Group) -> usize {
    for way in 0..WAYS {
        if group.keys[way] == 0
            // SAFETY: a key of the map.
            && unsafe { asm::exchange(&raw mut group.keys[way], 0, Group::CLAIMED) }
        {
            return way;
        }
    }
    WAYS
}
