//! A `struct nf_conn`, and what it shows.

use aya_ebpf::helpers::{bpf_jiffies64, generated::bpf_probe_read_kernel};
use tracker_common::{
    Cause, Field, Loss, Proto, State, Timer, armed,
    grave::{self, Side},
    layout::{ABSENT, Bank},
    look::Shown,
    record::{Record, Seen},
    uapi::{IPV4, status, tcp},
};

use crate::{asm, config, look, maps::COPY, namespace, tally};

/// An entry, in place or as a copy. Each field is loaded when it is asked for.
#[derive(Clone, Copy)]
pub struct Entry<const IN_PLACE: bool> {
    base: *const u8,
    address: u64,
}

/// In the table, and not on its way out.
#[inline(always)]
pub fn in_table(bits: u64) -> bool {
    bits & (status::CONFIRMED | status::DYING) == status::CONFIRMED
}

/// On its way out of the table, or out already. What was never in it dies unseen.
#[inline(always)]
pub fn is_dying(bits: u64) -> bool {
    let both = status::CONFIRMED | status::DYING;
    bits & both == both
}

/// Now, in jiffies that wrap as the kernel's timeouts do.
#[inline(always)]
pub fn now() -> u32 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_jiffies64() as u32 }
}

impl Entry<true> {
    /// The entry that a function was called with, where the kernel knows its type.
    #[inline(always)]
    pub fn in_place(argument: u64) -> Self {
        Self {
            base: argument as *const u8,
            address: argument,
        }
    }

    /// The entry at an address, where the kernel takes one's word for its type.
    #[inline(always)]
    pub fn cast(address: u64) -> Self {
        Self {
            base: asm::cast(address),
            address,
        }
    }
}

impl Entry<false> {
    /// Reads the entry at a kernel address, in one go; a failure is counted.
    #[inline(always)]
    pub fn read(address: u64) -> Option<Self> {
        let copy = COPY.get_ptr_mut(0)?;
        // SAFETY: the verifier checks the size, a constant to it, against the map's value.
        let failed = unsafe {
            bpf_probe_read_kernel(copy.cast(), config::READ_SIZE.load(), address as *const _)
        };
        if failed != 0 {
            tally::loss(Loss::ReadFailed);
            return None;
        }
        Some(Self {
            base: copy.cast(),
            address,
        })
    }
}

macro_rules! field {
    ($entry:expr, $field:ident) => {
        // SAFETY: the base is an entry, or a copy of one.
        unsafe { asm::field::<{ Field::$field.mark() }>($entry.base) }
    };
}

impl<const IN_PLACE: bool> Entry<IN_PLACE> {
    /// Its address: who it is.
    #[inline(always)]
    pub fn address(self) -> u64 {
        self.address
    }

    /// `IPS_*` bits.
    #[inline(always)]
    pub fn status(self) -> u64 {
        field!(self, CtStatus)
    }

    /// Address of its `struct net`.
    #[inline(always)]
    pub fn net(self) -> u64 {
        field!(self, CtNet)
    }

    /// References to it.
    #[inline(always)]
    pub fn references(self) -> u64 {
        field!(self, CtUse)
    }

    /// When it expires, in jiffies.
    #[inline(always)]
    pub fn timeout(self) -> u32 {
        field!(self, CtTimeout) as u32
    }

    /// Protocol of the tuple.
    #[inline(always)]
    pub fn proto(self) -> Proto {
        Proto::from_number(field!(self, CtProtonum) as u8)
    }

    /// Destination port of the original direction, host order; for ICMP and GRE what conntrack
    /// keeps in its place is not a port.
    #[inline(always)]
    pub fn port(self, proto: Proto) -> u16 {
        match proto {
            Proto::Tcp | Proto::Udp | Proto::Udplite | Proto::Sctp | Proto::Dccp => {
                u16::from_be(field!(self, CtDstPort) as u16)
            }
            _ => 0,
        }
    }

    /// Key of its flow in the namespace of a slot, for its [grave](tracker_common::grave).
    #[inline(always)]
    pub fn flow(self, proto: Proto, slot: u32) -> u64 {
        let is_long = field!(self, CtL3num) != IPV4;
        let (mut one, mut other) = (0, 0);
        if is_long {
            one = field!(self, CtSrcEnd);
            other = field!(self, CtDstEnd);
        }
        let source = Side {
            address: [field!(self, CtSrc), one],
            port: field!(self, CtSrcPort) as u16,
        };
        let destination = Side {
            address: [field!(self, CtDst), other],
            port: field!(self, CtDstPort) as u16,
        };
        grave::key(source, destination, proto, slot)
    }

    /// A TCP entry is in this state.
    #[inline(always)]
    pub fn is_in(self, state: State) -> bool {
        State::from_tcp(field!(self, TcpState) as u8) == state
    }

    /// The entry began with a packet that is no SYN. The kernel takes up only what an ACK begins
    /// (`tcp_new`), while an entry made by hand has no last packet.
    #[inline(always)]
    pub fn is_pickup(self, proto: Proto, state: State) -> bool {
        matches!(proto, Proto::Tcp)
            && matches!(state, State::TcpEstablished)
            && field!(self, TcpLastIndex) as u8 == tcp::INDEX_ACK
    }

