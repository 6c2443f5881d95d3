//! TCP segments made by hand: what no socket would send at a time of one's choice.

use std::io;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddr};

use etherparse::TcpHeader;
use socket2::{Protocol, Socket};

use super::{Side, Stage, TrafficError, socket};
use crate::net::{CLIENT4, Hush, ROUTER4, SERVER4};

/// A window that takes whatever is sent here.
pub const OPEN: u16 = 10_000;
/// Port of the client's end.
const FROM: u16 = 30_000;

/// A connection of which no end has a socket: the segments are all that there is.
#[derive(Debug)]
pub struct Wire {
    ends: [End; 2],
    /// Its entry in the ledger.
    pub entry: usize,
    _hush: Hush,
}

#[derive(Debug)]
struct End {
    raw: Socket,
    own: (Ipv4Addr, u16),
    /// The other end, as this one sees it.
    peer: (Ipv4Addr, u16),
    next: u32,
}

/// A segment to send. It acknowledges all that the other end has sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Who sends it.
    pub from: Side,
    /// Bytes of data.
    pub length: u16,
    /// How many bytes before the next one of its sender it begins; beyond it, if negative.
    pub back: i32,
    /// The window that it offers.
    pub window: u16,
    /// It resets the connection.
    pub reset: bool,
}

impl Segment {
    /// An acknowledgement without data.
    #[must_use]
    pub fn ack(from: Side) -> Self {
        Self {
            from,
            length: 0,
            back: 0,
            window: OPEN,
            reset: false,
        }
    }

    /// New data.
    #[must_use]
    pub fn data(from: Side, length: u16) -> Self {
        Self {
            length,
            ..Self::ack(from)
        }
    }

    /// The last `length` bytes of data once more.
    #[must_use]
    pub fn again(from: Side, length: u16) -> Self {
        Self {
            back: i32::from(length),
            ..Self::data(from, length)
        }
    }
}

impl Wire {
    /// Sends a segment, and waits until it has arrived. SYN and ACK flags are as given.
    fn send(&mut self, segment: Segment, syn: bool, ack: bool) -> io::Result<()> {
        let (sender, receiver) = (segment.from as usize, segment.from.other() as usize);
        let acknowledged = self.ends[receiver].next;
        let end = &mut self.ends[sender];
        let sequence = end.next.wrapping_sub_signed(segment.back);
        let mut header = TcpHeader::new(end.own.1, end.peer.1, sequence, segment.window);
        (header.syn, header.ack, header.rst) = (syn, ack, segment.reset);
        if ack {
            header.acknowledgment_number = acknowledged;
        }
        let data = vec![b'x'; segment.length.into()];
        header.checksum = header
            .calc_checksum_ipv4_raw(end.own.0.octets(), end.peer.0.octets(), &data)
            .map_err(io::Error::other)?;
        let mut packet = header.to_bytes().to_vec();
        packet.extend(data);
        end.raw
            .send_to(&packet, &SocketAddr::from((end.peer.0, 0)).into())?;
        let sent = sequence
            .wrapping_add(segment.length.into())
            .wrapping_add(syn.into());
        if !segment.reset && sent.wrapping_sub(end.next).cast_signed() > 0 {
            end.next = sent;
        }
        self.ends[receiver]
            .raw
            .recv(&mut [MaybeUninit::uninit(); 2048])?;
        Ok(())
    }
}

impl Stage {
    /// Opens a connection to a port of the server, segment by segment.
    pub fn wire(&mut self, port: u16) -> Result<Wire, TrafficError> {
        let hush = self.topology.hush()?;
        let marked = |made: &Socket| made.set_mark(Hush::MARK);
        let [client, server] = self.raw_sockets(Protocol::TCP, marked)?;
        let mut wire = Wire {
            ends: [
                End {
                    raw: client,
                    own: (CLIENT4, FROM),
                    peer: (SERVER4, port),
                    next: 1000,
                },
                End {
                    raw: server,
                    own: (SERVER4, port),
                    peer: (ROUTER4, FROM),
                    next: 5000,
                },
            ],
            entry: 0,
            _hush: hush,
        };
        let at = self.clock.align()?;
        let (call, answer) = (Segment::ack(Side::Client), Segment::ack(Side::Server));
        wire.send(call, true, false).map_err(socket("SYN"))?;
        wire.send(answer, true, true).map_err(socket("SYN/ACK"))?;
        wire.send(call, false, true).map_err(socket("ACK"))?;
        self.clock.same_jiffy(at, "a handshake")?;
        let entry = self.insert("tcp", port, at, "tcp_syn_sent", "tcp_timeout_syn_sent");
        self.refresh(entry, at, "tcp_syn_recv", "tcp_timeout_syn_recv");
        self.refresh(entry, at, "tcp_established", "tcp_timeout_established");
        wire.entry = entry;
        Ok(wire)
    }

    /// Lets segments through in one jiffy: each with the timer that it arms in an established connection.
    pub fn pass(
        &mut self,
        wire: &mut Wire,
        segments: &[(Segment, &'static str)],
    ) -> Result<u64, TrafficError> {
        let at = self.clock.align()?;
        for (segment, _) in segments {
            wire.send(*segment, false, !segment.reset)
                .map_err(socket("segment"))?;
        }
        self.clock.same_jiffy(at, "a few segments")?;
        for (_, timer) in segments {
            self.refresh(wire.entry, at, "tcp_established", timer);
        }
        Ok(at)
    }
}
