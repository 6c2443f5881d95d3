//! Who fills the table: entries by destination port.

use tracker_common::{
    Loss,
    layout::{PortKey, PortUse},
};

use crate::{entry::Entry, maps::PORTS, tally};

/// `BPF_NOEXIST`.
const NEW: u64 = 1;

#[inline(always)]
const fn key(slot: u32, port: u32, proto: u32) -> PortKey {
    PortKey {
        slot: slot as u16,
        port: port as u16,
        proto,
    }
}

/// Counts an insert.
#[inline(always)]
pub fn insert(entry: &Entry, slot: u32) {
    count_insert(slot, u32::from(entry.port()), entry.proto() as u32);
}

/// A function of its own for its stack.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn count_insert(slot: u32, port: u32, proto: u32) -> u32 {
    let key = key(slot, port, proto);
    if let Some(port) = PORTS.get_ptr_mut(key) {
        // SAFETY: this CPU's value, which lives as long as the map.
        unsafe { (*port).inserts += 1 };
        return 0;
    }
    let first = PortUse {
        inserts: 1,
        ..PortUse::default()
    };
    if PORTS.insert(key, first, NEW).is_err() {
        tally::loss(Loss::PortsFull);
    }
    0
}

/// Counts the death of an entry that was seen inserted.
#[inline(always)]
pub fn death(entry: &Entry, slot: u32, lifetime_us: u64) {
    let key = key(slot, u32::from(entry.port()), entry.proto() as u32);
    if let Some(port) = PORTS.get_ptr_mut(key) {
        // SAFETY: as in `insert`.
        unsafe {
            (*port).deaths += 1;
            (*port).entry_us += lifetime_us;
        }
    }
}
