//! What is kept of entries that a timer let expire, and how one that comes back is known again.
//!
//! A grave is one word in a table without chains: its place and a tag come from the [`key`] of the flow,
//! and a newer grave takes the place of an older one. So it is bounded, and forgets the oldest first on
//! average. TCP and UDP alone have graves: of the others conntrack keeps no ports.

use crate::{Proto, Timer};

/// Graves, in all namespaces together; a power of two.
pub const GRAVES: usize = 1 << 17;

/// The highest bits of a key are the place of its grave; those below are the tag, which the grave keeps from
/// this bit on.
const TAG: u32 = 37;
/// In a grave, the id of the timer and 1 begin here, above the jiffy.
const TIMER: u32 = 32;
/// Bits of an id of a timer and 1.
const TIMER_MASK: u64 = (1 << (TAG - TIMER)) - 1;

const _: () = assert!(Timer::SLOTS as u64 - 1 <= TIMER_MASK);

/// One side of a flow, in the order of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    /// The address as it lies in memory, in two words; of IPv4 the rest is 0.
    pub address: [u64; 2],
    /// The port.
    pub port: u16,
}

impl Side {
    /// An odd number, so that a product of two tells all of both. What differs most between neighbours, the
    /// end of an address, lies low before it is multiplied, and so has a say in all bits above.
    #[inline(always)]
    const fn hash(self) -> u64 {
        let [begin, end] = self.address;
        let port = (self.port as u64) << 1 | 1;
        begin
            .wrapping_mul(0x5851_f42e)
            .wrapping_add(end.swap_bytes().wrapping_mul(0x6f4a_7c16))
            .wrapping_add(port)
    }
}

/// Key of a flow, the same in both directions, in the namespace of a slot.
#[inline(always)]
#[must_use]
pub const fn key(one: Side, other: Side, proto: Proto, slot: u32) -> u64 {
    let flow = one.hash().wrapping_mul(other.hash());
    let space = (slot as u64) << 1 | matches!(proto, Proto::Tcp) as u64;
    flow ^ space << 57
}

/// Where the grave of a key is.
#[inline(always)]
#[must_use]
pub const fn place(key: u64) -> usize {
    (key >> (64 - GRAVES.ilog2())) as usize
}

#[inline(always)]
const fn tag(key: u64) -> u64 {
    (key << GRAVES.ilog2()) >> TAG
}

/// The grave of a flow that a timer, given by its id, let expire after its last refresh in this jiffy.
#[inline(always)]
#[must_use]
pub const fn grave(key: u64, timer: u8, refreshed: u32) -> u64 {
    tag(key) << TAG | (timer as u64 + 1) << TIMER | refreshed as u64
}

/// A grave is that of this flow, or empty, which [`told`] tells: of 134 million others one looks like it.
#[inline(always)]
#[must_use]
pub const fn is_of(grave: u64, key: u64) -> bool {
    grave >> TAG == tag(key)
}

/// Whom a grave tells of: the timer that let the entry expire, and the jiffy of its last refresh; `None` of
/// an empty one.
#[must_use]
pub const fn told(grave: u64) -> Option<(Timer, u32)> {
    match (grave >> TIMER & TIMER_MASK).checked_sub(1) {
        Some(id) => match Timer::from_id(id as usize) {
            Some(timer) => Some((timer, grave as u32)),
            None => None,
        },
        None => None,
    }
}

/// Who expires under this timer may have been cut while alive. Left out are the natural ends of a
/// connection, and what floods leave behind, which would soon take all places.
#[inline(always)]
#[must_use]
pub const fn may_cut(timer: Timer) -> bool {
    matches!(
        timer,
        Timer::TcpEstablished
            | Timer::TcpUnacknowledged
            | Timer::TcpMaxRetrans
            | Timer::TcpFinWait
            | Timer::TcpCloseWait
            | Timer::Udp
            | Timer::UdpStream
    )
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{collections::HashSet, vec::Vec};

    use super::*;
    use proptest::prelude::*;

    fn v4(address: [u8; 4], port: u16) -> Side {
        Side {
            address: [u64::from(u32::from_le_bytes(address)), 0],
            port: port.to_be(),
        }
    }

    fn v6(end: u16, port: u16) -> Side {
        let begin = u64::from_le_bytes([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0]);
        Side {
            address: [begin, u64::from(end).swap_bytes()],
            port: port.to_be(),
        }
    }

    /// Share of these keys that fall on a place that another one has.
    fn crowded(keys: &[u64]) -> f64 {
        let places: HashSet<usize> = keys.iter().map(|&key| place(key)).collect();
        1.0 - places.len() as f64 / keys.len() as f64
    }

    #[test]
    fn flows_of_one_server_are_spread_and_told_apart() {
        let four = (0..1_u32 << 15).map(|nth| {
            let [_, _, high, low] = nth.to_be_bytes();
            let client = v4([10, 0, high >> 4, low], 32_768 + u16::from(high & 15) * 97);
            key(client, v4([192, 0, 2, 53], 53), Proto::Udp, 0)
        });
        let six = (0..1_u32 << 15).map(|nth| {
            let client = v6(nth as u16 >> 5, 40_000 + (nth as u16 & 31));
            key(client, v6(0xffff, 443), Proto::Udp, 0)
        });
        let one_host = (0..1_u32 << 15).map(|nth| {
            let client = v4([10, 0, 0, 7], 32_768 + nth as u16);
            key(client, v4([192, 0, 2, 53], 53), Proto::Udp, 0)
        });
        for keys in [four.collect::<Vec<_>>(), six.collect(), one_host.collect()] {
            // Chance puts 11.5 % of a quarter's worth on places of others.
            assert!(crowded(&keys) < 0.25, "{}", crowded(&keys));
            let told: HashSet<(usize, u64)> =
                keys.iter().map(|&key| (place(key), tag(key))).collect();
            assert_eq!(told.len(), keys.len());
        }
    }

    #[test]
    fn protocols_and_namespaces_are_apart() {
        let (one, other) = (v4([10, 0, 0, 1], 5000), v4([10, 0, 0, 2], 53));
        let keys = [
            key(one, other, Proto::Udp, 0),
            key(one, other, Proto::Tcp, 0),
            key(one, other, Proto::Udp, 1),
            key(one, v4([10, 0, 0, 2], 54), Proto::Udp, 0),
        ];
        for (nth, &a) in keys.iter().enumerate() {
            for &b in &keys[nth + 1..] {
                assert!(place(a) != place(b) || !is_of(grave(a, 0, 0), b));
            }
        }
    }

    #[test]
    fn an_empty_grave_tells_of_nobody() {
        assert_eq!(told(0), None);
    }

    proptest! {
        #[test]
        fn both_directions_have_one_key(
            a: [u64; 2], b: [u64; 2], from: u16, to: u16, slot in 0_u32..64
        ) {
            let (one, other) = (Side { address: a, port: from }, Side { address: b, port: to });
            prop_assert_eq!(
                key(one, other, Proto::Udp, slot),
                key(other, one, Proto::Udp, slot)
            );
        }

        #[test]
        fn a_grave_tells_what_was_put_in(key: u64, refreshed: u32, timer in 0..Timer::ALL.len()) {
            let timer = Timer::ALL[timer];
            let grave = grave(key, timer as u8, refreshed);
            prop_assert!(is_of(grave, key));
            prop_assert_eq!(told(grave), Some((timer, refreshed)));
        }
    }
}
