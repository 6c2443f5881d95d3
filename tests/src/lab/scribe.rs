//! A witness that writes down what it is told.

use std::collections::{BTreeMap, HashMap};

use tracker_user::lab::clock::Clock;
use tracker_user::lab::packet::{Effect, Packet, Witness};

use crate::truth::{Entry, Followed, Ledger, Name, Reason, Step};

/// Writes all into a ledger.
#[derive(Debug)]
pub struct Scribe {
    /// What happened.
    pub ledger: Ledger,
    /// Jiffies by which a packet's time was uncertain, at most.
    pub doubt: u64,
    namespace: String,
    clock: Clock,
    entries: HashMap<u32, usize>,
}

impl Scribe {
    /// About a namespace with these timers, in seconds.
    #[must_use]
    pub fn of(namespace: &str, timers: &[(&'static str, u64)], clock: Clock) -> Self {
        let timers = timers
            .iter()
            .map(|&(name, seconds)| (Name::from(name), seconds));
        Self {
            ledger: Ledger {
                jiffy_s: clock.jiffy_s(),
                slack: 2,
                settings: BTreeMap::from([(namespace.to_owned(), timers.collect())]),
                ..Ledger::default()
            },
            doubt: 0,
            namespace: namespace.to_owned(),
            clock,
            entries: HashMap::new(),
        }
    }

    fn step(&self, at: u64, state: &'static str, timer: &'static str) -> Step {
        let seconds = self.ledger.settings[&self.namespace].get(timer);
        let seconds = std::time::Duration::from_secs(seconds.copied().unwrap_or(0));
        Step {
            at,
            state: state.into(),
            timer: timer.into(),
            timeout: self.clock.jiffies(seconds),
        }
    }
}

impl Witness for Scribe {
    fn sent(&mut self, packet: &Packet, from: u64, to: u64) {
        self.doubt = self.doubt.max(to - from);
        match packet.effect {
            Effect::Insert {
                state,
                timer,
                pickup,
            } => {
                let step = self.step(from, state.name(), timer.name());
                let entry = self.ledger.insert(Entry {
                    namespace: self.namespace.clone(),
                    proto: packet.tuple.proto.name().into(),
                    port: packet.tuple.server_port,
                    pickup,
                    before: false,
                    causes: BTreeMap::new(),
                    followed: Followed::Wholly,
                    steps: vec![step],
                    death: None,
                });
                self.entries.insert(packet.connection, entry);
            }
            Effect::Refresh { state, timer } => {
                let step = self.step(from, state.name(), timer.name());
                let entry = self.entries[&packet.connection];
                self.ledger.entries[entry].steps.push(step);
            }
            Effect::Nothing => {}
            Effect::Kill { .. } | Effect::Reopen { .. } => {
                unreachable!("the populations of these tests kill no entry")
            }
        }
    }

    fn expires(&self, from: u64, to: u64) -> bool {
        let expiries = self.ledger.entries.iter().filter_map(Ledger::expiry);
        expiries.into_iter().any(|at| (from..=to).contains(&at))
    }

    fn flushed(&mut self, _from: u64, to: u64) {
        self.ledger.expire(&self.namespace, to);
        for entry in 0..self.ledger.entries.len() {
            if self.ledger.entries[entry].death.is_none() {
                self.ledger.kill(entry, to, Reason::Deleted);
            }
        }
    }
}