    /// Flags of its [`Record`] that tell of its protocol, and of a policy, which is settled before it
    /// enters the table.
    #[inline(always)]
    pub fn own_flags(self, proto: Proto) -> u8 {
        let mut flags = Record::CHECKED;
        if self.has_policy() {
            flags |= Record::POLICY;
        }
        if matches!(proto, Proto::Udplite) {
            flags |= Record::UDPLITE;
        }
        flags
    }

    /// A per-rule timeout policy governs the entry.
    #[inline(always)]
    fn has_policy(self) -> bool {
        let offset = config::EXT_TIMEOUT.load();
        if offset == ABSENT {
            return false;
        }
        let extensions = field!(self, CtExt);
        if extensions == 0 {
            return false;
        }
        let base = extensions as *const u8;
        if IN_PLACE {
            // SAFETY: the entry's extensions.
            return unsafe { asm::field::<{ Field::ExtTimeout.mark() }>(base) } != 0;
        }
        namespace::read::<u8>(extensions + u64::from(offset)).is_some_and(|at| at != 0)
    }

    /// What was sent last found no room or no answer: `max_retrans`, by default as long as `unacknowledged`, may be armed.
    #[inline(always)]
    pub fn is_stuck(self, proto: Proto) -> bool {
        matches!(proto, Proto::Tcp)
            && (field!(self, TcpRetrans) != 0 || field!(self, TcpLastWindow) == 0)
    }

    /// Id of the state: of TCP, as the kernel has it.
    #[inline(always)]
    pub fn state_id(self, proto: Proto, bits: u64) -> u8 {
        const { assert!(State::from_tcp(3) as u8 == 3 && State::from_tcp(9) as u8 == 9) };
        match proto {
            Proto::Tcp => field!(self, TcpState) as u8,
            _ => self.shown(proto, bits).state() as u8,
        }
    }

    /// The timer that armed the entry if it is one that most entries have: told at a glance, and a
    /// constant on each path. What the bank tells must be up to date.
    #[inline(always)]
    pub fn usual_timer(self, proto: Proto, bits: u64, bank: &Bank) -> Option<Timer> {
        match proto {
            Proto::Tcp => {
                let shown = self.shown(proto, bits);
                let tcp = shown.tcp(shown.state(), 0, bank.max_retrans as u8);
                armed::well(&tcp, |timer| bank.lengths[timer.id()])
            }
            Proto::Udp | Proto::Udplite => Some(armed::udp(bits).1),
            Proto::Icmp => Some(Timer::Icmp),
            Proto::Icmpv6 => Some(Timer::Icmpv6),
            _ => None,
        }
    }

    /// What it shows, but for its timeout. What of it is not asked for is not loaded.
    #[inline(always)]
    pub fn shown(self, proto: Proto, bits: u64) -> Shown {
        let mut shown = Shown::new(proto, bits);
        match proto {
            Proto::Tcp => {
                shown.state = field!(self, TcpState) as u8;
                shown.retrans = field!(self, TcpRetrans) as u8;
                shown.last_index = field!(self, TcpLastIndex) as u8;
                shown.flags = (field!(self, TcpFlags0) | field!(self, TcpFlags1)) as u8;
                shown.is_closed = u8::from(field!(self, TcpLastWindow) == 0);
            }
            Proto::Sctp if config::HAS_SCTP.load() != 0 => {
                shown.state = field!(self, SctpState) as u8;
            }
            Proto::Gre if config::HAS_GRE.load() != 0 => (),
            Proto::Sctp | Proto::Gre => shown.proto = Proto::Other as u8,
            _ => (),
        }
        shown
    }

    /// GRE's own copies of its timers' lengths, that of the stream's in the lower half.
    #[inline(always)]
    pub fn gre_lengths(self, proto: Proto) -> u64 {
        match proto {
            Proto::Gre if config::HAS_GRE.load() != 0 => {
                field!(self, GreTimeout) << 32 | field!(self, GreStreamTimeout)
            }
            _ => 0,
        }
    }

    /// What an entry of the namespace in a slot shows, last seen in `epoch`; why its last refresh cannot be told
    /// if that is so. `own` are the flags of its [`Record`].
    #[inline(always)]
    pub fn look(
        self,
        proto: Proto,
        own: u8,
        (slot, epoch): (u32, u32),
        now: u32,
    ) -> (Seen, Option<Cause>) {
        let timeout = self.timeout();
        let whose = (slot as u8, own, epoch);
        let gre = self.gre_lengths(proto);
        let told = look::ask(self.shown(proto, self.status()), (timeout, now), whose, gre);
        (told.seen(timeout, now), told.cause)
    }
}

/// A hook sees the packets of a protocol.
#[inline(always)]
pub fn is_observed(proto: Proto) -> bool {
    config::OBSERVED.load() & (1 << proto as u32) != 0
}
