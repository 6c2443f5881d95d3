//! One read of a `struct nf_conn`, and what it shows.

use core::mem::MaybeUninit;

use aya_ebpf::helpers::{bpf_jiffies64, generated::bpf_probe_read_kernel};
use tracker_common::{
    Cause, Loss, Proto, State, Timer,
    armed::{self, Tcp},
    jiffies,
    layout::{ABSENT, ENTRY_BYTES, Namespace},
    record::{Record, Seen},
    uapi::{status, tcp},
};

use crate::{config, namespace, tally};

/// No [`Cause`] has this id.
const NO_CAUSE: u32 = Cause::SLOTS as u32;

/// What is needed of an entry.
#[derive(Clone, Copy)]
pub struct Entry {
    /// `IPS_*` bits.
    pub status: u64,
    /// Address of its `struct net`.
    pub net: u64,
    extensions: u64,
    /// References to it.
    pub references: u32,
    /// When it expires, in jiffies.
    pub timeout: u32,
    last_window: u32,
    gre: [u32; 2],
    port: u16,
    /// [`Proto`] id.
    proto: u8,
    /// State of the TCP or SCTP tracker.
    state: u8,
    retrans: u8,
    last_index: u8,
    flags: u8,
}

/// A copy of the kernel's object.
struct Object(MaybeUninit<[u64; ENTRY_BYTES / 8]>);

impl Object {
    #[inline(always)]
    fn at<T: Copy>(&self, offset: u32) -> T {
        // SAFETY: the offset is a constant to the verifier, which refuses a read outside of what
        // was filled; fields are aligned as in the kernel.
        unsafe { self.0.as_ptr().byte_add(offset as usize).cast::<T>().read() }
    }
}

/// In place of a [`Proto`] id: look it up in the tuple.
const ANY: u32 = Proto::SLOTS as u32;

/// Reads an entry. A function of its own, so that the copy is on the stack for a moment only.
#[inline(never)]
fn fill(entry: &mut Entry, address: u64, proto: u32) -> u32 {
    let mut object = Object(MaybeUninit::uninit());
    // SAFETY: the verifier checks the size, a constant to it, against the stack.
    let failed = unsafe {
        bpf_probe_read_kernel(
            object.0.as_mut_ptr().cast(),
            config::READ_SIZE.load(),
            address as *const _,
        )
    };
    if failed != 0 {
        return 1;
    }
    entry.status = object.at(config::CT_STATUS.load());
    entry.net = object.at(config::CT_NET.load());
    entry.extensions = object.at(config::CT_EXT.load());
    entry.references = object.at(config::CT_USE.load());
    entry.timeout = object.at(config::CT_TIMEOUT.load());
    let proto = match Proto::from_id(proto as usize) {
        Some(proto) => proto,
        None => Proto::from_number(object.at(config::CT_PROTONUM.load())),
    };
    entry.proto = proto as u8;
    entry.port = u16::from_be(object.at(config::CT_DST_PORT.load()));
    match proto {
        Proto::Tcp => {
            entry.state = object.at(config::TCP_STATE.load());
            entry.retrans = object.at(config::TCP_RETRANS.load());
            entry.last_index = object.at(config::TCP_LAST_INDEX.load());
            entry.flags = object.at::<u8>(config::TCP_FLAGS_0.load())
                | object.at::<u8>(config::TCP_FLAGS_1.load());
            entry.last_window = if config::TCP_LAST_WINDOW_SIZE.load() == 2 {
                u32::from(object.at::<u16>(config::TCP_LAST_WINDOW.load()))
            } else {
                object.at(config::TCP_LAST_WINDOW.load())
            };
        }
        Proto::Sctp if config::SCTP_STATE.load() != ABSENT => {
            entry.state = object.at(config::SCTP_STATE.load());
        }
        Proto::Gre if config::GRE_TIMEOUT.load() != ABSENT => {
            entry.gre = [
                object.at(config::GRE_TIMEOUT.load()),
                object.at(config::GRE_STREAM_TIMEOUT.load()),
            ];
        }
        _ => {}
    }
    0
}

