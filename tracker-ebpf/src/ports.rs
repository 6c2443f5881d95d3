//! Who fills the table: entries by destination port.

use tracker_common::{
    Proto, Timer,
    layout::{Bank, PORT_PLACES, PORT_PROBES, PortKey, PortUse, Ports, Usual},
    record::Record,
};

use crate::{asm, bank};

/// Counts an insert; gives the flag of a record whose port has no place of its own.
#[inline(always)]
pub fn insert(bank: &mut Bank, slot: u32, proto: Proto, port: u16) -> u8 {
    let key = key(proto, port);
    if let Some(used) = first(&mut bank.ports, key) {
        used.inserts += 1;
        return 0;
    }
    count_port(slot, key, INSERT) as u8
}

/// Counts the death of an entry that was seen inserted.
#[inline(always)]
pub fn death(bank: &mut Bank, record: &Record, proto: Proto, port: u16, lifetime_us: u64) {
    let key = key_of(record.flags, proto, port);
    match first(&mut bank.ports, key) {
        Some(used) => bury(used, lifetime_us),
        None => _ = count_port(u32::from(record.slot), key, lifetime_us),
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
extern "C" fn count_port(slot: u32, key: u64, lifetime_us: u64) -> u32 {
    let Some(bank) = bank::of(slot) else {
        return 0;
    };
    let (used, flag) = match find(&bank.ports, key) {
        Some(place) => {
            let place = &mut bank.ports.places[place % PORT_PLACES];
            place.key = key;
            (&mut place.used, 0)
        }
        None => {
            let proto = Proto::from_id(usize::from((key >> 16) as u16));
            if lifetime_us == INSERT
                && let Some((_, timer)) = proto.and_then(Usual::beginning)
            {
                let armed = &mut bank.ports.others_armed[timer.id()];
                *armed = armed.wrapping_add(1);
            }
            (&mut bank.ports.others, Record::OTHER_PORT)
        }
    };
    if lifetime_us == INSERT {
        used.inserts += 1;
    } else {
        bury(used, lifetime_us);
    }
    u32::from(flag)
}

/// Adds to the entries to a port ([`key_of`]) that a timer, given by its id, was first seen to arm. Verified on
/// its own, so once.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn arm(slot: u32, key: u64, timer: u32, entries: u32) -> u32 {
    let (Some(bank), Some(timer)) = (bank::of(slot), Timer::from_id(timer as usize)) else {
        return 0;
    };
    let armed = match find(&bank.ports, key) {
        Some(place) => {
            bank.ports.places[place % PORT_PLACES].key = key;
            let timer = asm::below::<{ Timer::PER_ENTRY as i32 }>(timer.place() as u64);
            // SAFETY: below the array's length, which the compiler does not know.
            unsafe {
                bank.ports.armed[place % PORT_PLACES]
                    .as_mut_ptr()
                    .add(timer)
            }
        }
        None => {
            let timer = asm::hidden(timer.id() as u64) as usize & (Timer::SLOTS - 1);
            &raw mut bank.ports.others_armed[timer]
        }
    };
    // SAFETY: a counter of a map, aligned.
    unsafe { asm::add_u32(armed, entries) };
    0
}

/// The place for a key, taken or free; `None` if others have taken all that it may be in.
#[inline(always)]
fn find(ports: &Ports, key: u64) -> Option<usize> {
    if key == PortKey::OTHERS.packed() {
        return None;
    }
    let start = PortKey::place(key);
    (start..start + PORT_PROBES)
        .map(|place| place % PORT_PLACES)
        .find(|&place| ports.places[place].key == 0 || ports.places[place].key == key)
}

/// Where an entry's port is counted, by the flags of its record.
#[inline(always)]
pub fn key_of(flags: u8, proto: Proto, port: u16) -> u64 {
    if flags & Record::OTHER_PORT == 0 {
        key(proto, port)
    } else {
        PortKey::OTHERS.packed()
    }
}

#[inline(always)]
fn key(proto: Proto, port: u16) -> u64 {
    PortKey {
        port,
        proto: proto as u16,
    }
    .packed()
}

/// The place for a key if it is the first that it may be in, as most are.
#[inline(always)]
fn first(ports: &mut Ports, key: u64) -> Option<&mut PortUse> {
    let place = &mut ports.places[PortKey::place(key)];
    (place.key == key).then_some(&mut place.used)
}
