use etherparse::{SlicedPacket, TransportSlice};
use tracker_common::{State, Timer};

use super::*;
use crate::lab::packet::{Effect, Tuple};

const SEGMENT: Body = Body::Tcp {
    flags: flag::SYN | flag::ACK,
    sequence: 7,
    acknowledgment: 9,
    window: 1000,
    payload: 11,
};

fn packet(side: Side, proto: Proto, v6: bool, body: Body) -> Packet {
    let (client, server) = if v6 {
        ("fd77:1::5", "fd77:2::6")
    } else {
        ("10.64.0.5", "10.128.0.6")
    };
    Packet {
        connection: 0,
        side,
        tuple: Tuple {
            proto,
            client: client.parse().unwrap(),
            client_port: 4000,
            server: server.parse().unwrap(),
            server_port: 443,
        },
        body,
        effect: Effect::Refresh {
            state: State::TcpSynRecv,
            timer: Timer::TcpSynRecv,
        },
    }
}

fn frame(packet: &Packet, masquerade: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    craft(packet, masquerade, &mut bytes).unwrap();
    bytes
}

/// Sums to zero with its checksum in place.
fn is_checked(frame: &[u8], number: u8) -> bool {
    let ip = &frame[14..];
    let (addresses, transport) = if ip[0] >> 4 == 4 {
        (&ip[12..20], &ip[20..])
    } else {
        (&ip[8..40], &ip[40..])
    };
    // ICMP is without the addresses.
    let pseudo = number != 1;
    let words = |bytes: &[u8]| -> u32 {
        bytes
            .chunks(2)
            .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)))
            .sum()
    };
    let mut sum = words(transport);
    if pseudo {
        sum += words(addresses) + u32::from(number) + transport.len() as u32;
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum == 0xffff
}

#[test]
fn every_kind_of_packet_has_its_headers_and_checksums() {
    let echo = Body::Echo {
        sequence: 3,
        payload: 5,
    };
    for (proto, number, v6, body, length) in [
        (Proto::Tcp, 6, false, SEGMENT, 14 + 20 + 20 + 11),
        (Proto::Tcp, 6, true, SEGMENT, 14 + 40 + 20 + 11),
        (
            Proto::Udp,
            17,
            false,
            Body::Udp { payload: 3 },
            14 + 20 + 8 + 3,
        ),
        (Proto::Udp, 17, true, Body::Udp { payload: 0 }, 14 + 40 + 8),
        (Proto::Icmp, 1, false, echo, 14 + 20 + 8 + 5),
        (Proto::Icmpv6, 58, true, echo, 14 + 40 + 8 + 5),
    ] {
        for side in [Side::Client, Side::Server] {
            let bytes = frame(&packet(side, proto, v6, body), false);
            assert_eq!(bytes.len(), length, "{proto:?} {v6}");
            assert!(is_checked(&bytes, number), "{proto:?} {v6} {side:?}");
            assert!(SlicedPacket::from_ethernet(&bytes).is_ok());
        }
    }
}

#[test]
fn a_segment_carries_what_it_was_told_to() {
    let bytes = frame(&packet(Side::Server, Proto::Tcp, false, SEGMENT), false);
    let sliced = SlicedPacket::from_ethernet(&bytes).unwrap();
    let Some(TransportSlice::Tcp(tcp)) = sliced.transport else {
        panic!("no segment");
    };
    assert_eq!((tcp.source_port(), tcp.destination_port()), (443, 4000));
    assert_eq!((tcp.sequence_number(), tcp.acknowledgment_number()), (7, 9));
    assert!(tcp.syn() && tcp.ack() && !tcp.fin() && !tcp.rst());
    assert_eq!((tcp.window_size(), tcp.payload().len()), (1000, 11));
}

#[test]
fn the_server_answers_the_router_where_it_masquerades() {
    for (v6, from, to) in [(false, 26, 30), (true, 22, 38)] {
        let length = if v6 { 16 } else { 4 };
        let answer = packet(Side::Server, Proto::Udp, v6, Body::Udp { payload: 1 });
        let (plain, hidden) = (frame(&answer, false), frame(&answer, true));
        assert_eq!(plain[from..from + length], hidden[from..from + length]);
        let router = if v6 {
            MASQUERADE6.octets().to_vec()
        } else {
            MASQUERADE4.octets().to_vec()
        };
        assert_ne!(plain[to..to + length], router);
        assert_eq!(hidden[to..to + length], router);
        let question = packet(Side::Client, Proto::Udp, v6, Body::Udp { payload: 1 });
        assert_eq!(frame(&question, true), frame(&question, false));
    }
}

#[test]
fn what_cannot_be_made_is_explained() {
    let error = |packet: &Packet| {
        craft(packet, false, &mut Vec::new())
            .unwrap_err()
            .to_string()
    };
    let udp = Body::Udp { payload: 1 };
    let mut mixed = packet(Side::Client, Proto::Udp, false, udp);
    mixed.tuple.server = "fd77:2::1".parse().unwrap();
    assert!(error(&mixed).contains("both addresses of one family"));
    assert!(error(&packet(Side::Client, Proto::Tcp, false, udp)).contains("tcp cannot carry"));
    let long = Body::Udp { payload: u16::MAX };
    assert!(error(&packet(Side::Client, Proto::Udp, false, long)).contains("at most 65000"));
    let echo = Body::Echo {
        sequence: 0,
        payload: 0,
    };
    assert!(error(&packet(Side::Client, Proto::Icmp, true, echo)).contains("icmp cannot carry"));
}
