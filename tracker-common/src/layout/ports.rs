//! Who fills the table.

/// Whose entries are counted together: those of a namespace with the same destination port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortKey {
    /// Destination port of the original direction, host order; 0 where there are no ports.
    pub port: u16,
    /// [`Proto`](crate::Proto) id, or [`PortKey::OTHER`].
    pub proto: u16,
}

impl PortKey {
    /// Says that a place is taken.
    const TAKEN: u64 = 1 << 63;

    /// All ports that find no place of their own.
    pub const OTHERS: Self = Self {
        port: 0,
        proto: Self::OTHER,
    };

    /// Protocol of [`PortKey::OTHERS`].
    pub const OTHER: u16 = u16::MAX;

    /// As one number, which is never 0.
    #[inline(always)]
    #[must_use]
    pub const fn packed(self) -> u64 {
        Self::TAKEN | (self.proto as u64) << 16 | self.port as u64
    }

    /// What was packed; `None` of 0.
    #[must_use]
    pub const fn unpacked(packed: u64) -> Option<Self> {
        if packed == 0 {
            return None;
        }
        Some(Self {
            port: packed as u16,
            proto: (packed >> 16) as u16,
        })
    }

    /// Where the search for a packed key begins in a table of [`PORT_PLACES`] (Fibonacci hashing).
    #[inline(always)]
    #[must_use]
    pub const fn place(packed: u64) -> usize {
        (packed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - PORT_PLACES.ilog2())) as usize
    }
}

/// Places for the destination ports of a namespace on one CPU; a power of two.
pub const PORT_PLACES: usize = 1 << 12;

/// Places that a destination port may be in, one after another.
pub const PORT_PROBES: usize = 8;

/// The entries of a namespace by destination port, on one CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// An open-addressed table.
    pub places: [PortPlace; PORT_PLACES],
    /// What the entries took whose ports find no place in it.
    pub others: PortUse,
}

/// A place in a table: a destination port and what its entries took.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortPlace {
    /// A packed [`PortKey`]; 0 while the place is free.
    pub key: u64,
    /// What was counted.
    pub used: PortUse,
}

/// What the entries of a destination port took, on one CPU.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortUse {
    /// Entries inserted.
    pub inserts: u64,
    /// Entries destroyed that had been seen inserted.
    pub deaths: u64,
    /// Lifetimes of these, summed, in µs.
    pub entry_us: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_packed_whole() {
        for key in [
            PortKey { port: 0, proto: 0 },
            PortKey {
                port: u16::MAX,
                proto: 8,
            },
        ] {
            assert_ne!(key.packed(), 0);
            assert_eq!(PortKey::unpacked(key.packed()), Some(key));
            assert!(PortKey::place(key.packed()) < PORT_PLACES);
        }
        assert_eq!(PortKey::unpacked(0), None);
    }
}
