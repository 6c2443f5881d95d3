//! As many new flows as can be sent.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use tracker_common::{Proto, State, Timer};
use tracker_user::lab::packet::{Body, Due, Effect, Packet, Side, Tuple};

/// Clients of a flood; each has as many ports.
const PORTS: u32 = 50_000;

/// One datagram from each of so many clients' ports, all due at once.
pub fn flood(packets: u32) -> impl Iterator<Item = Due> {
    let first = u32::from(Ipv4Addr::new(10, 64, 0, 1));
    (0..packets).map(move |number| Due {
        at: Duration::ZERO,
        packet: Packet {
            connection: number,
            side: Side::Client,
            tuple: Tuple {
                proto: Proto::Udp,
                client: IpAddr::V4(Ipv4Addr::from(first + number / PORTS)),
                client_port: 1024 + (number % PORTS) as u16,
                server: IpAddr::V4(Ipv4Addr::new(10, 128, 0, 1)),
                server_port: 53,
            },
            body: Body::Udp { payload: 32 },
            effect: Effect::Insert {
                state: State::UdpUnreplied,
                timer: Timer::Udp,
                pickup: false,
            },
        },
    })
}
