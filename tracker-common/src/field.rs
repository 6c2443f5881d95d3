//! Fields of the kernel's structures that programs load, and the mark by which a load is found.
//!
//! A program loads a field from offset [`Field::mark`]. Before the object is loaded, user space puts
//! the field's real offset and size on this kernel in the place of the mark, so that a field costs
//! one instruction.

ids! {
    /// A field that programs load.
    Field {
        /// References to the entry.
        CtUse = "nf_conn.ct_general.use",
        /// When the entry expires, in jiffies.
        CtTimeout = "nf_conn.timeout",
        /// `IPS_*` bits.
        CtStatus = "nf_conn.status",
        /// The entry's `struct net`.
        CtNet = "nf_conn.ct_net",
        /// The entry's `struct nf_ct_ext`, or 0.
        CtExt = "nf_conn.ext",
        /// Family of the original direction's addresses.
        CtL3num = "nf_conn.tuplehash[0].tuple.src.l3num",
        /// First half of the original direction's source address.
        CtSrc = "nf_conn.tuplehash[0].tuple.src.u3",
        /// Second half of it.
        CtSrcEnd = "nf_conn.tuplehash[0].tuple.src.u3.all[2]",
        /// First half of its destination address.
        CtDst = "nf_conn.tuplehash[0].tuple.dst.u3",
        /// Second half of it.
        CtDstEnd = "nf_conn.tuplehash[0].tuple.dst.u3.all[2]",
        /// Source port of the original direction, in network order.
        CtSrcPort = "nf_conn.tuplehash[0].tuple.src.u.all",
        /// Protocol of the original direction.
        CtProtonum = "nf_conn.tuplehash[0].tuple.dst.protonum",
        /// Destination port of the original direction, in network order.
        CtDstPort = "nf_conn.tuplehash[0].tuple.dst.u.all",
        /// `enum tcp_conntrack`.
        TcpState = "nf_conn.proto.tcp.state",
        /// Which flags the last packet had.
        TcpLastIndex = "nf_conn.proto.tcp.last_index",
        /// Identical packets in a row.
        TcpRetrans = "nf_conn.proto.tcp.retrans",
        /// Window of the last packet.
        TcpLastWindow = "nf_conn.proto.tcp.last_win",
        /// `IP_CT_TCP_FLAG_*` of the original direction.
        TcpFlags0 = "nf_conn.proto.tcp.seen[0].flags",
        /// `IP_CT_TCP_FLAG_*` of the reply direction.
        TcpFlags1 = "nf_conn.proto.tcp.seen[1].flags",
        /// The entry's own timeout while unreplied, in jiffies.
        GreTimeout = "nf_conn.proto.gre.timeout",
        /// The entry's own timeout once replied, in jiffies.
        GreStreamTimeout = "nf_conn.proto.gre.stream_timeout",
        /// `enum sctp_conntrack`.
        SctpState = "nf_conn.proto.sctp.state",
        /// Not 0 if a per-rule timeout policy governs the entry.
        ExtTimeout = "nf_ct_ext.offset[NF_CT_EXT_TIMEOUT]",
    }
}

/// Number of the instruction that stands for the id of `struct nf_conn` as the argument of a
/// [cast](CAST), as long as that is not known. No program calculates with it.
pub const CAST_TYPE: i32 = 0x7ca5_7000;

/// Number of the instruction that stands for the call of `bpf_rdonly_cast` (6.2 and later), which
/// makes an address one that the kernel lets a program read through.
pub const CAST: i32 = 0x7ca5_7001;

impl Field {
    /// Offset from which the first field is loaded as long as the real one is not known. No value
    /// that the programs load from is as large.
    pub const MARK: i16 = 0x7000;

    /// Offset from which this field is loaded as long as the real one is not known.
    #[inline(always)]
    #[must_use]
    pub const fn mark(self) -> i16 {
        Self::MARK + self as i16
    }

    /// The field of a mark.
    #[must_use]
    pub const fn from_mark(offset: i16) -> Option<Self> {
        if offset < Self::MARK {
            return None;
        }
        Self::from_id((offset - Self::MARK) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_mark_names_its_field() {
        for &field in Field::ALL {
            assert_eq!(Field::from_mark(field.mark()), Some(field));
        }
    }

    proptest! {
        #[test]
        fn other_offsets_are_no_marks(offset in i16::MIN..Field::MARK) {
            prop_assert_eq!(Field::from_mark(offset), None);
        }
    }
}
