//! Where this kernel keeps what tracker's programs read.

mod find;
mod settings;
#[cfg(test)]
mod tests;
mod timers;

use tracker_common::{
    Field, Timer,
    layout::{ABSENT, ENTRY_BYTES, SETTINGS},
};

use self::find::Find;
use super::btf::{BtfError, KernelBtf};

/// Offsets and sizes in bytes; [`ABSENT`] where this kernel has no such thing.
///
/// Those that begin with `ct_`, `tcp_`, `gre_` and `sctp_` are from the start of `struct nf_conn`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// Size of `struct nf_conn`.
    pub entry_size: u32,
    /// Bytes from the start of an entry in which everything below is: a multiple of 8, at most
    /// [`ENTRY_BYTES`].
    pub read_size: u32,
    /// References to the entry: u32.
    pub ct_use: u32,
    /// When the entry expires, in jiffies: u32.
    pub ct_timeout: u32,
    /// IPS_* bits: u64 (their lower half is what conntrack uses).
    pub ct_status: u32,
    /// Address of the entry's `struct net`: u64.
    pub ct_net: u32,
    /// Address of the entry's `struct nf_ct_ext`, or 0: u64.
    pub ct_ext: u32,
    /// Family of the original direction's addresses: u16.
    pub ct_l3num: u32,
    /// Source address of the original direction: 16 bytes in network order.
    pub ct_src: u32,
    /// Its source port: u16 in network order.
    pub ct_src_port: u32,
    /// Its destination address: 16 bytes in network order.
    pub ct_dst: u32,
    /// Protocol of the original direction: u8.
    pub ct_protonum: u32,
    /// Destination port of the original direction: u16 in network order.
    pub ct_dst_port: u32,
    /// `enum tcp_conntrack`: u8.
    pub tcp_state: u32,
    /// Index of the last packet in the table of states: u8.
    pub tcp_last_index: u32,
    /// Retransmissions seen: u8.
    pub tcp_retrans: u32,
    /// Window of the last packet: see [`Self::tcp_last_window_size`].
    pub tcp_last_window: u32,
    /// Size of the window.
    pub tcp_last_window_size: u32,
    /// IP_CT_TCP_FLAG_* of the original direction: u8.
    pub tcp_flags_0: u32,
    /// IP_CT_TCP_FLAG_* of the reply direction: u8.
    pub tcp_flags_1: u32,
    /// The entry's own timeout while unreplied, in jiffies: u32; optional.
    pub gre_timeout: u32,
    /// The entry's own timeout once replied, in jiffies: u32; optional.
    pub gre_stream_timeout: u32,
    /// `enum sctp_conntrack`: u32; optional.
    pub sctp_state: u32,
    /// Inode number of the namespace, from the start of `struct net`: u32.
    pub net_inum: u32,
    /// Offset of the timeout policy, from the start of `struct nf_ct_ext`: u8, where 0 is no
    /// policy; optional. Only conntrack's own type information has it.
    pub ext_timeout: u32,
    /// `nf_conntrack_tcp_max_retrans`, from the start of `struct net`: u8 (the lowest, where the
    /// kernel has more).
    pub tcp_max_retrans: u32,
    /// Length of each [`Timer`] in jiffies, from the start of `struct net`: u32 each; those that
    /// are not TCP's, UDP's, ICMP's or generic are optional.
    pub timers: [u32; Timer::SLOTS],
}

/// This kernel's layout is not one that tracker can follow.
#[derive(Debug, thiserror::Error)]
pub enum OffsetsError {
    /// A type or member is missing.
    #[error(transparent)]
    Missing(#[from] BtfError),
    /// A member has not the size that the programs read.
    #[error(
        "{member} takes {found} bytes in this kernel, not {expected}. \
         Report it with the output of uname -r: tracker does not know this kernel's layout yet"
    )]
    Size {
        /// Type and path.
        member: String,
        /// Size that the programs read.
        expected: u32,
        /// Size in this kernel.
        found: u32,
    },
    /// A namespace's settings lie too far apart.
    #[error(
        "the settings of a namespace take {needed} bytes in this kernel, more than the {} that \
         the programs have room for. Report it with the output of uname -r",
        4 * SETTINGS
    )]
    Scattered {
        /// Bytes from the first to the last.
        needed: u32,
    },
    /// What must be read lies too far from the start.
    #[error(
        "the {needed} bytes that must be read of a conntrack entry are more than the {ENTRY_BYTES} \
         that the programs have room for. Use a kernel without lock debugging (CONFIG_LOCKDEP, \
         CONFIG_DEBUG_SPINLOCK)"
    )]
    TooFar {
        /// Bytes from the start of an entry.
        needed: u32,
    },
}

