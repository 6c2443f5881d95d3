//! Who fills the table: entries by destination port.

use tracker_common::{
    Loss,
    layout::{PORT_PLACES, PORT_PROBES, PortKey, PortUse},
};

use crate::{
    entry::Entry,
    maps::{self, PORTS},
    tally,
};

/// Counts an insert.
#[inline(always)]
pub fn insert(entry: &Entry, slot: u32) {
    count(key(entry, slot), 1, 0);
}

/// Counts the death of an entry that was seen inserted.
#[inline(always)]
pub fn death(entry: &Entry, slot: u32, lifetime_us: u64) {
    count(key(entry, slot), 0, lifetime_us);
}

#[inline(always)]
fn key(entry: &Entry, slot: u32) -> u64 {
    PortKey {
        slot: slot as u16,
        port: entry.port(),
        proto: entry.proto() as u32,
    }
    .packed()
}

/// Counts an insert, or else a death. A function of its own for its stack.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn count(key: u64, inserts: u64, lifetime_us: u64) -> u32 {
    let Some(port) = find(key) else {
        tally::loss(Loss::PortsFull);
        return 0;
    };
    port.inserts += inserts;
    port.deaths += 1 - inserts;
    port.entry_us += lifetime_us;
    0
}

/// This CPU's place for a key.
#[inline(always)]
fn find(key: u64) -> Option<&'static mut PortUse> {
    let bank = maps::cpu() * PORT_PLACES;
    let start = PortKey::place(key);
    for probe in 0..PORT_PROBES {
        let place = PORTS.get_ptr_mut(bank + (start + probe) % PORT_PLACES)?;
        // SAFETY: this CPU's value, which lives as long as the map.
        let place = unsafe { &mut *place };
        if place.key == 0 {
            place.key = key;
        }
        if place.key == key {
            return Some(&mut place.used);
        }
    }
    None
}
