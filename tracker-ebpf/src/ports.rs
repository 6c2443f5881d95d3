//! Who fills the table: entries by destination port.

use tracker_common::{
    Proto,
    layout::{PORT_BANK, PORT_PLACES, PORT_PROBES, PortKey, PortUse},
    record::Record,
};

use crate::maps::{self, PORTS};

/// Counts an insert; gives the flag of a record whose port has no place of its own.
#[inline(always)]
pub fn insert(slot: u32, proto: Proto, port: u16) -> u8 {
    let key = key(slot, proto, port);
    if let Some(used) = first(key) {
        used.inserts += 1;
        return 0;
    }
    count_port(key, INSERT) as u8
}

/// Counts the death of an entry that was seen inserted.
#[inline(always)]
pub fn death(record: &Record, proto: Proto, port: u16, lifetime_us: u64) {
    let slot = u32::from(record.slot);
    let key = if record.flags & Record::OTHER_PORT == 0 {
        key(slot, proto, port)
    } else {
        PortKey::other(slot).packed()
    };
    match first(key) {
        Some(used) => bury(used, lifetime_us),
        None => _ = count_port(key, lifetime_us),
    }
}

#[inline(always)]
fn bury(used: &mut PortUse, lifetime_us: u64) {
    used.deaths += 1;
    used.entry_us += lifetime_us;
}

/// In place of a lifetime: an insert.
const INSERT: u64 = u64::MAX;

/// Counts an insert, or the death after so long a life; [`Record::OTHER_PORT`] if the port has no
/// place of its own. Verified on its own, so once.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn count_port(key: u64, lifetime_us: u64) -> u32 {
    let own = find(key);
    let flag = if own.is_some() { 0 } else { Record::OTHER_PORT };
    if let Some(used) = own.or_else(|| other((key >> 16) as u16)) {
        if lifetime_us == INSERT {
            used.inserts += 1;
        } else {
            bury(used, lifetime_us);
        }
    }
    u32::from(flag)
}

#[inline(always)]
fn key(slot: u32, proto: Proto, port: u16) -> u64 {
    PortKey {
        slot: slot as u16,
        port,
        proto: proto as u32,
    }
    .packed()
}

/// This CPU's place for a key if it is the first that it may be in, as most are.
#[inline(always)]
fn first(key: u64) -> Option<&'static mut PortUse> {
    let place = PORTS.get_ptr_mut(maps::cpu() * PORT_BANK + PortKey::place(key))?;
    // SAFETY: as in `find`.
    let place = unsafe { &mut *place };
    (place.key == key).then_some(&mut place.used)
}

/// This CPU's place for a key; `None` if others have taken all that it may be in.
#[inline(always)]
fn find(key: u64) -> Option<&'static mut PortUse> {
    let bank = maps::cpu() * PORT_BANK;
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

/// This CPU's place for all of a namespace's ports that have none.
#[inline(always)]
fn other(slot: u16) -> Option<&'static mut PortUse> {
    let slot = u32::from(slot);
    let place = PORTS.get_ptr_mut(maps::cpu() * PORT_BANK + PORT_PLACES + slot)?;
    // SAFETY: as in `find`.
    let place = unsafe { &mut *place };
    place.key = PortKey::other(slot).packed();
    Some(&mut place.used)
}
