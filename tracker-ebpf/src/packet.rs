//! A packet of a known connection, before it acts on its entry.

use aya_ebpf::EbpfContext;
use aya_log_ebpf::debug;
use tracker_common::{
    Cause, Proto, Timer,
    record::{Record, Sink},
    uapi::status,
};

use crate::{
    entry::{self, Entry},
    life,
    maps::ENTRIES,
    namespace,
    tally::Tally,
};

/// Entry of a protocol's packet function.
#[inline(always)]
pub fn packet<C: EbpfContext>(ctx: &C, address: u64, proto: Option<Proto>) -> Option<()> {
    look(ctx, address, proto, 0)
}

/// [`packet`], and a census's look at a living entry, where the hooks have been gone for
/// `unhooked` jiffies: of an entry refreshed since then nobody knows how often it was.
#[inline(always)]
pub fn look<C: EbpfContext>(
    ctx: &C,
    address: u64,
    proto: Option<Proto>,
    unhooked: u64,
) -> Option<()> {
    let entry = Entry::read(address, proto)?;
    if !entry.in_table() {
        // The packet that begins an entry comes here before the entry is in the table.
        let (slot, _) = namespace::find(entry.net, entry::now())?;
        Tally::of(slot)?.unattributed(Cause::Unconfirmed);
        return None;
    }
    // SAFETY: a record is written by the programs that its packets and its death run, one at a
    // time but for packets of one connection on two CPUs, where a look may be lost to the other.
    match ENTRIES
        .get_ptr_mut(address)
        .map(|record| unsafe { &mut *record })
    {
        Some(record) => known(ctx, proto, &entry, record, unhooked),
        None => unknown(ctx, address, proto, &entry),
    }
}

/// Brings a record up to date with its entry.
#[inline(always)]
fn known<C: EbpfContext>(
    ctx: &C,
    proto: Option<Proto>,
    entry: &Entry,
    record: &mut Record,
    unhooked: u64,
) -> Option<()> {
    let now = entry::now();
    let current = namespace::epoch(u32::from(record.slot), now)?;
    let stuck = entry.is_stuck(proto);
    if !record.is_current(entry.timeout, entry.state_alone(proto), stuck) {
        refreshed(ctx, proto, entry, record, unhooked);
    }
    if record.epoch != current {
        record.epoch = current;
    }
    Some(())
}

/// Takes in what has happened since the last look. A function of its own for its stack.
#[inline(never)]
fn refreshed<C: EbpfContext>(
    ctx: &C,
    proto: Option<Proto>,
    entry: &Entry,
    record: &mut Record,
    unhooked: u64,
) {
    let slot = u32::from(record.slot);
    let Some(mut tally) = Tally::of(slot) else {
        return;
    };
    let now = entry::now();
    let (mut seen, cause) = entry.look(proto, slot, (record.flags, record.epoch), now);
    if let Some(cause) = cause {
        tally.unattributed(cause);
        debug!(
            ctx,
            "entry to port {}: gap not attributed, cause {}",
            entry.port(),
            cause as u8
        );
    }
    if unhooked != 0 && now - seen.refreshed < unhooked {
        seen.timer = Timer::Unknown;
    }
    note(record, entry.status);
    record.look(&seen, &mut tally);
}

/// While an entry is in a flowtable, and for one look after that, its timeout tells nothing.
#[inline(always)]
fn note(record: &mut Record, bits: u64) {
    if bits & (status::OFFLOAD | status::HW_OFFLOAD) != 0 {
        record.flags |= Record::SKIP;
    } else if record.flags & Record::SKIP != 0 {
        record.flags &= !Record::SKIP;
    }
}

/// The first packet of an entry that is older than the watch.
#[inline(always)]
fn unknown<C: EbpfContext>(
    ctx: &C,
    address: u64,
    proto: Option<Proto>,
    entry: &Entry,
) -> Option<()> {
    let now = entry::now();
    let (slot, current) = namespace::find(entry.net, now)?;
    let flags = entry.flags();
    let (seen, cause) = entry.look(proto, slot, (flags, current), now);
    if let Some(cause) = cause {
        Tally::of(slot)?.unattributed(cause);
    }
    life::begin(
        ctx,
        address,
        &seen,
        life::Place::new(slot, flags, current),
        0,
    );
    Some(())
}
