//! Which ports connections go to.

use std::collections::BTreeMap;

use tracker_common::{Proto, Timer};

use super::{
    kind::{Step, choose, plain, then},
    measured::Measured,
    seen::Seen,
};
use crate::recording::{NamespaceRecord, PortRecord};

/// Ports of a protocol that have a population of their own, at most.
const PORTS: usize = 16;
/// Ports of the population of all others, at most.
const OTHERS: usize = 100;
/// Where connections go whose ports are not known.
pub const ANY_PORT: u16 = 40_000;

/// A port, or all those together that are of little weight.
#[derive(Debug)]
pub struct Target {
    pub name: String,
    pub ports: Vec<u16>,
    pub inserts: f64,
    /// Entries that died, of those seen inserted, and seconds that they were in the table, summed.
    pub deaths: f64,
    pub entry_s: f64,
    strata: BTreeMap<Timer, (f64, Measured)>,
}

/// How long entries pause under a timer.
#[derive(Clone, Debug)]
pub struct Pauses {
    /// Share of the entries that paused for long.
    pub share: f64,
    /// The longest pause of each of them.
    pub long: Measured,
    /// What is long, in seconds. Shorter pauses are all made so long.
    pub busy: f64,
}

impl Pauses {
    fn of(connections: f64, pauses: &Measured, busy: f64) -> Self {
        let long = pauses.above(busy);
        let share = (long.weight() / connections.max(1.0)).min(1.0);
        Self { share, long, busy }
    }

    /// Of the whole namespace.
    pub fn of_all(seen: &Seen<'_>, timer: Timer) -> Self {
        let (connections, pauses) = (seen.connections(timer), seen.long_pauses(timer));
        Self::of(connections, &pauses, seen.busy(timer))
    }

    /// A talk with such pauses, of this mean length in all: the long ones come before it.
    pub fn talk(&self, lasts: &Measured, mean: f64, once: &'static str) -> Vec<Step> {
        let rest = (mean - self.share * self.long.mean()).max(0.0);
        let factor = rest / lasts.mean().max(1e-6);
        let pause = then([plain(once), vec![Step::Pause(self.long.clone())]]);
        then([
            choose([(self.share, pause), (1.0 - self.share, Vec::new())]),
            vec![Step::Talk {
                lasts: lasts.scaled(factor),
                pause: Measured::point(self.busy, 1.0),
                answered: true,
            }],
        ])
    }
}

impl Target {
    /// Those of a protocol: the ports with most inserts, then the others.
    pub fn all(seen: &Seen<'_>, proto: Proto) -> Vec<Self> {
        let record = seen.record;
        let mut ports: Vec<&PortRecord> = record
            .ports
            .iter()
            // What goes to port 0 goes with those whose port is not known: no lab sends there.
            .filter(|port| port.proto == Some(proto) && port.inserts > 0)
            .filter(|port| port.port > 0)
            .collect();
        ports.sort_by_key(|port| (std::cmp::Reverse(port.inserts), port.port));
        let of_all = seen.inserts(proto);
        // What the kernel side counts by port may lag behind by a moment.
        let listed: f64 = ports.iter().map(|port| port.inserts as f64).sum();
        let (own, rest) = ports.split_at(ports.len().min(PORTS));
        let mut targets: Vec<Self> = own.iter().map(|port| Self::one(record, port)).collect();
        let unlisted = (of_all - listed).max(0.0);
        let inserts = unlisted + rest.iter().map(|port| port.inserts as f64).sum::<f64>();
        if inserts >= 0.5 {
            let mut numbers: Vec<u16> = rest.iter().map(|port| port.port).take(OTHERS).collect();
            if numbers.is_empty() {
                numbers.push(ANY_PORT);
            }
            targets.push(Self {
                name: format!("{}-others", proto.name()),
                ports: numbers,
                inserts,
                deaths: rest.iter().map(|port| port.deaths as f64).sum(),
                entry_s: rest.iter().map(|port| port.entry_us as f64 / 1e6).sum(),
                strata: BTreeMap::new(),
            });
        }
        targets
    }

    fn one(record: &NamespaceRecord, port: &PortRecord) -> Self {
        let is_of = |proto: Option<Proto>, number: u16| (proto, number) == (port.proto, port.port);
        let strata = record.strata.iter().filter(|it| is_of(it.proto, it.port));
        Self {
            name: format!("{}-{}", port.name(), port.port),
            ports: vec![port.port],
            inserts: port.inserts as f64,
            deaths: port.deaths as f64,
            entry_s: port.entry_us as f64 / 1e6,
            strata: strata
                .map(|it| {
                    let seen = (it.connections as f64, Measured::of(&it.max_gaps));
                    (it.timer, seen)
                })
                .collect(),
        }
    }

    /// Entries that were seen under a timer, and their longest pauses: `None` if nothing is known of
    /// these ports under any timer.
    fn stratum(&self, timer: Timer) -> Option<(f64, Measured)> {
        let stratum = || self.strata.get(&timer).cloned().unwrap_or_default();
        (!self.strata.is_empty()).then(stratum)
    }

    /// Entries that were seen under a timer, if that is known of these ports.
    pub fn connections(&self, timer: Timer) -> Option<f64> {
        self.stratum(timer).map(|(connections, _)| connections)
    }

    /// Long pauses under a timer: of these ports if that is known, else of the namespace.
    pub fn pauses(&self, seen: &Seen<'_>, timer: Timer) -> Pauses {
        match self.stratum(timer) {
            Some((connections, pauses)) => Pauses::of(connections, &pauses, seen.busy(timer)),
            None => Pauses::of_all(seen, timer),
        }
    }

    /// Entries that paused for longer than a time under a timer, of so many that went to these ports,
    /// and how long.
    pub fn paused(&self, seen: &Seen<'_>, timer: Timer, time: f64) -> Measured {
        let own = self.stratum(timer).map(|(_, pauses)| pauses.above(time));
        own.unwrap_or_else(|| {
            let share = self.inserts / seen.connections(timer).max(self.inserts);
            seen.long_pauses(timer).above(time).of_weight(share)
        })
    }

    /// Mean time in the table, if enough entries tell.
    pub fn mean_life(&self) -> Option<f64> {
        (self.deaths >= 20.0).then(|| self.entry_s / self.deaths)
    }
}
