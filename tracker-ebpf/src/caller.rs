//! Who called the hooked function.

use aya_ebpf::{EbpfContext, helpers::generated::bpf_get_stack};
use tracker_common::Loss;

use crate::{
    config,
    maps::{FRAMES, STACK},
    tally,
};

/// Callers that tell why an entry died.
#[derive(Clone, Copy)]
pub enum Caller {
    /// The TCP tracker.
    TcpPacket,
    /// What makes room in a full table.
    Eviction,
    /// Nobody in particular.
    Other,
}

/// Who has called, by the first [`FRAMES`] of the stack.
#[inline(always)]
pub fn caller<C: EbpfContext>(ctx: &C) -> Caller {
    let Some(stack) = STACK.get_ptr_mut(0) else {
        return Caller::Other;
    };
    // SAFETY: this CPU's value; the size is that of the array.
    let length = unsafe {
        bpf_get_stack(
            ctx.as_ptr(),
            stack.cast(),
            size_of::<[u64; FRAMES]>() as u32,
            0,
        )
    };
    if length <= 0 {
        tally::loss(Loss::StackFailed);
        return Caller::Other;
    }
    match look(length as u32) {
        TCP_PACKET => Caller::TcpPacket,
        EVICTION => Caller::Eviction,
        _ => Caller::Other,
    }
}

/// [`look`]: the TCP tracker.
const TCP_PACKET: u32 = 1;
/// [`look`]: what makes room in a full table.
const EVICTION: u32 = 2;

/// Looks for a caller in the first so many bytes of the stack; 0 if there is nobody in particular.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn look(length: u32) -> u32 {
    let Some(stack) = STACK.get(0) else { return 0 };
    for (i, &address) in stack.iter().enumerate() {
        if i >= length as usize / 8 {
            break;
        }
        if within(
            address,
            config::TCP_PACKET_START.load(),
            config::TCP_PACKET_END.load(),
        ) {
            return TCP_PACKET;
        }
        if within(
            address,
            config::EARLY_DROP_START.load(),
            config::EARLY_DROP_END.load(),
        ) || within(
            address,
            config::GC_WORKER_START.load(),
            config::GC_WORKER_END.load(),
        ) {
            return EVICTION;
        }
    }
    0
}

#[inline(always)]
const fn within(address: u64, start: u64, end: u64) -> bool {
    start <= address && address < end
}
