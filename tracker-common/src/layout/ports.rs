//! Who fills the table.

use super::Usual;
use crate::{Proto, Timer};

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
    /// Entries that a timer was first seen to arm, by the place of their port and by [`Timer::place`]; of the
    /// timer that entries [begin](Usual::beginning) with, wrapping, those beyond the inserts, since most
    /// begin with it.
    pub armed: [[u32; Timer::PER_ENTRY]; PORT_PLACES],
    /// The same of `others`, by [`Timer`], and whoever begins with it is counted, too.
    pub others_armed: [u32; Timer::SLOTS],
}

impl Ports {
    /// Shows each port and timer that ever armed an entry of it, with the number of these entries. It may
    /// be below 0: one may be counted in a port's place on one CPU, and among the others on another.
    pub fn each_armed(&self, mut show: impl FnMut(PortKey, Timer, i64)) {
        for (place, armed) in self.places.iter().zip(&self.armed) {
            let Some(key) = PortKey::unpacked(place.key) else {
                continue;
            };
            let Some(proto) = Proto::from_id(key.proto as usize) else {
                continue;
            };
            for timer in Timer::of_proto(proto) {
                let armed = armed[timer.place()];
                let entries = match Usual::beginning(proto) {
                    Some((_, begins)) if begins == timer => {
                        place.used.inserts as i64 + i64::from(armed as i32)
                    }
                    _ => i64::from(armed),
                };
                if entries != 0 {
                    show(key, timer, entries);
                }
            }
        }
        for (&armed, &timer) in self.others_armed.iter().zip(Timer::ALL) {
            if armed != 0 {
                show(PortKey::OTHERS, timer, i64::from(armed as i32));
            }
        }
    }
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
    extern crate std;

    use std::{boxed::Box, vec::Vec};

    use super::*;

    #[test]
    fn who_begins_as_most_do_is_known_from_the_inserts() {
        let mut ports = Box::new(Ports {
            places: [PortPlace::default(); PORT_PLACES],
            others: PortUse::default(),
            armed: [[0; Timer::PER_ENTRY]; PORT_PLACES],
            others_armed: [0; Timer::SLOTS],
        });
        let port = |proto: Proto| PortKey {
            port: 53,
            proto: proto as u16,
        };
        ports.places[3].key = port(Proto::Udp).packed();
        ports.places[3].used.inserts = 5;
        // One of them was made by hand, and two became streams.
        ports.armed[3][Timer::Udp.place()] = u32::MAX;
        ports.armed[3][Timer::UdpStream.place()] = 2;
        ports.places[9].key = port(Proto::Icmp).packed();
        ports.places[9].used.inserts = 7;
        ports.armed[9][Timer::Icmp.place()] = 6;
        ports.others_armed[Timer::TcpClose.id()] = 1;
        let mut seen = Vec::new();
        ports.each_armed(|key, timer, entries| seen.push((key, timer, entries)));
        assert_eq!(
            seen,
            [
                (port(Proto::Udp), Timer::Udp, 4),
                (port(Proto::Udp), Timer::UdpStream, 2),
                (port(Proto::Icmp), Timer::Icmp, 6),
                (PortKey::OTHERS, Timer::TcpClose, 1),
            ]
        );
    }

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
