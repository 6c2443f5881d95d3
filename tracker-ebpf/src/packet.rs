//! A packet of a known connection, before it acts on its entry.

use aya_ebpf::EbpfContext;
use aya_log_ebpf::debug;
use tracker_common::{
    Cause, Proto, State, Timer,
    look::{Shown, has_fixed_timeout},
    record::{Origin, Record, Refresh, Sink},
    uapi::status,
};

use crate::{
    bank,
    entries::{self, Place},
    entry::{self, Entry, in_table},
    insert, look, ports,
    tally::{Shared, SharedKnown},
};

/// Entry of a protocol's packet function.
#[inline(always)]
pub fn packet<C: EbpfContext, const IN_PLACE: bool>(
    _: &C,
    entry: Entry<IN_PLACE>,
    proto: Proto,
) -> Option<()> {
    let bits = entry.status();
    if !in_table(bits) {
        // The packet that begins an entry comes here before the entry is in the table.
        return None;
    }
    let Some(mut place) = entries::find(entry.address()) else {
        unknown(entry, proto as u32);
        return None;
    };
    if !goes_on(entry, proto, bits, place.record) {
        known(entry, proto, &mut place, 0);
    }
    Some(())
}

/// A census's look at a living entry, where the hooks have been gone for `unhooked` jiffies: of an
/// entry refreshed since then nobody knows how often it was.
#[inline(always)]
pub fn census(entry: Entry<false>, unhooked: u32) -> Option<()> {
    if in_table(entry.status()) {
        let mut place = entries::find(entry.address())?;
        known(entry, entry.proto(), &mut place, unhooked);
    }
    Some(())
}

/// Takes in what has happened to an entry that has stayed in its state, if that is no more than a gap:
/// so it is with most packets.
#[inline(always)]
fn goes_on<const IN_PLACE: bool>(
    entry: Entry<IN_PLACE>,
    proto: Proto,
    bits: u64,
    record: &mut Record,
) -> bool {
    if has_fixed_timeout(bits)
        || !record.has_sysctls_timeout()
        || record.state != entry.state_id(proto, bits)
    {
        return false;
    }
    let now = bank::now();
    let is_same_jiffy = record.refreshed == now as u32;
    is_same_jiffy && is_quiet(entry, proto, record) || has_gap(entry, proto, bits, record, now)
}

/// The entry was looked at in this very jiffy, and what happened since then leaves no gap to count.
#[inline(always)]
fn is_quiet<const IN_PLACE: bool>(
    entry: Entry<IN_PLACE>,
    proto: Proto,
    record: &mut Record,
) -> bool {
    let armed = entry.timeout().wrapping_sub(record.refreshed);
    if matches!(proto, Proto::Tcp) && record.state == State::TcpEstablished as u8 {
        return rearm(entry, record, armed);
    }
    record.armed == armed
        && record.timer != Timer::Unknown as u8
        && record.timer != Timer::TcpMaxRetrans as u8
        && !entry.is_stuck(proto)
}

/// An established connection was armed in the same jiffy by the same timer or, as data and what
/// acknowledges it take turns, by another one that it was seen armed by; which is noted.
#[inline(always)]
fn rearm<const IN_PLACE: bool>(entry: Entry<IN_PLACE>, record: &mut Record, armed: u32) -> bool {
    // Others arm it only if they are shorter.
    if record.armed == armed && record.timer == Timer::TcpEstablished as u8 {
        return true;
    }
    let Some(bank) = bank::of(u32::from(record.slot)) else {
        return false;
    };
    let timer = if armed == bank.lengths[Timer::TcpEstablished.id()] {
        Timer::TcpEstablished
    } else if armed == bank.lengths[Timer::TcpUnacknowledged.id()] && !entry.is_stuck(Proto::Tcp) {
        Timer::TcpUnacknowledged
    } else {
        return false;
    };
    if record.epoch != bank.epoch || record.max_gap[timer.place()] == 0 {
        return false;
    }
    record.timer = timer as u8;
    record.armed = armed;
    true
}

/// Files the gap before the last refresh, if nothing else is to be noted and the timer is one that most
/// entries have.
#[inline(always)]
fn has_gap<const IN_PLACE: bool>(
    entry: Entry<IN_PLACE>,
    proto: Proto,
    bits: u64,
    record: &mut Record,
    now: u64,
) -> bool {
    let Some(bank) = bank::at(u32::from(record.slot), now) else {
        return false;
    };
    if bank.epoch != record.epoch {
        return false;
    }
    let Some(timer) = entry.usual_timer(proto, bits, bank) else {
        return false;
    };
    let known = if record.timer == timer as u8 {
        timer
    } else if let Some(other) = timer.alternate()
        && record.timer == other as u8
    {
        other
    } else {
        return false;
    };
    // Not what the record has: that may be the length before the last change.
    let armed = bank.lengths[timer.id()];
    let refreshed = entry.timeout().wrapping_sub(armed);
    let gap = refreshed.wrapping_sub(record.refreshed);
    // What is older than it can be, or lies ahead, is looked at closely.
    if gap > record.armed || (now as u32).wrapping_sub(refreshed) > armed {
        return false;
    }
    let seen = Refresh {
        timer,
        refreshed,
        armed,
    };
    record.goes_on(known, seen, gap, &mut SharedKnown::new(bank))
}