impl Entry {
    /// Reads the entry at a kernel address, in one go; a failure is counted.
    ///
    /// A protocol that is known spares the verifier the rules of the others.
    #[inline(always)]
    pub fn read(address: u64, proto: Option<Proto>) -> Option<Self> {
        let mut entry = Self {
            status: 0,
            net: 0,
            extensions: 0,
            references: 0,
            timeout: 0,
            last_window: 0,
            gre: [0; 2],
            port: 0,
            proto: 0,
            state: 0,
            retrans: 0,
            last_index: 0,
            flags: 0,
        };
        if fill(&mut entry, address, id(proto)) != 0 {
            tally::loss(Loss::ReadFailed);
            return None;
        }
        Some(entry)
    }

    /// In the table, and not on its way out.
    #[inline(always)]
    pub fn in_table(&self) -> bool {
        self.status & (status::CONFIRMED | status::DYING) == status::CONFIRMED
    }

    /// On its way out of the table, or out already. What was never in it dies unseen.
    #[inline(always)]
    pub fn is_dying(&self) -> bool {
        let both = status::CONFIRMED | status::DYING;
        self.status & both == both
    }

    /// Protocol of the tuple.
    #[inline(always)]
    pub fn proto(&self) -> Proto {
        Proto::from_id(self.proto as usize).unwrap_or(Proto::Other)
    }

    /// A hook sees its packets.
    #[inline(always)]
    pub fn is_observed(&self) -> bool {
        config::OBSERVED.load() & (1 << u32::from(self.proto)) != 0
    }

    /// Destination port of the original direction, host order; for ICMP and GRE what conntrack
    /// keeps in its place is not a port.
    #[inline(always)]
    pub fn port(&self) -> u16 {
        match self.proto() {
            Proto::Tcp | Proto::Udp | Proto::Udplite | Proto::Sctp | Proto::Dccp => self.port,
            _ => 0,
        }
    }

    /// Jiffies until the timeout.
    #[inline(always)]
    pub fn remaining(&self, now: u64) -> i32 {
        jiffies::remaining(self.timeout, now as u32)
    }

    /// The entry began with a packet that is no SYN. The kernel takes up only what an ACK begins
    /// (`tcp_new`), while an entry made by hand has no last packet.
    #[inline(always)]
    pub fn is_pickup(&self) -> bool {
        self.proto() == Proto::Tcp
            && State::from_tcp(self.state) == State::TcpEstablished
            && self.last_index == tcp::INDEX_ACK
    }

    /// Flags of a [`Record`] that is begun: whether a per-rule timeout policy governs the entry,
    /// which is settled before it enters the table.
    #[inline(always)]
    pub fn flags(&self) -> u8 {
        if self.has_policy() { Record::POLICY } else { 0 }
    }

    #[inline(always)]
    fn has_policy(&self) -> bool {
        let offset = config::EXT_TIMEOUT.load();
        offset != ABSENT
            && self.extensions != 0
            && namespace::read::<u8>(self.extensions + u64::from(offset)).is_some_and(|at| at != 0)
    }

    #[inline(always)]
    fn tcp(&self, namespace: &Namespace, epoch: u32, now: u64) -> (State, Timer) {
        let entry = Tcp {
            state: State::from_tcp(self.state),
            status: self.status,
            retrans: self.retrans,
            max_retrans: namespace.max_retrans as u8,
            last_index: self.last_index,
            flags: self.flags,
            last_window: self.last_window,
            remaining: self.remaining(now),
        };
        let timer = armed::tcp(&entry, |timer| {
            namespace::length(namespace, timer, epoch).unwrap_or(0)
        });
        (entry.state, timer)
    }

    /// What was sent last has found no room or no answer: `max_retrans` may be armed, which is as
    /// long as `unacknowledged` by default.
    #[inline(always)]
    pub fn is_stuck(&self, proto: Option<Proto>) -> bool {
        matches!(proto.unwrap_or_else(|| self.proto()), Proto::Tcp)
            && (self.retrans != 0 || self.last_window == 0)
    }

    /// State, without the timer.
    #[inline(always)]
    pub fn state_alone(&self, proto: Option<Proto>) -> State {
        match proto.unwrap_or_else(|| self.proto()) {
            Proto::Tcp => State::from_tcp(self.state),
            Proto::Udp | Proto::Udplite => armed::udp(self.status).0,
            Proto::Icmp => State::Icmp,
            Proto::Icmpv6 => State::Icmpv6,
            Proto::Gre if config::GRE_TIMEOUT.load() != ABSENT => armed::gre(self.status).0,
            Proto::Sctp if config::SCTP_STATE.load() != ABSENT => State::from_sctp(self.state),
            Proto::Dccp => State::Dccp,
            _ => State::Generic,
        }
    }

