//! The truth about a run: what was sent, and what its entries must have gone through.
//!
//! It goes by what the packets' scripts state ([`Effect`]), by the jiffies in which they passed,
//! and by the timers' lengths. Only living entries are kept one by one.

mod file;
mod live;
mod samples;
mod tally;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;
use tracker_common::{Proto, Reason, State, Timer};

pub use file::{Packets, SCHEMA_VERSION, TruthError, TruthFile};
pub use samples::{Samples, Span};
pub use tally::{InsertTally, Outcome, PortTally, StateTally, Tally, TimerTally};

use super::packet::{Body, Effect, Packet, Side, Tuple, Witness};
use live::{Live, Moment};

/// What a run is known by.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    /// The scenario's name.
    pub scenario: String,
    /// The seed of its packets.
    pub seed: u64,
    /// Seconds that a jiffy lasts.
    pub jiffy_s: f64,
}

/// Seconds after which an entry is looked at for its expiry, though that may be later: so no more
/// is kept of a long timer that was soon replaced.
const LOOK_S: f64 = 60.0;
/// Seconds by which one sender's packets may be told later than another's.
const LAG_S: f64 = 10.0;

/// Keeps the truth about a run.
#[derive(Debug)]
pub struct Truth {
    about: About,
    /// Length of each timer in jiffies.
    lengths: [u32; Timer::SLOTS],
    look: u32,
    lag: u32,
    base: Option<u64>,
    live: FxHashMap<u32, Live>,
    /// When to look at which connection's entry, the first one first.
    queue: BinaryHeap<Reverse<(u32, u32)>>,
    tally: Tally,
    packets: Packets,
    refused: u64,
    spoiled: u64,
}

impl Truth {
    /// Begins with an empty table, whose timers last as many seconds as told.
    #[must_use]
    pub fn new(about: About, seconds: impl Fn(Timer) -> u64) -> Self {
        let mut lengths = [0; Timer::SLOTS];
        let jiffies = |seconds: f64| (seconds / about.jiffy_s).round() as u32;
        for &timer in Timer::ALL {
            lengths[timer.id()] = jiffies(seconds(timer) as f64);
        }
        Self {
            look: jiffies(LOOK_S),
            lag: jiffies(LAG_S),
            about,
            lengths,
            base: None,
            live: FxHashMap::default(),
            queue: BinaryHeap::new(),
            tally: Tally::default(),
            packets: Packets::default(),
            refused: 0,
            spoiled: 0,
        }
    }

    /// Entries that live.
    #[must_use]
    pub fn live(&self) -> u64 {
        self.live.len() as u64
    }

    /// Things that did not go as the scripts state: a packet was sent so late that its entry had
    /// expired, or an entry expired just when the table was flushed. The counters are off by them.
    #[must_use]
    pub fn spoiled(&self) -> u64 {
        self.spoiled
    }

    /// The truth so far. What has expired by a jiffy is dead.
    pub fn report(&mut self, now: u64) -> TruthFile {
        let now = self.moment(now, now);
        self.sweep(now.from);
        let mut tally = self.tally.clone();
        for live in self.live.values() {
            live.longest(&mut tally);
        }
        TruthFile {
            about: self.about.clone(),
            packets: self.packets,
            live: self.live(),
            refused: self.refused,
            spoiled: self.spoiled,
            tally,
        }
    }

    fn moment(&mut self, from: u64, to: u64) -> Moment {
        // Another sender's packets may be told later, and have passed before.
        let lag = u64::from(self.lag);
        let base = *self.base.get_or_insert(from.saturating_sub(lag));
        let since = |jiffy: u64| u32::try_from(jiffy.saturating_sub(base)).unwrap_or(u32::MAX);
        Moment {
            from: since(from),
            to: since(to),
        }
    }

    fn expiry(&self, live: &Live) -> Moment {
        live.refreshed.after(self.lengths[live.timer.id()])
    }

    /// What has certainly expired by now is dead.
    fn sweep(&mut self, now: u32) {
        while let Some(&Reverse((due, connection))) = self.queue.peek() {
            if due > now {
                break;
            }
            self.queue.pop();
            let Some(live) = self.live.get(&connection) else {
                continue;
            };
            if live.queued != due {
                continue;
            }
            let expiry = self.expiry(live);
            if expiry.to > now {
                self.look_again(connection, now);
            } else if let Some(live) = self.live.remove(&connection) {
                let state = live.state;
                live.die(state, Reason::Expired, expiry, &mut self.tally);
            }
        }
    }

