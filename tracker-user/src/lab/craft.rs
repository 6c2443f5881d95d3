//! Packets as bytes on the wire.

use std::net::IpAddr;

use etherparse::{
    IcmpEchoHeader, Icmpv4Type, Icmpv6Type, IpFragOffset, IpHeaders, IpNumber, Ipv4Header,
    Ipv6Header, PacketBuilder, TcpHeader,
};
use tracker_common::Proto;

use super::{
    net::{MASQUERADE4, MASQUERADE6, mac},
    packet::{Body, Packet, Side, flag},
};

/// A packet that cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum CraftError {
    /// The addresses are of two families.
    #[error("{client} cannot talk to {server}: give both addresses of one family")]
    Families {
        /// The client's address.
        client: IpAddr,
        /// The server's address.
        server: IpAddr,
    },
    /// The body does not fit the protocol.
    #[error("a packet of {proto} cannot carry {body:?}: give it a body of its protocol and family")]
    Body {
        /// The protocol.
        proto: &'static str,
        /// The body.
        body: Body,
    },
    /// It is too long.
    #[error("a packet of {bytes} bytes does not fit: give it at most {MAX} bytes of payload")]
    TooLong {
        /// Its payload.
        bytes: u16,
    },
}

/// Bytes of payload at most: the interfaces take 65,535 bytes with all headers.
pub const MAX: u16 = 65_000;

/// Payloads are made of these.
static ZEROS: [u8; MAX as usize] = [0; MAX as usize];

const HOP_LIMIT: u8 = 64;

/// Appends a packet to `frames`, as its sender hands it to the wire.
///
/// # Errors
/// [`CraftError`].
pub fn craft(packet: &Packet, masquerade: bool, frames: &mut Vec<u8>) -> Result<(), CraftError> {
    let tuple = &packet.tuple;
    let client = match (packet.side, masquerade, tuple.client) {
        // Whom the server sees.
        (Side::Server, true, IpAddr::V4(_)) => IpAddr::V4(MASQUERADE4),
        (Side::Server, true, IpAddr::V6(_)) => IpAddr::V6(MASQUERADE6),
        (_, _, client) => client,
    };
    let (own, peer) = match packet.side {
        Side::Client => (
            (client, tuple.client_port),
            (tuple.server, tuple.server_port),
        ),
        Side::Server => (
            (tuple.server, tuple.server_port),
            (client, tuple.client_port),
        ),
    };
    let ether = match packet.side {
        Side::Client => PacketBuilder::ethernet2(mac::CLIENT, mac::NEAR),
        Side::Server => PacketBuilder::ethernet2(mac::SERVER, mac::FAR),
    };
    let is_v4 = own.0.is_ipv4();
    let ip = ether.ip(headers(own.0, peer.0).ok_or(CraftError::Families {
        client: tuple.client,
        server: tuple.server,
    })?);
    let data = payload(packet.body)?;
    let written = match (packet.body, tuple.proto) {
        (
            Body::Tcp {
                flags,
                sequence,
                acknowledgment,
                window,
                ..
            },
            Proto::Tcp,
        ) => {
            let mut header = TcpHeader::new(own.1, peer.1, sequence, window);
            header.fin = flags & flag::FIN != 0;
            header.syn = flags & flag::SYN != 0;
            header.rst = flags & flag::RST != 0;
            header.ack = flags & flag::ACK != 0;
            header.acknowledgment_number = acknowledgment;
            ip.tcp_header(header).write(frames, data)
        }
        (Body::Udp { .. }, Proto::Udp) => ip.udp(own.1, peer.1).write(frames, data),
        (Body::Echo { sequence, .. }, Proto::Icmp | Proto::Icmpv6)
            if is_v4 == (tuple.proto == Proto::Icmp) =>
        {
            let echo = IcmpEchoHeader {
                id: tuple.client_port,
                seq: sequence,
            };
            match (packet.side, is_v4) {
                (Side::Client, true) => {
                    ip.icmpv4(Icmpv4Type::EchoRequest(echo)).write(frames, data)
                }
                (Side::Server, true) => ip.icmpv4(Icmpv4Type::EchoReply(echo)).write(frames, data),
                (Side::Client, false) => {
                    ip.icmpv6(Icmpv6Type::EchoRequest(echo)).write(frames, data)
                }
                (Side::Server, false) => ip.icmpv6(Icmpv6Type::EchoReply(echo)).write(frames, data),
            }
        }
        (body, proto) => {
            return Err(CraftError::Body {
                proto: proto.name(),
                body,
            });
        }
    };
    // A vector takes all, and the length was looked at.
    written.map_err(|_| CraftError::TooLong {
        bytes: u16::try_from(data.len()).unwrap_or(u16::MAX),
    })
}

fn payload(body: Body) -> Result<&'static [u8], CraftError> {
    let (Body::Tcp { payload, .. } | Body::Udp { payload } | Body::Echo { payload, .. }) = body;
    ZEROS
        .get(..usize::from(payload))
        .ok_or(CraftError::TooLong { bytes: payload })
}

/// Lengths, protocol and checksums are filled in when the packet is written.
fn headers(from: IpAddr, to: IpAddr) -> Option<IpHeaders> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let header = Ipv4Header {
                time_to_live: HOP_LIMIT,
                dont_fragment: true,
                fragment_offset: IpFragOffset::ZERO,
                protocol: IpNumber::UDP,
                source: from.octets(),
                destination: to.octets(),
                ..Ipv4Header::default()
            };
            Some(IpHeaders::Ipv4(header, Default::default()))
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let header = Ipv6Header {
                hop_limit: HOP_LIMIT,
                source: from.octets(),
                destination: to.octets(),
                ..Ipv6Header::default()
            };
            Some(IpHeaders::Ipv6(header, Default::default()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
