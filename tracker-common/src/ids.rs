//! Ids of protocols, states, timers, death reasons, causes and losses, with their names.

/// Declares an enum whose variants are consecutive ids from 0, each with its name.
macro_rules! ids {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $name { $(#[doc = concat!("`", $text, "`.")] $(#[$vdoc])* $variant,)* }

        impl $name {
            /// All of them, in the order of their ids.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The id: the index into every array that is kept by this kind of id.
            #[inline(always)]
            #[must_use]
            pub const fn id(self) -> usize {
                self as usize
            }

            /// The one with this id.
            #[inline(always)]
            #[must_use]
            pub const fn from_id(id: usize) -> Option<Self> {
                match id {
                    $(id if id == Self::$variant as usize => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The name in output and recordings.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The one with this name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| it.name() == name)
            }
        }
    };
}

ids! {
    /// Transport protocol of an entry, as far as conntrack has a tracker for it.
    Proto {
        Tcp = "tcp",
        Udp = "udp",
        Icmp = "icmp",
        Icmpv6 = "icmpv6",
        Gre = "gre",
        Sctp = "sctp",
        Udplite = "udplite",
        Dccp = "dccp",
        Other = "other",
    }
}

impl Proto {
    /// Slots in an array by protocol; a power of two so that an index can be masked.
    pub const SLOTS: usize = 16;

    /// From the protocol number of the tuple (IANA).
    #[must_use]
    pub const fn from_number(number: u8) -> Self {
        match number {
            6 => Self::Tcp,
            17 => Self::Udp,
            1 => Self::Icmp,
            58 => Self::Icmpv6,
            47 => Self::Gre,
            132 => Self::Sctp,
            136 => Self::Udplite,
            33 => Self::Dccp,
            _ => Self::Other,
        }
    }
}

ids! {
    /// State of an entry, as its protocol tracker has it.
    State {
        /// Only on entries that were created by hand without a state.
        TcpNone = "tcp_none",
        TcpSynSent = "tcp_syn_sent",
        TcpSynRecv = "tcp_syn_recv",
        TcpEstablished = "tcp_established",
        TcpFinWait = "tcp_fin_wait",
        TcpCloseWait = "tcp_close_wait",
        TcpLastAck = "tcp_last_ack",
        TcpTimeWait = "tcp_time_wait",
        TcpClose = "tcp_close",
        /// Simultaneous open.
        TcpSynSent2 = "tcp_syn_sent2",
        UdpUnreplied = "udp_unreplied",
        UdpReplied = "udp_replied",
        UdpStream = "udp_stream",
        Icmp = "icmp",
        Icmpv6 = "icmpv6",
        GreUnreplied = "gre_unreplied",
        GreReplied = "gre_replied",
        GreStream = "gre_stream",
        Generic = "generic",
        Dccp = "dccp",
        SctpNone = "sctp_none",
        SctpClosed = "sctp_closed",
        SctpCookieWait = "sctp_cookie_wait",
        SctpCookieEchoed = "sctp_cookie_echoed",
        SctpEstablished = "sctp_established",
        SctpShutdownSent = "sctp_shutdown_sent",
        SctpShutdownRecd = "sctp_shutdown_recd",
        SctpShutdownAckSent = "sctp_shutdown_ack_sent",
        SctpHeartbeatSent = "sctp_heartbeat_sent",
        SctpHeartbeatAcked = "sctp_heartbeat_acked",
    }
}

impl State {
    /// Slots in an array by state; a power of two so that an index can be masked.
    pub const SLOTS: usize = 32;

    /// From `enum tcp_conntrack`.
    #[must_use]
    pub const fn from_tcp(state: u8) -> Self {
        match state {
            1 => Self::TcpSynSent,
            2 => Self::TcpSynRecv,
            3 => Self::TcpEstablished,
            4 => Self::TcpFinWait,
            5 => Self::TcpCloseWait,
            6 => Self::TcpLastAck,
            7 => Self::TcpTimeWait,
            8 => Self::TcpClose,
            9 => Self::TcpSynSent2,
            _ => Self::TcpNone,
        }
    }

    /// From `enum sctp_conntrack`.
    #[must_use]
    pub const fn from_sctp(state: u8) -> Self {
        match state {
            1 => Self::SctpClosed,
            2 => Self::SctpCookieWait,
            3 => Self::SctpCookieEchoed,
            4 => Self::SctpEstablished,
            5 => Self::SctpShutdownSent,
            6 => Self::SctpShutdownRecd,
            7 => Self::SctpShutdownAckSent,
            8 => Self::SctpHeartbeatSent,
            9 => Self::SctpHeartbeatAcked,
            _ => Self::SctpNone,
        }
    }
}

ids! {
    /// The sysctl (`net.netfilter.nf_conntrack_*`) that armed an entry's timeout.
    Timer {
        TcpSynSent = "tcp_timeout_syn_sent",
        TcpSynRecv = "tcp_timeout_syn_recv",
        TcpEstablished = "tcp_timeout_established",
        TcpFinWait = "tcp_timeout_fin_wait",
        TcpCloseWait = "tcp_timeout_close_wait",
        TcpLastAck = "tcp_timeout_last_ack",
        TcpTimeWait = "tcp_timeout_time_wait",
        TcpClose = "tcp_timeout_close",
        /// Compiled in, without a sysctl.
        TcpSynSent2 = "tcp_timeout_syn_sent2",
        TcpMaxRetrans = "tcp_timeout_max_retrans",
        TcpUnacknowledged = "tcp_timeout_unacknowledged",
        Udp = "udp_timeout",
        UdpStream = "udp_timeout_stream",
        Icmp = "icmp_timeout",
        Icmpv6 = "icmpv6_timeout",
        Gre = "gre_timeout",
        GreStream = "gre_timeout_stream",
        Generic = "generic_timeout",
        SctpClosed = "sctp_timeout_closed",
        SctpCookieWait = "sctp_timeout_cookie_wait",
        SctpCookieEchoed = "sctp_timeout_cookie_echoed",
        SctpEstablished = "sctp_timeout_established",
        SctpShutdownSent = "sctp_timeout_shutdown_sent",
        SctpShutdownRecd = "sctp_timeout_shutdown_recd",
        SctpShutdownAckSent = "sctp_timeout_shutdown_ack_sent",
        SctpHeartbeatSent = "sctp_timeout_heartbeat_sent",
        SctpHeartbeatAcked = "sctp_timeout_heartbeat_acked",
        /// Not a sysctl: the entry has a timeout of its own (per-rule policy, fixed, offloaded,
        /// DCCP), so no timer can be named.
        Unknown = "unknown",
    }
}

impl Timer {
    /// Slots in an array by timer; a power of two so that an index can be masked.
    pub const SLOTS: usize = 32;
    /// Timers that one entry can meet in its life, at most: TCP's eleven, in 12 places.
    pub const PER_ENTRY: usize = 12;

    /// The sysctl's full name ends in this timer's name; false where there is no sysctl.
    #[must_use]
    pub const fn has_sysctl(self) -> bool {
        !matches!(self, Self::TcpSynSent2 | Self::Unknown)
    }

    /// Place among the timers of the entry's protocol, below [`Timer::PER_ENTRY`].
    #[inline(always)]
    #[must_use]
    pub const fn place(self) -> usize {
        let base = match self {
            Self::Unknown => return Self::PER_ENTRY - 1,
            Self::Udp | Self::UdpStream => Self::Udp,
            Self::Icmp | Self::Icmpv6 | Self::Generic => self,
            Self::Gre | Self::GreStream => Self::Gre,
            _ if self.id() >= Self::SctpClosed.id() => Self::SctpClosed,
            _ => Self::TcpSynSent,
        };
        self.id() - base.id()
    }

    /// Those that an entry of a protocol can meet.
    pub fn of_proto(proto: Proto) -> impl Iterator<Item = Self> {
        let (first, last) = match proto {
            Proto::Tcp => (Self::TcpSynSent, Self::TcpUnacknowledged),
            Proto::Udp | Proto::Udplite => (Self::Udp, Self::UdpStream),
            Proto::Icmp => (Self::Icmp, Self::Icmp),
            Proto::Icmpv6 => (Self::Icmpv6, Self::Icmpv6),
            Proto::Gre => (Self::Gre, Self::GreStream),
            Proto::Sctp => (Self::SctpClosed, Self::SctpHeartbeatAcked),
            Proto::Dccp => (Self::Unknown, Self::Unknown),
            Proto::Other => (Self::Generic, Self::Generic),
        };
        Self::ALL[first.id()..=last.id()].iter().copied()
    }

    /// The timer that takes turns with this one in the same state: on an established connection data
    /// arms the one, and what acknowledges it the other.
    #[inline(always)]
    #[must_use]
    pub const fn alternate(self) -> Option<Self> {
        match self {
            Self::TcpEstablished => Some(Self::TcpUnacknowledged),
            Self::TcpUnacknowledged => Some(Self::TcpEstablished),
            _ => None,
        }
    }

    /// The timer that a TCP state arms when nothing else intervenes.
    #[must_use]
    pub const fn of_tcp(state: State) -> Self {
        match state {
            State::TcpSynSent => Self::TcpSynSent,
            State::TcpSynRecv => Self::TcpSynRecv,
            State::TcpEstablished => Self::TcpEstablished,
            State::TcpFinWait => Self::TcpFinWait,
            State::TcpCloseWait => Self::TcpCloseWait,
            State::TcpLastAck => Self::TcpLastAck,
            State::TcpTimeWait => Self::TcpTimeWait,
            State::TcpClose => Self::TcpClose,
            State::TcpSynSent2 => Self::TcpSynSent2,
            _ => Self::Unknown,
        }
    }

    /// The timer that an SCTP state arms.
    #[must_use]
    pub const fn of_sctp(state: State) -> Self {
        match state {
            State::SctpClosed => Self::SctpClosed,
            State::SctpCookieWait => Self::SctpCookieWait,
            State::SctpCookieEchoed => Self::SctpCookieEchoed,
            State::SctpEstablished => Self::SctpEstablished,
            State::SctpShutdownSent => Self::SctpShutdownSent,
            State::SctpShutdownRecd => Self::SctpShutdownRecd,
            State::SctpShutdownAckSent => Self::SctpShutdownAckSent,
            State::SctpHeartbeatSent => Self::SctpHeartbeatSent,
            State::SctpHeartbeatAcked => Self::SctpHeartbeatAcked,
            _ => Self::Unknown,
        }
    }
}

ids! {
    /// Why an entry died.
    Reason {
        Expired = "expired",
        /// A SYN reused the tuple of a closed connection.
        Reopened = "reopened",
        ResetBeforeReply = "reset_before_reply",
        /// Evicted to make room.
        EarlyDrop = "early_drop",
        /// By an administrator, a flush, NAT, or the end of its namespace.
        Deleted = "deleted",
    }
}

impl Reason {
    /// Slots in an array by reason; a power of two so that an index can be masked.
    pub const SLOTS: usize = 8;
}

ids! {
    /// Why a packet's gap could not be attributed to a timer.
    Cause {
        /// A per-rule timeout policy governs the entry, not the sysctls.
        Policy = "policy",
        FixedTimeout = "fixed_timeout",
        /// A flowtable forwards the packets past conntrack.
        Offloaded = "offloaded",
        /// A NAT clash entry, which conntrack hides.
        Clash = "clash",
        /// The timer's sysctl changed twice since the entry's last packet.
        TimeoutChanged = "timeout_changed",
        /// The entry's timeout does not fit the timer, because something else wrote it, or fits two.
        Inconsistent = "inconsistent",
        /// No hook sees this protocol's packets on this kernel, or its timers are not followed.
        Unobserved = "unobserved",
    }
}

impl Cause {
    /// Slots in an array by cause; a power of two so that an index can be masked.
    pub const SLOTS: usize = 8;
}

ids! {
    /// What was lost, and where.
    Loss {
        /// The map of live entries was full: the entry's life is not followed.
        MapFull = "map_full",
        ReadFailed = "read_failed",
        /// The kernel skipped a program because another one ran on that CPU.
        ProbeMissed = "probe_missed",
        /// More namespaces than tracker has room for.
        NamespacesFull = "namespaces_full",
        /// The call stack of a death could not be read: counted as deleted.
        StackFailed = "stack_failed",
        /// No room to count a long gap by its port: it is missing there, and in nothing else.
        StrataFull = "strata_full",
    }
}

impl Loss {
    /// Slots in an array by loss; a power of two so that an index can be masked.
    pub const SLOTS: usize = 8;

    /// Those that hide gaps, and so the harm of a lower timer. A stack that was lost does not, nor a port.
    pub const HIDING: [Self; 4] = [
        Self::MapFull,
        Self::ReadFailed,
        Self::ProbeMissed,
        Self::NamespacesFull,
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_fits_its_array() {
        assert!(Proto::ALL.len() <= Proto::SLOTS);
        assert!(State::ALL.len() <= State::SLOTS);
        assert!(Timer::ALL.len() <= Timer::SLOTS);
        assert!(Reason::ALL.len() <= Reason::SLOTS);
        assert!(Cause::ALL.len() <= Cause::SLOTS);
        assert!(Loss::ALL.len() <= Loss::SLOTS);
    }

    #[test]
    fn names_lead_back_to_their_ids() {
        for &timer in Timer::ALL {
            assert_eq!(Timer::from_name(timer.name()), Some(timer));
            assert_eq!(Timer::ALL[timer.id()], timer);
        }
        for &state in State::ALL {
            assert_eq!(State::from_name(state.name()), Some(state));
        }
        assert_eq!(State::from_name("tcp_time"), None);
    }

    #[test]
    fn timers_of_one_protocol_have_places_of_their_own() {
        for &proto in Proto::ALL.iter().filter(|&&it| it != Proto::Dccp) {
            for (place, timer) in Timer::of_proto(proto).enumerate() {
                assert_eq!(timer.place(), place, "{timer:?}");
                assert!(place < Timer::Unknown.place());
            }
        }
    }
}