    /// A connection's entry that has certainly expired by now is dead.
    fn let_expire(&mut self, connection: u32, at: Moment) {
        let expiry = |live: &Live| self.expiry(live);
        let expiry = self.live.get(&connection).map(expiry);
        if let Some(expiry) = expiry.filter(|expiry| expiry.to <= at.from)
            && let Some(live) = self.live.remove(&connection)
        {
            let state = live.state;
            live.die(state, Reason::Expired, expiry, &mut self.tally);
        }
    }

    /// Plans when to look whether a connection's entry has expired.
    fn look_again(&mut self, connection: u32, now: u32) {
        let Some(live) = self.live.get_mut(&connection) else {
            return;
        };
        let expiry = live.refreshed.after(self.lengths[live.timer.id()]);
        live.queued = expiry.to.min(now.saturating_add(self.look)).max(now + 1);
        self.queue.push(Reverse((live.queued, connection)));
    }

    fn insert(&mut self, packet: &Packet, at: Moment, state: State, timer: Timer, pickup: bool) {
        let Tuple {
            proto, server_port, ..
        } = packet.tuple;
        let connection = packet.connection;
        self.let_expire(connection, at);
        if let Some(old) = self.live.remove(&connection) {
            // Nothing begins an entry where one lives: it must have expired just now.
            let expiry = self.expiry(&old);
            self.spoiled += u64::from(expiry.from > at.to);
            let last = old.state;
            old.die(last, Reason::Expired, expiry, &mut self.tally);
        }
        self.tally.inserted(proto, pickup);
        self.tally.entered(state);
        let port = self.tally.ports.entry((proto, server_port)).or_default();
        port.inserts += 1;
        let live = Live::inserted(proto, server_port, state, timer, at);
        self.live.insert(connection, live);
        self.look_again(connection, at.from);
    }

    fn kill(&mut self, connection: u32, state: Option<State>, reason: Reason, at: Moment) {
        self.let_expire(connection, at);
        match self.live.remove(&connection) {
            Some(live) => {
                let state = state.unwrap_or(live.state);
                live.die(state, reason, at, &mut self.tally);
            }
            None => self.spoiled += 1,
        }
    }
}

impl Witness for Truth {
    fn sent(&mut self, packet: &Packet, from: u64, to: u64) {
        let at = self.moment(from, to);
        self.sweep(at.from.saturating_sub(self.lag));
        self.packets.add(packet);
        let connection = packet.connection;
        match packet.effect {
            Effect::Insert {
                state,
                timer,
                pickup,
            } => self.insert(packet, at, state, timer, pickup),
            Effect::Refresh { state, timer } => {
                self.let_expire(connection, at);
                let Some(live) = self.live.get_mut(&connection) else {
                    self.spoiled += 1;
                    return;
                };
                live.refresh(state, timer, at, &mut self.tally);
                let expiry = live.refreshed.after(self.lengths[timer.id()]);
                if expiry.to < live.queued {
                    self.look_again(connection, at.from);
                }
            }
            Effect::Nothing => {
                self.let_expire(connection, at);
                self.refused += u64::from(!self.live.contains_key(&connection));
            }
            Effect::Kill { state, reason } => self.kill(connection, Some(state), reason, at),
            Effect::Reopen { state, timer } => {
                self.kill(connection, None, Reason::Reopened, at);
                self.insert(packet, at, state, timer, false);
            }
        }
    }

    fn expires(&self, from: u64, to: u64) -> bool {
        let base = self.base.unwrap_or(from);
        let near = |live: &Live| {
            let expiry = self.expiry(live);
            base + u64::from(expiry.from) <= to && base + u64::from(expiry.to) >= from
        };
        self.live.values().any(near)
    }

    fn flushed(&mut self, from: u64, to: u64) {
        let at = self.moment(from, to);
        self.sweep(at.from);
        for (_, live) in std::mem::take(&mut self.live) {
            let expiry = self.expiry(&live);
            self.spoiled += u64::from(expiry.from <= at.to);
            let state = live.state;
            live.die(state, Reason::Deleted, at, &mut self.tally);
        }
        self.queue.clear();
    }
}

impl Packets {
    fn add(&mut self, packet: &Packet) {
        match packet.side {
            Side::Client => self.client += 1,
            Side::Server => self.server += 1,
        }
        let headers = match packet.tuple.proto {
            Proto::Tcp => 20,
            _ => 8,
        };
        let ip = if packet.tuple.client.is_ipv4() {
            20
        } else {
            40
        };
        let (Body::Tcp { payload, .. } | Body::Udp { payload } | Body::Echo { payload, .. }) =
            packet.body;
        self.bytes += ip + headers + u64::from(payload);
    }
}
