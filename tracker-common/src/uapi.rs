//! Numbers that the kernel promises to keep (`include/uapi/linux/netfilter/`).

/// `NFPROTO_IPV4` (netfilter.h).
pub const IPV4: u64 = 2;

/// `enum ip_conntrack_status` (nf_conntrack_common.h), as masks.
pub mod status {
    /// A packet went the other way.
    pub const SEEN_REPLY: u64 = 1 << 1;
    /// Never evicted early.
    pub const ASSURED: u64 = 1 << 2;
    /// In the table.
    pub const CONFIRMED: u64 = 1 << 3;
    /// On its way out of the table.
    pub const DYING: u64 = 1 << 9;
    /// The timeout is never refreshed.
    pub const FIXED_TIMEOUT: u64 = 1 << 10;
    /// `IPS_NAT_CLASH` (5.7 and later; same bit as `IPS_UNTRACKED` before).
    pub const NAT_CLASH: u64 = 1 << 12;
    /// In a flowtable.
    pub const OFFLOAD: u64 = 1 << 14;
    /// In a network card's flowtable.
    pub const HW_OFFLOAD: u64 = 1 << 15;
}

/// `enum tcp_conntrack` (nf_conntrack_tcp.h): indexes into `nf_tcp_net.timeouts`.
pub mod tcp {
    /// `TCP_CONNTRACK_RETRANS`.
    pub const TIMEOUT_RETRANS: u32 = 12;
    /// `TCP_CONNTRACK_UNACK`.
    pub const TIMEOUT_UNACK: u32 = 13;
    /// `IP_CT_TCP_FLAG_DATA_UNACKNOWLEDGED`, in `seen[].flags`.
    pub const FLAG_DATA_UNACKNOWLEDGED: u8 = 0x10;
    /// `TCP_ACK_SET`, in `last_index` (`enum tcp_bit_set`, nf_conntrack_proto_tcp.c, unchanged
    /// since 2.6).
    pub const INDEX_ACK: u8 = 3;
    /// `TCP_RST_SET`, likewise.
    pub const INDEX_RST: u8 = 4;
}
