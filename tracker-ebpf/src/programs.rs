//! The programs: each takes the entry's address from its first argument and hands over.
//!
//! Every hook has three: a fentry and a kprobe, which read the entry in place, and a kprobe that reads a
//! copy. User space loads what the kernel takes.

use aya_ebpf::{
    helpers::generated::bpf_probe_read_kernel,
    macros::{fentry, kprobe, raw_tracepoint},
    programs::{FEntryContext, ProbeContext, RawTracePointContext},
};
use tracker_common::Proto;

use crate::{
    death,
    entry::Entry,
    insert,
    maps::{TEXT, TEXT_BYTES},
    packet,
};

macro_rules! hooks {
    ($($copy:ident, $kprobe:ident, $fentry:ident => $function:path $(, $proto:ident)?;)*) => {
        $(
            #[kprobe]
            fn $copy(ctx: ProbeContext) -> u32 {
                if let Some(entry) = ctx.arg::<u64>(0).and_then(Entry::read) {
                    $function(&ctx, entry $(, Proto::$proto)?);
                }
                0
            }

            #[kprobe]
            fn $kprobe(ctx: ProbeContext) -> u32 {
                if let Some(entry) = ctx.arg::<u64>(0).map(Entry::cast) {
                    $function(&ctx, entry $(, Proto::$proto)?);
                }
                0
            }

            #[fentry]
            fn $fentry(ctx: FEntryContext) -> i32 {
                $function(&ctx, Entry::in_place(ctx.arg(0)) $(, Proto::$proto)?);
                0
            }
        )*
    };
}

hooks! {
    insert_copy, insert_kprobe, insert_fentry => insert::insert;
    tcp_packet_copy, tcp_packet_kprobe, tcp_packet_fentry => packet::packet, Tcp;
    udp_packet_copy, udp_packet_kprobe, udp_packet_fentry => packet::packet, Udp;
    udplite_packet_copy, udplite_packet_kprobe, udplite_packet_fentry => packet::packet, Udplite;
    icmp_packet_copy, icmp_packet_kprobe, icmp_packet_fentry => packet::packet, Icmp;
    icmpv6_packet_copy, icmpv6_packet_kprobe, icmpv6_packet_fentry => packet::packet, Icmpv6;
    gre_packet_copy, gre_packet_kprobe, gre_packet_fentry => packet::packet, Gre;
    sctp_packet_copy, sctp_packet_kprobe, sctp_packet_fentry => packet::packet, Sctp;
    destroy_copy, destroy_kprobe, destroy_fentry => death::leaves;
    deleted_copy, deleted_kprobe, deleted_fentry => death::deleted;
    freed_copy, freed_kprobe, freed_fentry => death::freed;
}

/// Run by user space for each living entry at the end of a watch, with the jiffies since the first
/// hook went; attached to nothing.
#[raw_tracepoint]
fn census(ctx: RawTracePointContext) -> i32 {
    let address = ctx.arg::<u64>(0);
    if let Some(entry) = Entry::read(address) {
        packet::census(entry, ctx.arg::<u64>(1) as u32);
    }
    death::living(address);
    0
}

/// Run by user space before it chooses the hooks: reads a page of the kernel's machine code. 0 if
/// that could be read; attached to nothing.
#[raw_tracepoint]
fn text(ctx: RawTracePointContext) -> i32 {
    let Some(page) = TEXT.get_ptr_mut(0) else {
        return -1;
    };
    let address = ctx.arg::<u64>(0) as *const _;
    // SAFETY: the size is that of the value; an address that cannot be read is an error.
    unsafe { bpf_probe_read_kernel(page.cast(), TEXT_BYTES as u32, address) as i32 }
}
