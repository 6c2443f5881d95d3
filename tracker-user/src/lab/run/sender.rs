//! Letting packets through the router, and telling in which jiffies they passed.

use std::time::Duration;

use super::{RunError, backlog::Backlog};
use crate::lab::{
    clock::Clock,
    craft::craft,
    net::{END, Topology},
    packet::{Packet, Side},
    send::{TOGETHER, Wire},
};

/// Both ends' wires, and packets that are about to go out.
#[derive(Debug)]
pub struct Sender {
    client: Wire,
    server: Wire,
    masquerade: bool,
    backlog: Backlog,
    packets: Vec<Packet>,
    bytes: Vec<u8>,
    /// Where each packet's frame ends.
    ends: Vec<usize>,
}

/// Packets that have passed.
#[derive(Debug)]
pub struct Passed<'a> {
    /// In the order in which they were sent.
    pub packets: &'a [Packet],
    /// Length of their frames.
    pub bytes: usize,
    /// Jiffy before the first, at the earliest.
    pub from: u64,
    /// Jiffy after the last, at the latest.
    pub to: u64,
}

/// Time for the kernel to pass on what it has put off.
const PUT_OFF: Duration = Duration::from_micros(50);

impl Sender {
    /// Opens both ends. The calling thread is on this CPU and stays there.
    ///
    /// # Errors
    /// When there are no sockets.
    pub fn open(topology: &Topology, cpu: usize) -> Result<Self, RunError> {
        Ok(Self {
            client: Wire::open(topology.end(Side::Client), END)?,
            server: Wire::open(topology.end(Side::Server), END)?,
            masquerade: topology.masquerades(),
            backlog: Backlog::of(cpu).map_err(RunError::Backlog)?,
            packets: Vec::with_capacity(TOGETHER),
            bytes: Vec::new(),
            ends: Vec::with_capacity(TOGETHER),
        })
    }

    /// As many packets wait as may go out together.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.packets.len() >= TOGETHER
    }

    /// No packet waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Adds a packet to those that wait.
    ///
    /// # Errors
    /// When there is no such packet.
    pub fn push(&mut self, packet: &Packet) -> Result<(), RunError> {
        craft(packet, self.masquerade, &mut self.bytes)?;
        self.ends.push(self.bytes.len());
        self.packets.push(*packet);
        Ok(())
    }

    /// Lets all that wait through the router.
    ///
    /// # Errors
    /// When a packet cannot be sent.
    pub fn pass(&mut self, clock: &Clock) -> Result<Passed<'_>, RunError> {
        let (from, _) = clock.around()?;
        let (mut first, mut begin) = (0, 0);
        for run in self.packets.chunk_by(|one, next| one.side == next.side) {
            let wire = match run[0].side {
                Side::Client => &self.client,
                Side::Server => &self.server,
            };
            let ends = &self.ends[first..first + run.len()];
            wire.send(&self.bytes, begin, ends)?;
            first += run.len();
            begin = ends.last().copied().unwrap_or(begin);
        }
        // A packet passes the router in the sender's own system call, unless the kernel has left the
        // rest to a thread of its own, which then has to run first.
        while self.backlog.length().map_err(RunError::Backlog)? > 0 {
            std::thread::sleep(PUT_OFF);
        }
        let (_, to) = clock.around()?;
        Ok(Passed {
            packets: &self.packets,
            bytes: self.bytes.len(),
            from,
            to,
        })
    }

    /// Forgets what has passed.
    pub fn clear(&mut self) {
        self.packets.clear();
        self.bytes.clear();
        self.ends.clear();
    }
}
