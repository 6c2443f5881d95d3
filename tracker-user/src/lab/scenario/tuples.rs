//! Between whom connections are. No two of a run have the same tuple, masqueraded or not.
//!
//! The populations share out the clients' ports, and each goes through all the tuples that it has
//! in an order that looks random, so nothing has to be kept of those that are in use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tracker_common::Proto;

use crate::lab::packet::Tuple;
use crate::lab::random::mix;

/// Addresses that clients may have: from 10.64.1.0 up to the end of 10.126.0.0/16.
pub const CLIENTS4: u64 = (63 << 16) - (1 << 8);
/// Addresses that servers may have: from 10.128.1.0 on.
pub const SERVERS: u64 = 1 << 16;
/// Clients of IPv6 that are spoofed: any of so many /64s, and of so many addresses in each.
const SPOOFED6: (u64, u64) = (1 << 24, 1 << 16);
/// Ports that clients have, and ids of echoes.
const CLIENT_PORTS: std::ops::Range<u32> = 1024..65_536;
/// Tuples of a population that are used, at most.
const MOST: u128 = 1 << 62;

/// The addresses of a family that clients have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// So many of IPv4.
    V4(u64),
    /// So many of IPv6 in so many /64s.
    V6 {
        /// How many.
        count: u64,
        /// In how many networks.
        prefixes: u64,
    },
}

impl Tuples {
    /// They are of IPv6.
    #[must_use]
    pub fn is_ipv6(&self) -> bool {
        matches!(self.clients, Clients::V6 { .. })
    }
}

impl Clients {
    /// All of the clients' network.
    #[must_use]
    pub fn spoofed(six: bool) -> Self {
        if six {
            Self::V6 {
                count: SPOOFED6.0 * SPOOFED6.1,
                prefixes: SPOOFED6.0,
            }
        } else {
            Self::V4(CLIENTS4)
        }
    }

    fn count(self) -> u64 {
        match self {
            Self::V4(count) | Self::V6 { count, .. } => count,
        }
    }

    fn address(self, number: u64) -> IpAddr {
        match self {
            Self::V4(_) => v4(10, 64, number),
            Self::V6 { prefixes, .. } => {
                let (network, host) = (number % prefixes + 1, number / prefixes + 1);
                Ipv6Addr::new(
                    0xfd77,
                    1,
                    (network >> 16) as u16,
                    network as u16,
                    0,
                    0,
                    (host >> 16) as u16,
                    host as u16,
                )
                .into()
            }
        }
    }

    fn server(self, number: u64) -> IpAddr {
        match self {
            Self::V4(_) => v4(10, 128, number),
            Self::V6 { .. } => Ipv6Addr::new(0xfd77, 2, 0, 0, 0, 0, 1, number as u16).into(),
        }
    }
}

/// Address of this number above a.b.1.0.
fn v4(a: u8, b: u8, number: u64) -> IpAddr {
    let base = u32::from(Ipv4Addr::new(a, b, 1, 0));
    Ipv4Addr::from(base + number as u32).into()
}

/// The tuples of a population.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuples {
    /// Protocol, if not that of echoes.
    pub proto: Proto,
    /// Clients.
    pub clients: Clients,
    /// How many servers there are.
    pub servers: u64,
    /// Their ports, of which each connection has one.
    pub ports: Vec<u16>,
    /// The ports are gone through in their order, one server after the other.
    pub sweep: bool,
    /// Which share of the clients' ports, of how many.
    pub share: (u32, u32),
    /// A client's address does not count.
    pub masquerade: bool,
}

impl Tuples {
    /// How many there are.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        let space = u128::from(self.ends()) * u128::from(self.targets());
        space.min(MOST) as u64
    }

    /// Server and port.
    fn targets(&self) -> u64 {
        self.servers * self.ports.len() as u64
    }

    /// Client and its port, as far as they tell connections apart.
    fn ends(&self) -> u64 {
        let clients = if self.masquerade {
            1
        } else {
            self.clients.count()
        };
        clients * self.client_ports()
    }

    fn client_ports(&self) -> u64 {
        u64::from(CLIENT_PORTS.end - CLIENT_PORTS.start) / u64::from(self.share.1)
    }

    /// The tuple of a connection, by its number in the population.
    #[must_use]
    pub fn get(&self, number: u64, seed: u64) -> Tuple {
        let targets = self.targets();
        let (target, end) = if self.sweep {
            let round = (number / targets) % self.ends();
            (number % targets, permuted(round, self.ends(), seed))
        } else {
            let place = permuted(number % self.capacity(), self.capacity(), seed);
            (place % targets, place / targets)
        };
        let ports = self.client_ports();
        let client = if self.masquerade {
            mix(seed ^ mix(number)) % self.clients.count()
        } else {
            end / ports
        };
        let first = u64::from(CLIENT_PORTS.start) + u64::from(self.share.0) * ports;
        let count = self.ports.len() as u64;
        Tuple {
            proto: self.proto,
            client: self.clients.address(client),
            client_port: (first + end % ports) as u16,
            server: self.clients.server(target / count),
            server_port: self.ports[(target % count) as usize],
        }
    }
}

