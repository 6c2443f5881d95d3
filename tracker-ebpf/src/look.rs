//! What an entry tells, asked of numbers: so that what follows a look is verified once, and not for each way
//! to come to it.

use tracker_common::{
    Cause, State, Timer,
    look::{Shown, Told},
};

use crate::namespace;

/// What an entry tells that shows this, given its timeout and now; the slot of its namespace, the flags of its
/// record, and the epoch in which it was last seen; and GRE's copies of its timers, the stream's in the lower half.
#[inline(always)]
pub fn ask(
    shown: Shown,
    (timeout, now): (u32, u32),
    (slot, flags, epoch): (u8, u8, u32),
    gre: u64,
) -> Told {
    let whose = u64::from(epoch) << 32 | u64::from(flags) << 8 | u64::from(slot);
    told(tell(
        shown.packed(),
        u64::from(timeout) << 32 | u64::from(now),
        whose,
        gre,
    ))
}

/// What [`tell`] gives.
#[inline(always)]
fn told(packed: u64) -> Told {
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

/// [`ask`] in words: [`Shown::packed`], and the first of a pair in the upper half. Gives [`Told::packed`]. Verified on its own, so once.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn tell(shown: u64, times: u64, whose: u64, gre: u64) -> u64 {
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
