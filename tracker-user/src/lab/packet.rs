//! A packet of the lab, and what conntrack makes of it.
//!
//! A script states what each of its packets does to the entry of its connection; nothing here
//! works that out. So an observer that does work it out can be held against it.

use std::{net::IpAddr, time::Duration};

use tracker_common::{Proto, Reason, State, Timer};

/// The end that sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// Opens connections.
    Client,
    /// Answers.
    Server,
}

/// Between whom a connection is, as its client sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// Transport protocol.
    pub proto: Proto,
    /// The client's address.
    pub client: IpAddr,
    /// The client's port; of an echo its id. Masquerading leaves it as it is, so it is the only
    /// one of its client's network towards this port of the server.
    pub client_port: u16,
    /// The server's address, of the same family.
    pub server: IpAddr,
    /// The server's port; 0 where there are no ports.
    pub server_port: u16,
}

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// A segment.
    Tcp {
        /// [`flag`]s.
        flags: u8,
        /// Sequence number.
        sequence: u32,
        /// Acknowledgment number; 0 without the flag.
        acknowledgment: u32,
        /// Window, unscaled.
        window: u16,
        /// Bytes of data.
        payload: u16,
    },
    /// A datagram of UDP with so many bytes.
    Udp {
        /// Bytes of data.
        payload: u16,
    },
    /// An echo request of the client, or a reply of the server.
    Echo {
        /// Sequence number.
        sequence: u16,
        /// Bytes of data.
        payload: u16,
    },
}

/// Flags of a TCP header.
pub mod flag {
    /// No more data from the sender.
    pub const FIN: u8 = 1;
    /// Sequence numbers are synchronized.
    pub const SYN: u8 = 2;
    /// The connection is reset.
    pub const RST: u8 = 4;
    /// The acknowledgment number counts.
    pub const ACK: u8 = 16;
}

/// What a packet does to its connection's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The entry begins, in this state, armed by this timer.
    Insert {
        /// Its state.
        state: State,
        /// Its timer.
        timer: Timer,
        /// It begins in the middle of a connection.
        pickup: bool,
    },
    /// The entry's timeout is armed anew by this timer; it is in this state now.
    Refresh {
        /// Its state.
        state: State,
        /// Its timer.
        timer: Timer,
    },
    /// The entry is left as it is.
    Nothing,
    /// The entry leaves the table at once, in this state.
    Kill {
        /// Its last state.
        state: State,
        /// Why.
        reason: Reason,
    },
    /// The entry leaves the table at once, [`Reason::Reopened`], and another one takes its place.
    Reopen {
        /// The new one's state.
        state: State,
        /// The new one's timer.
        timer: Timer,
    },
}

/// A packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Number of its connection within the run.
    pub connection: u32,
    /// Who sends it.
    pub side: Side,
    /// Between whom.
    pub tuple: Tuple,
    /// What it carries.
    pub body: Body,
    /// What it does to the entry.
    pub effect: Effect,
}

/// A packet and when it is to be sent, from the beginning of the run on. A run's packets come in
/// the order of these times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When.
    pub at: Duration,
    /// What.
    pub packet: Packet,
}

/// Who is told what happened to the router's table. Jiffies are those of [`super::clock::Clock`].
pub trait Witness {
    /// A packet has passed the router between two jiffies (the same one, nearly always).
    fn sent(&mut self, packet: &Packet, from: u64, to: u64);

    /// Whether an entry is to expire between two jiffies, both included: then the table is not
    /// flushed there, since nobody could say whether it expired or was deleted.
    fn expires(&self, from: u64, to: u64) -> bool {
        let _ = (from, to);
        false
    }

    /// The table was flushed between two jiffies: what had not expired by then was deleted
    /// ([`Reason::Deleted`]), and no entry is left.
    fn flushed(&mut self, from: u64, to: u64) {
        let _ = (from, to);
    }
}