    /// State and timer, by the rules of the entry's protocol.
    #[inline(always)]
    fn state(&self, proto: Proto, namespace: &Namespace, epoch: u32, now: u64) -> (State, Timer) {
        match proto {
            Proto::Tcp => self.tcp(namespace, epoch, now),
            Proto::Udp | Proto::Udplite => armed::udp(self.status),
            Proto::Icmp => (State::Icmp, Timer::Icmp),
            Proto::Icmpv6 => (State::Icmpv6, Timer::Icmpv6),
            Proto::Gre if config::GRE_TIMEOUT.load() != ABSENT => armed::gre(self.status),
            Proto::Sctp if config::SCTP_STATE.load() != ABSENT => {
                let state = State::from_sctp(self.state);
                (state, Timer::of_sctp(state))
            }
            Proto::Dccp => (State::Dccp, Timer::Unknown),
            _ => (State::Generic, Timer::Generic),
        }
    }

    /// Jiffies that the timer arms. GRE entries carry their own copy of it.
    #[inline(always)]
    fn armed(&self, timer: Timer, namespace: &Namespace, epoch: u32) -> Option<u32> {
        match timer {
            Timer::Gre => Some(self.gre[0]),
            Timer::GreStream => Some(self.gre[1]),
            _ => namespace::length(namespace, timer, epoch),
        }
    }

    /// What the entry shows, and why its last refresh cannot be told if that is so.
    ///
    /// `record` is the flags and the epoch of its [`Record`].
    #[inline(always)]
    pub fn look(
        &self,
        proto: Option<Proto>,
        slot: u32,
        record: (u8, u32),
        now: u64,
    ) -> (Seen, Option<Cause>) {
        let (flags, epoch) = record;
        let mut seen = Seen {
            state: State::Generic,
            timer: Timer::Unknown,
            refreshed: 0,
            armed: 0,
            now,
        };
        let record = u64::from(flags) << 32 | u64::from(epoch);
        let cause = look(self, id(proto), slot, record, &mut seen);
        (seen, Cause::from_id(cause as usize))
    }
}

#[inline(always)]
const fn id(proto: Option<Proto>) -> u32 {
    match proto {
        Some(proto) => proto as u32,
        None => ANY,
    }
}

/// [`Entry::look`]: writes `seen`, whose `now` is given; returns a [`Cause`], or [`NO_CAUSE`]. A
/// function of its own for its stack.
#[inline(never)]
fn look(entry: &Entry, proto: u32, slot: u32, record: u64, seen: &mut Seen) -> u32 {
    let (flags, epoch) = ((record >> 32) as u8, record as u32);
    let proto = Proto::from_id(proto as usize).unwrap_or_else(|| entry.proto());
    let Some(namespace) = namespace::peek(slot) else {
        return Cause::Inconsistent as u32;
    };
    let (state, timer) = entry.state(proto, namespace, epoch, seen.now);
    seen.state = state;
    let own = status::FIXED_TIMEOUT | status::NAT_CLASH | status::OFFLOAD | status::HW_OFFLOAD;
    if entry.status & own != 0 || flags != 0 {
        return cause(entry.status, flags as u8) as u32;
    }
    if let Timer::Unknown = timer {
        let cause = match proto {
            Proto::Tcp => Cause::Inconsistent,
            _ => Cause::Unobserved,
        };
        return cause as u32;
    }
    let Some(armed) = entry.armed(timer, namespace, epoch) else {
        return Cause::TimeoutChanged as u32;
    };
    let Some(since) = jiffies::since_refresh(armed, entry.remaining(seen.now)) else {
        return Cause::Inconsistent as u32;
    };
    seen.timer = timer;
    seen.refreshed = seen.now - since;
    seen.armed = armed;
    NO_CAUSE
}

/// Why an entry has a timeout of its own.
#[inline(always)]
fn cause(bits: u64, flags: u8) -> Cause {
    if bits & (status::OFFLOAD | status::HW_OFFLOAD) != 0 || flags & Record::SKIP != 0 {
        Cause::Offloaded
    } else if bits & status::FIXED_TIMEOUT != 0 {
        Cause::FixedTimeout
    } else if bits & status::NAT_CLASH != 0 {
        Cause::Clash
    } else {
        Cause::Policy
    }
}

/// Now, in jiffies.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_jiffies64() }
}
