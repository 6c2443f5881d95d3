//! An entry enters the table.

use aya_ebpf::EbpfContext;
use aya_log_ebpf::warn;
use tracker_common::{
    Cause, Loss, Proto, Timer,
    layout::{Bank, Usual},
    look,
    record::{Origin, Seen, Sink, Uncounted},
    uapi::status,
};

use crate::{
    bank,
    entries::{self, Place},
    entry::{self, Entry},
    graves, ports, strata,
    tally::{self, Alone, Known, Tally},
};

/// Jiffies that may pass from the arming of an entry to its insert, if its CPU is held up meanwhile. Less
/// than a second, at any length of a jiffy: what is made by hand or by a policy is off by whole seconds.
const LATE: u32 = 25;

/// Entry of `__nf_conntrack_hash_insert`: tuple, state and absolute timeout are final.
#[inline(always)]
pub fn insert<C: EbpfContext, const IN_PLACE: bool>(_: &C, entry: Entry<IN_PLACE>) -> Option<()> {
    let (slot, bank) = bank::find(entry.net())?;
    let proto = entry.proto();
    let begins = match proto {
        Proto::Udp => begins(entry, Proto::Udp, slot, bank),
        Proto::Tcp => begins(entry, Proto::Tcp, slot, bank),
        _ => None,
    };
    if begins.is_none() {
        enters(entry, proto as u32, slot, bank);
    }
    Some(())
}

/// Counts an entry that begins as most do: by a packet of a new connection, under the timer of its
/// first state, with a free place for its record. `None` if it is another, and then nothing was done.
#[inline(always)]
fn begins<const IN_PLACE: bool>(
    entry: Entry<IN_PLACE>,
    proto: Proto,
    slot: u32,
    bank: &mut Bank,
) -> Option<()> {
    let (state, timer) = Usual::beginning(proto)?;
    let bits = entry.status();
    if bits & (status::SEEN_REPLY | status::ASSURED) != 0
        || look::has_fixed_timeout(bits)
        || (matches!(proto, Proto::Tcp) && !entry.is_in(state))
    {
        return None;
    }
    // A timer that is shorter than the state's, or a timeout made by hand or by a policy, shows here. A
    // policy that is as long as the timer shows at the next look.
    let now = entry::now();
    let armed = bank.lengths[timer.id()];
    let refreshed = entry.timeout().wrapping_sub(armed);
    if now.wrapping_sub(refreshed) > LATE {
        return None;
    }
    let mut place = entries::take_free(entry.address())?;
    if matches!(proto, Proto::Udp) {
        let key = entry.flow(proto, slot);
        place.keep_flow(key);
        graves::ask(key, slot, refreshed);
    }
    let flags = ports::insert(bank, slot, proto, entry.port(proto));
    let seen = Seen {
        state,
        timer,
        refreshed,
        armed,
        now,
    };
    let origin = Origin {
        slot: slot as u8,
        flags,
    };
    let epoch = bank.epoch;
    Known::new(bank).begun(proto);
    place.record.insert(&seen, origin, &mut Uncounted);
    place.show(entry.address(), epoch);
    Some(())
}

/// Counts any entry.
#[inline(never)]
fn enters<const IN_PLACE: bool>(entry: Entry<IN_PLACE>, proto: u32, slot: u32, bank: &mut Bank) {
    let proto = Proto::from_id(proto as usize).unwrap_or(Proto::Other);
    let now = entry::now();
    let own = entry.own_flags(proto);
    let epoch = bank.epoch;
    let (mut seen, cause) = entry.look(proto, own, (slot, epoch), now);
    let origin = Origin {
        slot: slot as u8,
        flags: own,
    };
    let port = entry.port(proto);
    let other = ports::insert(bank, slot, proto, port);
    let key = ports::key_of(other, proto, port);
    let mut tally = Alone::new(bank);
    if let Some(cause) = cause {
        tally.unattributed(cause);
    } else if now.wrapping_sub(seen.refreshed) > LATE {
        // Created by hand, with a timeout of its own.
        seen.timer = Timer::Unknown;
        tally.unattributed(Cause::Inconsistent);
    }
    if !entry::is_observed(proto) {
        // Its gaps will not be seen, so it must not count as one without any.
        seen.timer = Timer::Unknown;
    }
    let is_pickup = entry.is_pickup(proto, seen.state);
    tally.insert(proto, is_pickup);
    let mut flow = 0;
    if graves::may_return(proto, is_pickup) {
        flow = entry.flow(proto, slot);
        graves::ask(flow, slot, now);
    }
    let Some(mut place) = take(entry.address()) else {
        tally.entered(seen.state);
        strata::begun(slot, key, proto, None);
        return;
    };
    if matches!(proto, Proto::Udp) {
        place.keep_flow(flow);
    }
    let origin = Origin {
        flags: own | other,
        ..origin
    };
    place.record.insert(&seen, origin, &mut tally);
    place.show(entry.address(), epoch);
    let is_known = !matches!(seen.timer, Timer::Unknown);
    strata::begun(slot, key, proto, is_known.then_some(seen.timer));
}

/// Begins the record of an entry that is older than the watch, in an epoch.
#[inline(always)]
pub fn adopt<const SHARED: bool, const KNOWN: bool>(
    address: u64,
    seen: &Seen,
    (origin, epoch): (Origin, u32),
    tally: &mut Tally<'_, SHARED, KNOWN>,
) {
    if let Some(mut place) = take(address) {
        place.record.adopt(seen, origin, tally);
        place.show(address, epoch);
    }
}

/// Takes a place for a record; a lack of room is counted.
#[inline(always)]
fn take(address: u64) -> Option<Place> {
    let place = entries::take(address);
    if place.is_none() {
        count_full();
    }
    place
}

/// Counts a lack of room, and tells of the first. Verified on its own, so once.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn count_full() -> u32 {
    tally::loss(Loss::MapFull);
    if tally::losses(Loss::MapFull) == 1 {
        warn!(
            (),
            "the map of live entries is full: lives are lost from now on"
        );
    }
    0
}