/// Brings a record up to date with its entry.
#[inline(always)]
fn known<const IN_PLACE: bool>(
    entry: Entry<IN_PLACE>,
    proto: Proto,
    place: &mut Place,
    unhooked: u32,
) {
    // If it is not, another CPU is about to.
    if place.record.is_shown() {
        catch_up(entry, proto, place, unhooked);
    }
}

/// In place of how long the hooks have been gone: the entry dies.
pub const DEATH: u32 = 1 << 31;

/// Takes what has happened since the last look into a record; gives the id of the timer that armed the entry.
#[inline(always)]
pub fn catch_up<const IN_PLACE: bool>(
    entry: Entry<IN_PLACE>,
    proto: Proto,
    place: &mut Place,
    how: u32,
) -> u8 {
    let Some(address) = place.address(entry.address()) else {
        return Timer::Unknown as u8;
    };
    let record = &mut *place.record;
    if record.flags & Record::CHECKED == 0 {
        record.flags |= entry.own_flags(proto);
    }
    let port = entry.port(proto);
    take_in(
        address,
        entry.shown(proto, entry.status()).packed(),
        u64::from(entry.timeout()) << 32 | u64::from(how),
        entry.gre_lengths(proto),
        (proto as u32) << 16 | u32::from(port),
    ) as u8
}

/// Takes in what the entry at an address shows ([`Shown::packed`]), given when it expires (upper half) and how it is
/// looked at: [`DEATH`], or the jiffies since the hooks went. `port` has the protocol's id in its upper half. Gives the
/// id of the timer that armed the entry. Verified on its own, so once.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn take_in(address: u64, shown: u64, when: u64, gre: u64, port: u32) -> u32 {
    let nothing = Timer::Unknown as u32;
    let Some(Place { record, .. }) = entries::find(address) else {
        return nothing;
    };
    let Some(bank) = bank::current(u32::from(record.slot)) else {
        return nothing;
    };
    let (timeout, how) = ((when >> 32) as u32, when as u32);
    let now = entry::now();
    let whose = (record.slot, record.flags, record.epoch);
    let shown = Shown::of(shown);
    let told = look::ask(shown, (timeout, now), whose, gre);
    let mut seen = told.seen(timeout, now);
    record.epoch = bank.epoch;
    let mut tally = Shared::new(bank);
    let proto = Proto::from_id((port >> 16) as usize).unwrap_or(Proto::Other);
    if how & DEATH != 0 && shown.is_reset_unanswered(timeout, now) {
        // The reset wrote the state and refreshed nothing.
        seen.timer = Timer::Unknown;
    } else if let Some(cause) = told.cause {
        tally.unattributed(cause);
        debug!(
            (),
            "entry to port {}: gap not attributed, cause {}", port as u16, cause as u8
        );
    }
    let armed = seen.timer as u32;
    if how & DEATH == 0 {
        if how != 0 && now.wrapping_sub(seen.refreshed) < how {
            seen.timer = Timer::Unknown;
        }
    } else if !entry::is_observed(proto) {
        // Refreshed by packets that no hook saw, no telling how often.
        // A clock that ticked between the refresh and the insert is none.
        let since = seen.refreshed.wrapping_sub(record.refreshed) as i32;
        if !matches!(seen.timer, Timer::Unknown) && since > 0 {
            tally.unattributed(Cause::Unobserved);
        }
        seen.timer = Timer::Unknown;
    }
    note(record, u64::from(shown.status));
    record.look(&seen, &mut tally);
    let slot = u32::from(record.slot);
    tally
        .news
        .note(slot, ports::key_of(record.flags, proto, port as u16));
    armed
}

/// While an entry is in a flowtable, and for one look after that, its timeout tells nothing.
#[inline(always)]
fn note(record: &mut Record, bits: u64) {
    if bits & (status::OFFLOAD | status::HW_OFFLOAD) != 0 {
        record.flags |= Record::SKIP;
    } else {
        record.flags &= !Record::SKIP;
    }
}

/// The first packet of an entry that is older than the watch. A function of its own for its stack.
#[inline(never)]
fn unknown<const IN_PLACE: bool>(entry: Entry<IN_PLACE>, proto: u32) {
    let now = entry::now();
    if entry.status() & status::NAT_CLASH != 0 {
        // It came into the table past the insert hook, and is told of at its death.
        return;
    }
    let proto = Proto::from_id(proto as usize).unwrap_or(Proto::Other);
    let Some((slot, bank)) = bank::find(entry.net()) else {
        return;
    };
    let own = entry.own_flags(proto);
    let epoch = bank.epoch;
    let (seen, cause) = entry.look(proto, own, (slot, epoch), now);
    let origin = Origin {
        slot: slot as u8,
        flags: own,
    };
    let mut tally = Shared::new(bank);
    if let Some(cause) = cause {
        tally.unattributed(cause);
    }
    insert::adopt(entry.address(), &seen, (origin, epoch), &mut tally);
    let port = ports::key_of(own, proto, entry.port(proto));
    tally.news.note(slot, port);
}