impl Offsets {
    /// Where a field is, and its size: what a program's load of it takes in place of its mark. A field
    /// that this kernel has not is nowhere.
    #[must_use]
    pub fn field(&self, field: Field) -> Option<(u32, u32)> {
        let (offset, size) = match field {
            Field::CtUse => (self.ct_use, 4),
            Field::CtTimeout => (self.ct_timeout, 4),
            Field::CtStatus => (self.ct_status, 8),
            Field::CtNet => (self.ct_net, 8),
            Field::CtExt => (self.ct_ext, 8),
            Field::CtL3num => (self.ct_l3num, 2),
            Field::CtSrc => (self.ct_src, 8),
            Field::CtSrcEnd => (self.ct_src + 8, 8),
            Field::CtDst => (self.ct_dst, 8),
            Field::CtDstEnd => (self.ct_dst + 8, 8),
            Field::CtSrcPort => (self.ct_src_port, 2),
            Field::CtProtonum => (self.ct_protonum, 1),
            Field::CtDstPort => (self.ct_dst_port, 2),
            Field::TcpState => (self.tcp_state, 1),
            Field::TcpLastIndex => (self.tcp_last_index, 1),
            Field::TcpRetrans => (self.tcp_retrans, 1),
            Field::TcpLastWindow => (self.tcp_last_window, self.tcp_last_window_size),
            Field::TcpFlags0 => (self.tcp_flags_0, 1),
            Field::TcpFlags1 => (self.tcp_flags_1, 1),
            Field::GreTimeout => (self.gre_timeout, 4),
            Field::GreStreamTimeout => (self.gre_stream_timeout, 4),
            Field::SctpState => (self.sctp_state, 4),
            Field::ExtTimeout => (self.ext_timeout, 1),
        };
        (offset != ABSENT).then_some((offset, size))
    }

    /// Looks all of them up.
    ///
    /// # Errors
    /// [`OffsetsError`] names the first that is missing.
    pub fn resolve(btf: &KernelBtf) -> Result<Self, OffsetsError> {
        let net = Find::new(btf.structure("net")?);
        let entry = Find::new(btf.structure("nf_conn")?);
        let last_window = entry.any("proto.tcp.last_win", &[4, 2])?;
        let offsets = Self {
            entry_size: entry.size(),
            read_size: 0,
            ct_use: entry.sized("ct_general.use", 4)?,
            ct_timeout: entry.sized("timeout", 4)?,
            ct_status: entry.sized("status", 8)?,
            ct_net: entry.sized("ct_net.net", 8)?,
            ct_ext: entry.sized("ext", 8)?,
            ct_l3num: entry.sized("tuplehash[0].tuple.src.l3num", 2)?,
            ct_src: entry.sized("tuplehash[0].tuple.src.u3.all", 16)?,
            ct_src_port: entry.sized("tuplehash[0].tuple.src.u.all", 2)?,
            ct_dst: entry.sized("tuplehash[0].tuple.dst.u3.all", 16)?,
            ct_protonum: entry.sized("tuplehash[0].tuple.dst.protonum", 1)?,
            ct_dst_port: entry.sized("tuplehash[0].tuple.dst.u.all", 2)?,
            tcp_state: entry.sized("proto.tcp.state", 1)?,
            tcp_last_index: entry.sized("proto.tcp.last_index", 1)?,
            tcp_retrans: entry.sized("proto.tcp.retrans", 1)?,
            tcp_last_window: last_window.offset,
            tcp_last_window_size: last_window.size,
            tcp_flags_0: entry.sized("proto.tcp.seen[0].flags", 1)?,
            tcp_flags_1: entry.sized("proto.tcp.seen[1].flags", 1)?,
            gre_timeout: entry.optional("proto.gre.timeout", 4)?,
            gre_stream_timeout: entry.optional("proto.gre.stream_timeout", 4)?,
            sctp_state: entry.optional("proto.sctp.state", 4)?,
            net_inum: net.sized("ns.inum", 4)?,
            ext_timeout: policy(btf)?,
            tcp_max_retrans: net
                .any("ct.nf_ct_proto.tcp.tcp_max_retrans", &[1, 4])?
                .offset,
            timers: timers::all(&net)?,
        };
        let settings = offsets.settings().size;
        if settings > 4 * SETTINGS as u32 {
            return Err(OffsetsError::Scattered { needed: settings });
        }
        let needed = entry.end().next_multiple_of(8);
        if usize::try_from(needed).is_ok_and(|needed| needed <= ENTRY_BYTES) {
            Ok(Self {
                read_size: needed,
                ..offsets
            })
        } else {
            Err(OffsetsError::TooFar { needed })
        }
    }
}

/// [`Offsets::ext_timeout`]
fn policy(btf: &KernelBtf) -> Result<u32, OffsetsError> {
    let Ok(id) = btf.enum_value("nf_ct_ext_id", "NF_CT_EXT_TIMEOUT") else {
        return Ok(ABSENT);
    };
    Find::new(btf.structure("nf_ct_ext")?).sized(&format!("offset[{id}]"), 1)
}
