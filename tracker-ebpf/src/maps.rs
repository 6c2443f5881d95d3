//! The maps: for each who writes it, who reads it, what bounds it.
//!
//! What user space reads while the programs are attached is in arrays that it maps into its
//! memory: while a task reads a map by a system call, the kernel skips every program of a kprobe
//! that would run on that CPU. In such an array each CPU has a bank of its own.

use aya_ebpf::{
    helpers::bpf_get_smp_processor_id,
    macros::map,
    maps::{Array, HashMap, PerCpuArray},
};
use tracker_common::{
    layout::{Bank, ENTRY_BYTES, Gaps, Group, Losses, Namespace, Rare},
    record::Record,
};

/// Frames of a call stack that are looked at.
pub const FRAMES: usize = 10;

/// `BPF_F_MMAPABLE`.
const MAPPED: u32 = 1 << 10;

/// Live entries: [`crate::entries`] says which is where. Written at insert and at the first packet of
/// an older entry, removed at death; user space reads the keys for a census. Set at
/// load; who finds no place goes into `OVERFLOW`.
#[map]
pub static ENTRIES: Array<Group> = Array::with_max_entries(1, MAPPED);

/// Live entries that find no place in `ENTRIES`, by the address of their `struct nf_conn`. Set at
/// load; a full map is counted.
#[map]
pub static OVERFLOW: HashMap<u64, Record> = HashMap::with_max_entries(1 << 16, 0);

/// Counters, histograms and ports by slot of the namespace and CPU. Written by every program, read by
/// user space: the counters always, a histogram when a counter says that it changed, the ports now and
/// then.
#[map]
pub static BANKS: Array<Bank> = Array::with_max_entries(1, MAPPED);

/// Long gaps by destination port, by slot of the namespace. Written when an entry's longest gap rises to a
/// second or more, read by user space with the ports; a full table is counted.
#[map]
pub static GAPS: Array<Gaps> = Array::with_max_entries(1, MAPPED);

/// What all CPUs count in one place, by slot of the namespace. Written when an expired entry returns, and by
/// the census; read by user space.
#[map]
pub static RARE: Array<Rare> = Array::with_max_entries(1, MAPPED);

/// By CPU. Written by every program, read by user space.
#[map]
pub static LOSSES: Array<Losses> = Array::with_max_entries(1, MAPPED);

/// Watched namespaces by slot. Written by the programs when they meet one and when its timers
/// have changed; read by user space.
#[map]
pub static NAMESPACES: Array<Namespace> = Array::with_max_entries(1, MAPPED);

/// Slot, or `OUT_OF_SCOPE`, by the address of a `struct net`. Written when one is first met.
#[map]
pub static SLOTS: HashMap<u64, u32> = HashMap::with_max_entries(4096, 0);

/// Owner (address of a `struct net`) of each slot: the place where a slot is claimed.
#[map]
pub static OWNERS: HashMap<u32, u64> =
    HashMap::with_max_entries(tracker_common::layout::MAX_NAMESPACES, 0);

/// Slot by inode number of the namespaces that are in scope from the start. Written by user space.
#[map]
pub static SCOPE: HashMap<u32, u32> =
    HashMap::with_max_entries(tracker_common::layout::MAX_NAMESPACES, 0);

/// Room for the call stack of a death that is no expiry. Written and read by one program run.
#[map]
pub static STACK: PerCpuArray<[u64; FRAMES]> = PerCpuArray::with_max_entries(1, 0);

/// Room for the copy of an entry that may not be read in place. Written and read by one program run.
#[map]
pub static COPY: PerCpuArray<[u64; ENTRY_BYTES / 8]> = PerCpuArray::with_max_entries(1, 0);

/// Bytes of [`TEXT`]: no kernel's pages are smaller, so that either all of them can be read or none.
pub const TEXT_BYTES: usize = 4096;

/// A piece of the kernel's machine code. Written by `text`, read by user space after each run,
/// before any hook is there.
#[map]
pub static TEXT: Array<[u8; TEXT_BYTES]> = Array::with_max_entries(1, 0);

/// This CPU's number.
#[inline(always)]
pub fn cpu() -> u32 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_get_smp_processor_id() }
}
