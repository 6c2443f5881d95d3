//! What an entry tells, asked of numbers: so that what follows a look is verified once, and not for each way
//! to come to it.

use tracker_common::{
    Cause, State, Timer,
    look::{Shown, Told},
    record::Record,
};

use crate::namespace;

/// What an entry with this record tells: [`tell`], given its timeout and now.
#[inline(always)]
pub fn at(shown: u64, (timeout, now): (u32, u32), record: &Record, gre: u64) -> Told {
    let whose =
        u64::from(record.epoch) << 32 | u64::from(record.flags) << 8 | u64::from(record.slot);
    let times = u64::from(timeout) << 32 | u64::from(now);
    told(tell(shown, times, whose, gre))
}

/// What [`tell`] gives.
#[inline(always)]
pub fn told(packed: u64) -> Told {
    let [a, b, c, d, state, timer, cause, _] = packed.to_le_bytes();
    Told {
        // SAFETY: the id of a state. To look it up among all is to have the verifier follow more.
        state: unsafe { core::mem::transmute::<u8, State>(state) },
        // SAFETY: likewise.
        timer: unsafe { core::mem::transmute::<u8, Timer>(timer) },
        armed: u32::from_le_bytes([a, b, c, d]),
        cause: Cause::from_id(cause as usize),
    }
}

/// [`Shown::tell`] in words: [`Shown::packed`]; timeout (upper half) and now; the epoch in which the entry was
/// last seen (upper half), flags of its record (second byte) and slot of its namespace (first); GRE's
/// copies of its timers (the stream's in the lower half). Gives [`Told::packed`].
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn tell(shown: u64, times: u64, whose: u64, gre: u64) -> u64 {
    let shown = Shown::of(shown);
    let Some(namespace) = namespace::peek(whose as u8 as u32) else {
        return Told::NOTHING.packed();
    };
    let epoch = (whose >> 32) as u32;
    let length = |timer| match timer {
        Timer::Gre => Some((gre >> 32) as u32),
        Timer::GreStream => Some(gre as u32),
        _ => namespace::length(namespace, timer, epoch),
    };
    let max_retrans = namespace.max_retrans as u8;
    let times = ((times >> 32) as u32, times as u32);
    let told = shown.tell((whose >> 8) as u8, times, max_retrans, length);
    told.packed()
}