/// A number's place among so many, each of which is another one's: a Feistel network over the
/// next power of four, gone through again until the result is in range.
fn permuted(number: u64, count: u64, seed: u64) -> u64 {
    let bits = (u64::BITS - count.saturating_sub(1).leading_zeros()).max(2);
    let half = bits.div_ceil(2);
    let mask = (1_u64 << half) - 1;
    let mut place = number;
    loop {
        let (mut left, mut right) = (place >> half, place & mask);
        for round in 0..4 {
            let scrambled = mix(right ^ seed.rotate_left(16 * round)) & mask;
            (left, right) = (right, left ^ scrambled);
        }
        place = left << half | right;
        if place < count {
            return place;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::lab::net::{MASQUERADE4, MASQUERADE6};

    fn tuples(clients: Clients, masquerade: bool, sweep: bool) -> Tuples {
        Tuples {
            proto: Proto::Tcp,
            clients,
            servers: 3,
            ports: vec![80, 443],
            sweep,
            share: (1, 40),
            masquerade,
        }
    }

    #[test]
    fn no_two_connections_have_the_same_tuple() {
        for (masquerade, sweep) in [(false, false), (false, true), (true, false), (true, true)] {
            let tuples = tuples(Clients::V4(2), masquerade, sweep);
            let mut seen = HashSet::new();
            for number in 0..tuples.capacity() {
                let mut tuple = tuples.get(number, 9);
                if masquerade {
                    tuple.client = Ipv4Addr::UNSPECIFIED.into();
                }
                assert!(seen.insert(tuple), "{tuple:?} is there twice");
            }
            let clients = if masquerade { 1 } else { 2 };
            assert_eq!(seen.len(), clients * 3 * 2 * (64_512 / 40));
        }
    }

    #[test]
    fn a_sweep_goes_from_port_to_port() {
        let mut tuples = tuples(Clients::V4(1), false, true);
        tuples.ports = (1..=10).collect();
        let ports: Vec<u16> = (0..20).map(|n| tuples.get(n, 1).server_port).collect();
        let twice: Vec<u16> = (1..=10).chain(1..=10).collect();
        assert_eq!(ports, twice);
        assert_ne!(tuples.get(0, 1).server, tuples.get(10, 1).server);
    }

    /// It lies where the router has its route to that end, and is nobody else's.
    fn is_an_ends(address: IpAddr, net4: u32, net6: u16) -> bool {
        match address {
            // The router's own addresses, and those of its gateways, are in the last /16 of a network.
            IpAddr::V4(it) => {
                let number = u32::from(it);
                number >> 22 == net4 && number >> 16 & 0x3f != 0x3f && it != MASQUERADE4
            }
            IpAddr::V6(it) => it.segments()[..2] == [0xfd77, net6] && it != MASQUERADE6,
        }
    }

    #[test]
    fn the_first_and_the_last_address_are_an_ends() {
        for clients in [Clients::spoofed(false), Clients::spoofed(true)] {
            for number in [0, clients.count() - 1] {
                let address = clients.address(number);
                assert!(is_an_ends(address, 10 << 2 | 1, 1), "{address}");
            }
            for number in [0, SERVERS - 1] {
                assert!(is_an_ends(clients.server(number), 10 << 2 | 2, 2));
            }
        }
        assert!(!is_an_ends(MASQUERADE4.into(), 10 << 2 | 1, 1));
        assert!(!is_an_ends(MASQUERADE6.into(), 10 << 2 | 1, 1));
    }

    #[test]
    fn clients_are_spread_over_their_prefixes() {
        let spread = Clients::V6 {
            count: 100,
            prefixes: 10,
        };
        let networks: HashSet<_> = (0..100)
            .map(|number| match spread.address(number) {
                IpAddr::V6(it) => it.segments()[3],
                IpAddr::V4(_) => 0,
            })
            .collect();
        assert_eq!(networks.len(), 10);
    }

    /// All that a scenario can ask for.
    fn any_clients() -> impl Strategy<Value = Clients> {
        prop_oneof![
            Just(Clients::spoofed(false)),
            Just(Clients::spoofed(true)),
            (1..=CLIENTS4).prop_map(Clients::V4),
            (1..=CLIENTS4, 1..=CLIENTS4).prop_map(|(count, prefixes)| Clients::V6 {
                count,
                prefixes: prefixes.min(count),
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_permutation_has_every_place_once(count in 1_u64..2000, seed: u64) {
            let places: HashSet<u64> = (0..count).map(|n| permuted(n, count, seed)).collect();
            prop_assert_eq!(places.len() as u64, count);
        }

        #[test]
        fn no_tuple_has_an_address_of_the_router_or_of_anybody_else(
            clients in any_clients(),
            servers in 1..=SERVERS,
            masquerade: bool,
            sweep: bool,
            populations in 1..=64_u32,
            numbers in prop::collection::vec(any::<u64>(), 50),
            seed: u64,
        ) {
            let tuples = Tuples {
                servers,
                sweep,
                share: (populations - 1, populations),
                ..tuples(clients, masquerade, sweep)
            };
            for number in numbers {
                let tuple = tuples.get(number % tuples.capacity(), seed);
                prop_assert!(is_an_ends(tuple.client, 10 << 2 | 1, 1), "{:?}", tuple);
                prop_assert!(is_an_ends(tuple.server, 10 << 2 | 2, 2), "{:?}", tuple);
                prop_assert!(CLIENT_PORTS.contains(&tuple.client_port.into()), "{:?}", tuple);
            }
        }
    }
}
