//! The record of a living entry is begun.

use aya_ebpf::EbpfContext;
use aya_log_ebpf::warn;
use tracker_common::{
    Loss,
    record::{Record, Seen},
};

use crate::{
    maps::ENTRIES,
    tally::{self, Tally},
};

/// What a record says of its namespace, and of policies, in one number.
#[derive(Clone, Copy)]
pub struct Place(u64);

impl Place {
    /// Slot of the namespace, flags of the record, epoch of the namespace.
    #[inline(always)]
    pub fn new(slot: u32, flags: u8, epoch: u32) -> Self {
        Self(u64::from(epoch) << 32 | u64::from(flags) << 8 | u64::from(slot))
    }
}

/// Begins the record of an entry; `born_ns` is 0 for one that is older than the watch.
#[inline(always)]
pub fn begin<C: EbpfContext>(ctx: &C, address: u64, seen: &Seen, place: Place, born_ns: u64) {
    if keep(address, seen, place.0, born_ns) == 0 {
        return;
    }
    tally::loss(Loss::MapFull);
    if tally::losses(Loss::MapFull) == 1 {
        warn!(
            ctx,
            "the map of live entries is full: lives are lost from now on"
        );
    }
}

/// Not 0 if there is no room. A function of its own, so that the record is not on the stack while
/// the entry is read.
#[inline(never)]
fn keep(address: u64, seen: &Seen, place: u64, born_ns: u64) -> u32 {
    let slot = place as u8;
    let Some(mut tally) = Tally::of(u32::from(slot)) else {
        return 0;
    };
    let mut record = if born_ns == 0 {
        Record::adopted(seen, &mut tally)
    } else {
        Record::inserted(seen, born_ns, &mut tally)
    };
    record.slot = slot;
    record.flags = (place >> 8) as u8;
    record.epoch = (place >> 32) as u32;
    u32::from(ENTRIES.insert(address, &record, 0).is_err())
}
