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
    spans: Vec<Span>,
}

/// When some packets have passed, one after the other.
#[derive(Clone, Copy, Debug)]
struct Span {
    packets: usize,
    /// Jiffy before the first, at the earliest.
    from: u64,
    /// Jiffy after the last, at the latest.
    to: u64,
}

/// Packets that have passed.
#[derive(Debug)]
pub struct Passed<'a> {
    packets: &'a [Packet],
    spans: &'a [Span],
    /// Length of their frames.
    pub bytes: usize,
}

impl Passed<'_> {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.packets.len()
    }

    /// Each, in the order in which they were sent, with the jiffies between which it passed.
    pub fn each(&self, mut tell: impl FnMut(&Packet, u64, u64)) {
        let mut left = self.packets;
        for span in self.spans {
            let (these, others) = left.split_at(span.packets);
            for packet in these {
                tell(packet, span.from, span.to);
            }
            left = others;
        }
    }
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
            spans: Vec::with_capacity(TOGETHER),
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
        let (mut first, mut begin) = (0, 0);
        let mut before = clock.around()?;
        for run in self.packets.chunk_by(|one, next| one.side == next.side) {
            let wire = match run[0].side {
                Side::Client => &self.client,
                Side::Server => &self.server,
            };
            let ends = &self.ends[first..first + run.len()];
            wire.send(&self.bytes, begin, ends)?;
            first += run.len();
            begin = ends.last().copied().unwrap_or(begin);
            let after = clock.around()?;
            self.spans.push(Span {
                packets: run.len(),
                from: before.0,
                to: after.1,
            });
            before = after;
        }
        self.catch_up(clock)?;
        Ok(Passed {
            packets: &self.packets,
            spans: &self.spans,
            bytes: self.bytes.len(),
        })
    }

    /// A packet passes the router in the sender's own system call, unless the kernel has left the
    /// rest to a thread of its own, which then has to run first.
    fn catch_up(&mut self, clock: &Clock) -> Result<(), RunError> {
        let mut is_behind = false;
        while self.backlog.length().map_err(RunError::Backlog)? > 0 {
            is_behind = true;
            std::thread::sleep(PUT_OFF);
        }
        if is_behind {
            // Which ones were put off is not known.
            let (_, to) = clock.around()?;
            for span in &mut self.spans {
                span.to = to;
            }
        }
        Ok(())
    }

    /// Forgets what has passed.
    pub fn clear(&mut self) {
        self.packets.clear();
        self.bytes.clear();
        self.ends.clear();
        self.spans.clear();
    }
}
