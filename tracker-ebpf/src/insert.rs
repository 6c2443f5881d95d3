//! An entry enters the table.

use aya_ebpf::{EbpfContext, helpers::bpf_ktime_get_ns};
use tracker_common::{Cause, Timer, record::Sink};

use crate::{
    entry::{self, Entry},
    life, namespace, ports,
    tally::Tally,
};

/// Entry of `__nf_conntrack_hash_insert`: tuple, state and absolute timeout are final.
#[inline(always)]
pub fn insert<C: EbpfContext>(ctx: &C, address: u64) -> Option<()> {
    let entry = Entry::read(address, None)?;
    let now = entry::now();
    let (slot, current) = namespace::find(entry.net, now)?;
    let mut tally = Tally::of(slot)?;
    let flags = entry.flags();
    let (mut seen, cause) = entry.look(None, slot, (flags, current), now);
    if let Some(cause) = cause {
        tally.unattributed(cause);
    } else if now - seen.refreshed > 1 {
        // Created by hand, with a timeout of its own.
        seen.timer = Timer::Unknown;
        tally.unattributed(Cause::Inconsistent);
    }
    if !entry.is_observed() {
        // Its gaps will not be seen, so it must not count as one without any.
        seen.timer = Timer::Unknown;
    }
    // SAFETY: a helper without arguments.
    let now_ns = unsafe { bpf_ktime_get_ns() };
    life::begin(
        ctx,
        address,
        &seen,
        life::Place::new(slot, flags, current),
        now_ns,
    );
    tally.insert(entry.proto(), entry.is_pickup());
    ports::insert(&entry, slot);
    Some(())
}
