//! Entries that a timer let expire, and those that come back.
//!
//! Written at an expiry and asked at an insert. The table is a variable and no map of its own, so that a
//! place in it is found without a lookup.

use core::cell::UnsafeCell;

use tracker_common::{
    Proto,
    grave::{self, GRAVES},
};

use crate::rare;

#[repr(transparent)]
struct Table(UnsafeCell<[u64; GRAVES]>);

// SAFETY: each grave is read and written as a whole word.
unsafe impl Sync for Table {}

#[unsafe(no_mangle)]
static GRAVE_TABLE: Table = Table(UnsafeCell::new([0; GRAVES]));

#[inline(always)]
fn at(key: u64) -> *mut u64 {
    // SAFETY: a place is in the table.
    unsafe { GRAVE_TABLE.0.get().cast::<u64>().add(grave::place(key)) }
}

/// Digs the grave of a flow that a timer, given by its id, let expire after its last refresh in this jiffy.
#[inline(always)]
pub fn dig(key: u64, timer: u8, refreshed: u32) {
    // SAFETY: in the table.
    unsafe { at(key).write_volatile(grave::grave(key, timer, refreshed)) };
}

/// Looks whether a flow that begins in this jiffy, in the namespace of a slot, comes back.
#[inline(always)]
pub fn ask(key: u64, slot: u32, now: u32) {
    // SAFETY: in the table.
    let found = unsafe { at(key).read_volatile() };
    if grave::is_of(found, key) {
        returned(key, slot, now);
    }
}

/// Whose flow may return: of TCP who is picked up in the middle, since a SYN begins another connection.
#[inline(always)]
pub fn may_return(proto: Proto, is_pickup: bool) -> bool {
    match proto {
        Proto::Udp => true,
        Proto::Tcp => is_pickup,
        _ => false,
    }
}

/// Counts an entry that is back. Verified on its own, so once.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn returned(key: u64, slot: u32, now: u32) -> u32 {
    let place = at(key);
    // SAFETY: in the table.
    let found = unsafe { place.read_volatile() };
    if let Some((timer, refreshed)) = grave::told(found) {
        // SAFETY: as above.
        unsafe { place.write_volatile(0) };
        rare::returned(slot, timer, now.wrapping_sub(refreshed));
    }
    0
}
