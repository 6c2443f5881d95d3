//! What user space tells the programs before they are loaded: frozen, so that the verifier knows
//! the values and prunes what does not apply.

use aya_ebpf::Global;
use tracker_common::{CONTRACT_VERSION, Timer, histogram::PLACED, layout::ABSENT};

use crate::asm;

macro_rules! globals {
    ($($(#[doc = $doc:literal])* $name:ident: $type:ty = $default:expr;)*) => {
        $($(#[doc = $doc])* #[unsafe(no_mangle)] pub static $name: Global<$type> = Global::new($default);)*
    };
}

globals! {
    /// Named after the version of the contract: user space looks for its own, and refuses an
    /// object that has another.
    CONTRACT_4: u32 = CONTRACT_VERSION;

    /// Bytes of a `struct nf_conn` in which all fields are.
    READ_SIZE: u32 = 8;
    /// 1: entries have a GRE tracker's copy of the timers.
    HAS_GRE: u32 = 0;
    /// 1: entries have an SCTP tracker's state.
    HAS_SCTP: u32 = 0;
    /// Offset into `struct nf_ct_ext` of the byte that says whether there is a timeout policy.
    EXT_TIMEOUT: u32 = ABSENT;

    // Offsets into `struct net`.
    NET_INUM: u32 = 0;
    /// Where its timers and the like begin, and how many bytes of them are read.
    NET_SETTINGS: u32 = 0;
    NET_SETTINGS_SIZE: u32 = 4;

    // Offsets into these settings.
    NET_TCP_MAX_RETRANS: u32 = 0;
    /// Offset of the length of each timer.
    NET_TIMERS: [u32; Timer::SLOTS] = [ABSENT; Timer::SLOTS];

    /// Length of a jiffy in 1/1024 µs.
    TICK: u32 = 4_096_000;
    /// Bucket of each of the first numbers of jiffies.
    BUCKET_OF: [u16; PLACED] = [0; PLACED];
    /// Groups of live entries; 0 if the kernel has no instruction to take a place in one, or entries are few.
    GROUPS: u32 = 0;
    /// Banks of the maps: one more than the highest number of a CPU.
    CPUS: u32 = 1;
    /// 1: namespaces that are not in the map `SCOPE` are in scope too.
    SCOPE_ALL: u32 = 0;
    /// Slots for namespaces.
    NAMESPACE_SLOTS: u32 = 1;
    /// The first ones of them are given away, in the map `SCOPE`.
    NAMESPACES_GIVEN: u32 = 1;
    /// A bit for each `Proto` whose packets have a hook.
    OBSERVED: u32 = 0;

    // Where these functions of the kernel begin and end; 0 if not known.
    TCP_PACKET_START: u64 = 0;
    TCP_PACKET_END: u64 = 0;
    EARLY_DROP_START: u64 = 0;
    EARLY_DROP_END: u64 = 0;
    GC_WORKER_START: u64 = 0;
    GC_WORKER_END: u64 = 0;
}

const _: () = assert!(CONTRACT_VERSION == 4, "rename CONTRACT_4 with the version");

/// Bucket of a number of jiffies, if it is in the table.
#[inline(always)]
pub fn bucket_of(jiffies: u32) -> Option<usize> {
    if jiffies as usize >= PLACED {
        return None;
    }
    let base = (&raw const BUCKET_OF).cast::<u16>();
    let index = asm::below::<{ PLACED as i32 }>(u64::from(jiffies));
    // SAFETY: in the array, which is a plain array behind `Global`.
    Some(usize::from(unsafe { base.add(index).read_volatile() }))
}

/// Offset of the length of a timer among the settings, by the timer's id.
#[inline(always)]
pub fn timer_offset(id: usize) -> u32 {
    let base = (&raw const NET_TIMERS).cast::<u32>();
    // SAFETY: the index is masked to the array, which is a plain array behind `Global`.
    unsafe { base.add(id & (Timer::SLOTS - 1)).read_volatile() }
}
