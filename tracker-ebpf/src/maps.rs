//! The maps: for each who writes it, who reads it, what bounds it.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, PerCpuArray, PerCpuHashMap},
};
use tracker_common::{
    layout::{Counters, Histogram, HistogramId, Losses, Namespace, PortKey, PortUse},
    record::Record,
};

/// Frames of a call stack that are looked at.
pub const FRAMES: usize = 16;

/// Live entries by the address of their `struct nf_conn`. Written at insert and at the first
/// packet of an older entry, removed at death; user space reads the keys for a census. Bounded by
/// `nf_conntrack_max`, set at load; a full map is counted.
#[map]
pub static ENTRIES: HashMap<u64, Record> = HashMap::with_max_entries(1 << 16, 0);

/// Counters by slot of the namespace. Written by every program, read by user space.
#[map]
pub static COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(1, 0);

/// Histograms by slot times `HistogramId::COUNT` plus place. Written by every program, read by
/// user space when a counter says that it changed.
#[map]
pub static HISTOGRAMS: PerCpuArray<Histogram> =
    PerCpuArray::with_max_entries(HistogramId::COUNT as u32, 0);

/// One element. Written by every program, read by user space.
#[map]
pub static LOSSES: PerCpuArray<Losses> = PerCpuArray::with_max_entries(1, 0);

/// Watched namespaces by slot. Written by the programs when they meet one and when its timers
/// have changed; read by user space.
#[map]
pub static NAMESPACES: Array<Namespace> = Array::with_max_entries(1, 0);

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

/// Entries by destination port. Written at insert and death, read by user space now and then.
/// Ports beyond the bound are counted as lost.
#[map]
pub static PORTS: PerCpuHashMap<PortKey, PortUse> = PerCpuHashMap::with_max_entries(1 << 14, 0);

/// Room for the call stack of a death that is no expiry. Written and read by one program run.
#[map]
pub static STACK: PerCpuArray<[u64; FRAMES]> = PerCpuArray::with_max_entries(1, 0);
