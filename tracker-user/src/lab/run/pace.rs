//! Sending each packet in its jiffy.

use std::time::Duration;

use super::{Passed, RunError, Sender};
use crate::lab::{
    clock::Clock,
    control::Control,
    packet::Due,
    priority::{run_as_usual, run_first},
};

/// Jiffies that a sender runs before everybody else without a pause, and then at least as one of
/// them: so it never has more than half of a CPU to itself by its priority.
const FIRST: u64 = 8;
/// Sleep that is left to the exact clock, after one that can be ended from outside.
const EXACT: Duration = Duration::from_millis(20);

/// Sends what is due in one jiffy together, at its beginning. What is overdue goes out at once.
#[derive(Debug)]
pub struct Pace<'a> {
    sender: Sender,
    clock: &'a Clock,
    control: &'a Control,
    /// The run's first jiffy.
    start: u64,
    /// The jiffy that it was when last looked at.
    now: u64,
    priority: Priority,
    /// What became of the packets.
    pub sent: Sent,
}

/// How a thread runs, and since which jiffy.
#[derive(Clone, Copy, Debug)]
enum Priority {
    First(u64),
    AsUsual(u64),
}

/// Sums over what a sender has sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Packets.
    pub packets: u64,
    /// Bytes of their frames.
    pub bytes: u64,
    /// Packets that passed after the jiffy in which they were due.
    pub late: u64,
    /// By how many jiffies at most.
    pub latest: u64,
}

impl Sent {
    /// Adds those of another sender.
    pub fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.late += other.late;
        self.latest = self.latest.max(other.latest);
    }
}

impl<'a> Pace<'a> {
    /// A sender whose time 0 is the beginning of jiffy `start`.
    pub fn new(sender: Sender, clock: &'a Clock, control: &'a Control, start: u64) -> Self {
        Self {
            sender,
            clock,
            control,
            start,
            now: 0,
            priority: Priority::AsUsual(0),
            sent: Sent::default(),
        }
    }

    /// Takes the next packet, and sends those before it if it is due later than they are. `tell` is
    /// told what has passed.
    ///
    /// # Errors
    /// When a packet cannot be sent.
    pub fn take(&mut self, due: &Due, tell: &mut impl FnMut(&Passed<'_>)) -> Result<(), RunError> {
        let jiffy = self.start + self.clock.jiffies(due.at);
        if jiffy > self.now {
            self.look()?;
        }
        if jiffy > self.now {
            self.flush(tell)?;
            self.sleep_to(jiffy)?;
            if self.control.is_stopped() {
                return Ok(());
            }
        }
        let late = self.now.saturating_sub(jiffy);
        self.sent.late += u64::from(late > 0);
        self.sent.latest = self.sent.latest.max(late);
        self.sender.push(&due.packet)?;
        if self.sender.is_full() {
            self.flush(tell)?;
        }
        Ok(())
    }

    /// Sends what waits.
    ///
    /// # Errors
    /// When a packet cannot be sent.
    pub fn flush(&mut self, tell: &mut impl FnMut(&Passed<'_>)) -> Result<(), RunError> {
        if self.sender.is_empty() {
            return Ok(());
        }
        let passed = self.sender.pass(self.clock)?;
        self.sent.packets += passed.count() as u64;
        self.sent.bytes += passed.bytes as u64;
        self.control.count(passed.count());
        tell(&passed);
        self.sender.clear();
        self.look()
    }

    fn look(&mut self) -> Result<(), RunError> {
        self.now = self.clock.now()?;
        if let Priority::First(since) = self.priority
            && self.now > since + FIRST
        {
            // What is not caught up in that time is a flood, and floods are no reason to stop others.
            run_as_usual().map_err(RunError::Priority)?;
            self.priority = Priority::AsUsual(self.now);
        }
        Ok(())
    }

    fn sleep_to(&mut self, jiffy: u64) -> Result<(), RunError> {
        let left = self.clock.time_to(jiffy)?;
        if left > 2 * EXACT && self.control.wait(left - EXACT) {
            return Ok(());
        }
        match self.priority {
            Priority::AsUsual(since) if self.now > since + FIRST => {
                // Who may not is late more often, which is counted.
                let _ = run_first();
            }
            _ => {}
        }
        self.clock.sleep_to(jiffy)?;
        self.now = self.clock.now()?;
        self.priority = match self.priority {
            Priority::AsUsual(since) if self.now <= since + FIRST => self.priority,
            _ => Priority::First(self.now),
        };
        Ok(())
    }
}

impl Drop for Pace<'_> {
    fn drop(&mut self) {
        // A thread that could raise its priority can lower it.
        let _ = run_as_usual();
    }
}
