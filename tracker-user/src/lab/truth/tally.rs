//! What is counted of entries.

use std::collections::BTreeMap;

use tracker_common::{Proto, Reason, State, Timer};

use super::{Samples, Span};

/// How a visit to a state ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Another state followed.
    MovedOn,
    /// The entry expired in it.
    Expired,
    /// The entry died in it otherwise.
    Killed,
}

/// Entries of one protocol that were inserted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InsertTally {
    /// All.
    pub count: u64,
    /// Of them, those that began in the middle of a connection.
    pub pickups: u64,
}

/// How often a state was entered and left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateTally {
    /// Visits that began.
    pub entered: u64,
    /// Visits that another state followed.
    pub moved_on: u64,
    /// Visits in which the entry expired.
    pub expired: u64,
    /// Visits in which the entry died otherwise.
    pub killed: u64,
    /// How long each visit was; of an expired entry, up to its expiry.
    pub residency: Samples,
}

/// What happened under one timer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimerTally {
    /// Each gap that a refresh ended. One that may have been shorter than a jiffy may be missed.
    pub resumed: Samples,
    /// The longest such gap of each entry that the timer was ever armed for, 0 without any.
    pub longest: Samples,
    /// Entries that it let expire.
    pub expired: u64,
    /// Connections that went on after it had let their entry expire.
    pub cut: u64,
}

/// Entries towards one destination port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PortTally {
    /// Inserted.
    pub inserts: u64,
    /// Died.
    pub deaths: u64,
    /// Jiffies that those which died were in the table, up to their expiry.
    pub presence: Span,
    /// Connections that went on after their entry had expired.
    pub cut: u64,
}

/// Everything that is counted of entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// By protocol.
    pub inserts: BTreeMap<Proto, InsertTally>,
    /// By last state and reason.
    pub deaths: BTreeMap<(State, Reason), u64>,
    /// By state.
    pub states: BTreeMap<State, StateTally>,
    /// By timer.
    pub timers: BTreeMap<Timer, TimerTally>,
    /// By protocol and destination port.
    pub ports: BTreeMap<(Proto, u16), PortTally>,
    /// The longest gap of each entry under each timer that was ever armed for it, 0 without any, by protocol
    /// and destination port.
    pub strata: BTreeMap<(Proto, u16, Timer), Samples>,
    /// Insert to death; of an expired entry, to its expiry.
    pub lifetime: Samples,
}

impl Tally {
    /// An entry was inserted.
    pub fn inserted(&mut self, proto: Proto, pickup: bool) {
        let row = self.inserts.entry(proto).or_default();
        row.count += 1;
        row.pickups += u64::from(pickup);
    }

    /// A visit to a state began.
    pub fn entered(&mut self, state: State) {
        self.states.entry(state).or_default().entered += 1;
    }

    /// A visit to a state ended.
    pub fn left(&mut self, state: State, outcome: Outcome, residency: Span) {
        let row = self.states.entry(state).or_default();
        match outcome {
            Outcome::MovedOn => row.moved_on += 1,
            Outcome::Expired => row.expired += 1,
            Outcome::Killed => row.killed += 1,
        }
        row.residency.add(residency);
    }

    /// A refresh ended a gap. One of less than a jiffy is none.
    pub fn resumed(&mut self, timer: Timer, gap: Span) {
        if gap.high > 0 {
            self.timers.entry(timer).or_default().resumed.add(gap);
        }
    }

    /// An entry's longest gap under a timer is known.
    pub fn longest(&mut self, timer: Timer, gap: Span) {
        self.timers.entry(timer).or_default().longest.add(gap);
    }

    /// The same of an entry to a destination port.
    pub fn longest_to(&mut self, (proto, port): (Proto, u16), timer: Timer, gap: Span) {
        self.longest(timer, gap);
        let key = (proto, port, timer);
        self.strata.entry(key).or_default().add(gap);
    }

    /// An entry died.
    pub fn died(&mut self, state: State, reason: Reason) {
        *self.deaths.entry((state, reason)).or_default() += 1;
    }

    /// A timer let an entry expire.
    pub fn expired(&mut self, timer: Timer) {
        self.timers.entry(timer).or_default().expired += 1;
    }

    /// A timer cut so many connections towards a port.
    pub fn cut(&mut self, (timer, proto, port): (Timer, Proto, u16), connections: u64) {
        self.timers.entry(timer).or_default().cut += connections;
        self.ports.entry((proto, port)).or_default().cut += connections;
    }

    /// Entries that were inserted.
    #[must_use]
    pub fn insert_count(&self) -> u64 {
        self.inserts.values().map(|row| row.count).sum()
    }

    /// Entries that died.
    #[must_use]
    pub fn death_count(&self) -> u64 {
        self.deaths.values().sum()
    }
}
