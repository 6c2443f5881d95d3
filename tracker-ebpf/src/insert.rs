//! An entry enters the table.

use aya_ebpf::EbpfContext;
use aya_log_ebpf::warn;
use tracker_common::{
    Cause, Loss, Proto, Timer,
    layout::Bank,
    record::{Origin, Record, Seen, Sink},
};

use crate::{
    bank,
    entries::{self, Place},
    entry::{self, Entry, blank},
    ports,
    tally::{self, Alone, Tally},
};

/// Entry of `__nf_conntrack_hash_insert`: tuple, state and absolute timeout are final.
#[inline(always)]
pub fn insert<C: EbpfContext, const IN_PLACE: bool>(ctx: &C, entry: Entry<IN_PLACE>) -> Option<()> {
    let (slot, bank) = bank::find(entry.net())?;
    // What is known of a protocol is left out: most entries are of these two.
    match entry.proto() {
        Proto::Udp => enters(ctx, entry, Proto::Udp, slot, bank),
        Proto::Tcp => enters(ctx, entry, Proto::Tcp, slot, bank),
        proto => other(ctx, entry, proto as u32, slot, bank),
    };
    Some(())
}

/// [`enters`], of any protocol.
#[inline(never)]
fn other<C: EbpfContext, const IN_PLACE: bool>(
    ctx: &C,
    entry: Entry<IN_PLACE>,
    proto: u32,
    slot: u32,
    bank: &mut Bank,
) {
    let proto = Proto::from_id(proto as usize).unwrap_or(Proto::Other);
    enters(ctx, entry, proto, slot, bank);
}

#[inline(always)]
fn enters<C: EbpfContext, const IN_PLACE: bool>(
    ctx: &C,
    entry: Entry<IN_PLACE>,
    proto: Proto,
    slot: u32,
    bank: &mut Bank,
) {
    let now = entry::now();
    let own = if entry.has_policy() {
        Record::POLICY
    } else {
        0
    };
    let mut seen = blank(now);
    let lengths = entry::lengths(bank);
    let cause = entry.look(proto, own, bank.max_retrans, lengths, &mut seen);
    let origin = Origin {
        slot: slot as u8,
        flags: own,
        epoch: bank.epoch,
    };
    let mut tally = Alone::new(bank);
    if let Some(cause) = cause {
        tally.unattributed(cause);
    } else if now.wrapping_sub(seen.refreshed) > 1 {
        // Created by hand, with a timeout of its own.
        seen.timer = Timer::Unknown;
        tally.unattributed(Cause::Inconsistent);
    }
    if !entry::is_observed(proto) {
        // Its gaps will not be seen, so it must not count as one without any.
        seen.timer = Timer::Unknown;
    }
    tally.insert(proto, entry.is_pickup(proto, seen.state));
    let other = ports::insert(slot, proto, entry.port(proto));
    let Some(mut place) = take(ctx, entry.address()) else {
        tally.entered(seen.state);
        return;
    };
    let origin = Origin {
        flags: own | other,
        ..origin
    };
    place.record.insert(&seen, origin, &mut tally);
    place.show(entry.address());
}

/// Begins the record of an entry that is older than the watch.
#[inline(always)]
pub fn adopt<C: EbpfContext, const SHARED: bool>(
    ctx: &C,
    address: u64,
    seen: &Seen,
    origin: Origin,
    tally: &mut Tally<'_, SHARED>,
) {
    if let Some(mut place) = take(ctx, address) {
        place.record.adopt(seen, origin, tally);
        place.show(address);
    }
}

/// Takes a place for a record; a lack of room is counted.
#[inline(always)]
fn take<C: EbpfContext>(ctx: &C, address: u64) -> Option<Place> {
    let place = entries::take(address);
    if place.is_none() {
        tally::loss(Loss::MapFull);
        if tally::losses(Loss::MapFull) == 1 {
            warn!(
                ctx,
                "the map of live entries is full: lives are lost from now on"
            );
        }
    }
    place
}
