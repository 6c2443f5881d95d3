//! The packets of a scenario, in the order of their times.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};
use std::str::FromStr;
use std::time::Duration;

use tracker_common::{Proto, Timer};

use super::arrival::{Arrival, Times, check_rate};
use super::{Population, Scenario, ScenarioError};
use crate::lab::packet::{Due, Tuple};
use crate::lab::random::{Chance, mix};
use crate::lab::script::Connection;

/// What to do when there are too few tuples.
pub(super) const REMEDY: &str =
    "Give it more `clients`, `servers` or `ports`, a lower rate, a shorter duration, or a `count`";

/// How many connections begin in a second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    /// So many, of all populations together. Each keeps its share.
    PerSecond(f64),
    /// As many as can be sent: those that the scenario has, with no time between them. What a
    /// connection does later it does in its time.
    Highest,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Highest);
        }
        let rate = text.parse().map(Self::PerSecond);
        rate.map_err(|_| "give a number, or max".to_owned())
    }
}

/// By how much arrivals come closer at the highest rate: hours become milliseconds.
const HASTE: u32 = 1_000_000;

/// What is to be different from the scenario's file.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Overrides {
    /// For how long connections begin.
    pub duration: Option<Duration>,
    /// How many connections begin in a second.
    pub rate: Option<Rate>,
}

/// Packets in the order of their times. Only connections under way are kept.
#[derive(Debug)]
pub struct Traffic<'a> {
    scenario: &'a Scenario,
    seed: u64,
    arrivals: Vec<Arrivals>,
    under_way: BinaryHeap<Reverse<Waiting>>,
    begun: u32,
    cuts: BTreeMap<Cut, u64>,
}

/// Whose connections went on after their entry had expired: the timer that let it expire, and the
/// servers' port.
pub type Cut = (Timer, Proto, u16);

/// Arrivals of a population.
#[derive(Debug)]
struct Arrivals {
    times: Times,
    /// The next one.
    next: Option<Duration>,
    start: Duration,
    /// By how much they come closer.
    haste: u32,
    number: u64,
    count: u64,
}

/// A connection and when its next packet is due.
#[derive(Debug)]
struct Waiting {
    at: Duration,
    number: u32,
    population: u32,
    connection: Box<Connection>,
}

impl Waiting {
    fn key(&self) -> (Duration, u32) {
        (self.at, self.number)
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Population {
    /// How many connections there will be at most, as good as certainly, if they arrive so.
    pub(super) fn planned(&self, arrival: &Arrival, duration: Duration) -> f64 {
        let planned = arrival.bound(duration.saturating_sub(self.start));
        self.count
            .map_or(planned, |count| planned.min(count as f64))
    }

    /// There are tuples for so many connections.
    pub(super) fn fits(&self, planned: f64) -> Result<(), String> {
        let capacity = self.tuples.capacity();
        if planned <= capacity as f64 {
            return Ok(());
        }
        Err(format!(
            "up to {planned:.0} connections, each with a tuple of its own, of which there are {capacity}"
        ))
    }
}

impl Scenario {
    /// Its packets. The same seed and overrides give the same ones.
    ///
    /// # Errors
    /// When so many connections cannot be made, or there is nothing to make.
    pub fn traffic(&self, seed: u64, overrides: &Overrides) -> Result<Traffic<'_>, ScenarioError> {
        let duration = overrides.duration.unwrap_or(self.duration);
        let haste = match overrides.rate {
            Some(Rate::Highest) => HASTE,
            Some(Rate::PerSecond(_)) | None => 1,
        };
        let mut arrivals = Vec::new();
        for (number, (arrival, _)) in self.planned(overrides)?.into_iter().enumerate() {
            let population = &self.populations[number];
            let chance = Chance::new(seed, number as u64, 0);
            let mut made = Arrivals {
                times: arrival.times(chance, duration.saturating_sub(population.start)),
                next: None,
                start: population.start,
                haste,
                number: 0,
                count: population.count.unwrap_or(u64::MAX),
            };
            made.step();
            arrivals.push(made);
        }
        Ok(Traffic {
            scenario: self,
            seed,
            arrivals,
            under_way: BinaryHeap::new(),
            begun: 0,
            cuts: BTreeMap::new(),
        })
    }

    /// How many connections there will be at most, as good as certainly.
    ///
    /// # Errors
    /// When so many cannot be made, or there is nothing to make.
    pub fn connections(&self, overrides: &Overrides) -> Result<f64, ScenarioError> {
        let all = self.planned(overrides)?;
        Ok(all.iter().map(|(_, planned)| planned).sum())
    }

    /// When the connections of each population arrive, and how many there will be at most.
    fn planned(&self, overrides: &Overrides) -> Result<Vec<(Arrival, f64)>, ScenarioError> {
        let duration = overrides.duration.unwrap_or(self.duration);
        let factor = self.factor(overrides)?;
        let mut arrivals = Vec::new();
        let mut all = 0.0;
        for population in &self.populations {
            let too_much = |what: String, remedy: &str| ScenarioError::TooMuch {
                scenario: self.name.clone(),
                population: population.name.clone(),
                what,
                remedy: remedy.to_owned(),
            };
            let arrival = population.arrival.faster(factor);
            let planned = population.planned(&arrival, duration);
            population
                .fits(planned)
                .map_err(|what| too_much(what, REMEDY))?;
            all += planned;
            if all > f64::from(u32::MAX) {
                let what = "more than 4 billion connections in all".to_owned();
                return Err(too_much(what, "Ask for less at a time"));
            }
            arrivals.push((arrival, planned));
        }
        Ok(arrivals)
    }

    /// How many times as fast as in the file connections are to arrive.
    fn factor(&self, overrides: &Overrides) -> Result<f64, ScenarioError> {
        let cannot = |what: String, remedy: &str| ScenarioError::Override {
            what,
            remedy: remedy.to_owned(),
        };
        if overrides.duration.is_some_and(|it| it.is_zero()) {
            let what = "in a duration of 0 no connection begins".to_owned();
            return Err(cannot(what, "Give a longer --duration, such as 10s"));
        }
        let Some(Rate::PerSecond(wanted)) = overrides.rate else {
            return Ok(1.0);
        };
        check_rate(wanted).map_err(|what| cannot(what, "Give another --rate"))?;
        let rate: f64 = self.populations.iter().map(|it| it.arrival.rate()).sum();
        if rate > 0.0 {
            return Ok(wanted / rate);
        }
        let what = format!("all connections of {} begin at once", self.name);
        Err(cannot(what, "Leave out --rate"))
    }
}

/// Entries for which a table of so many connections is to have room, so that none makes way for
/// another: the kernel counts them in 32 bits.
#[must_use]
pub fn room(connections: f64) -> u64 {
    (2.0 * connections).min(f64::from(i32::MAX)) as u64
}

impl Arrivals {
    /// Goes on to the next one.
    fn step(&mut self) {
        let next = (self.number < self.count).then(|| self.times.next());
        let next = next.flatten().map(|at| at / self.haste);
        self.next = next.map(|at| at.saturating_add(self.start));
    }
}

impl Traffic<'_> {
    /// Connections under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Connections that have begun.
    #[must_use]
    pub fn begun(&self) -> u32 {
        self.begun
    }

    /// Connections that went on after their entry had expired.
    #[must_use]
    pub fn cuts(&self) -> &BTreeMap<Cut, u64> {
        &self.cuts
    }

    /// Counts a connection that was cut, as soon as it tries to go on.
    fn note(&mut self, connection: &mut Connection) {
        if let Some(timer) = connection.newly_cut() {
            let Tuple {
                proto, server_port, ..
            } = *connection.tuple();
            *self.cuts.entry((timer, proto, server_port)).or_default() += 1;
        }
    }

    /// The population whose next connection begins first, and when.
    fn arriving(&self) -> Option<(Duration, usize)> {
        let next = self.arrivals.iter().enumerate();
        next.filter_map(|(number, it)| Some((it.next?, number)))
            .min()
    }

    fn begin(&mut self, at: Duration, number: usize) {
        let population = &self.scenario.populations[number];
        let arrivals = &mut self.arrivals[number];
        let place = arrivals.number;
        arrivals.number += 1;
        arrivals.step();
        let seed = mix(self.seed ^ mix(number as u64));
        let mut chance = Chance::new(self.seed, number as u64, place + 1);
        let rtt = population.rtt.draw(&mut chance);
        let tuple = population.tuples.get(place, seed);
        let connection = Connection::new(self.begun, tuple, at, rtt, chance);
        let waiting = Waiting {
            at,
            number: self.begun,
            population: number as u32,
            connection: Box::new(connection),
        };
        self.begun += 1;
        self.go_on(waiting);
    }

    /// Plans a connection's next packet, or lets go of it.
    fn go_on(&mut self, mut waiting: Waiting) {
        let scenario = self.scenario;
        let program = &scenario.populations[waiting.population as usize].program;
        if let Some(at) = waiting.connection.next_at(program, &scenario.timeouts) {
            waiting.at = at;
            self.under_way.push(Reverse(waiting));
        } else {
            // What it still had to say went nowhere.
            self.note(&mut waiting.connection);
        }
    }
}

impl Iterator for Traffic<'_> {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        loop {
            let due = self.under_way.peek().map(|Reverse(waiting)| waiting.at);
            match (self.arriving(), due) {
                (Some((at, number)), due) if due.is_none_or(|due| at < due) => {
                    self.begin(at, number);
                }
                (_, None) => return None,
                (_, Some(_)) => {
                    let Reverse(mut waiting) = self.under_way.pop()?;
                    let due = waiting.connection.take();
                    self.note(&mut waiting.connection);
                    self.go_on(waiting);
                    if due.is_some() {
                        return due;
                    }
                }
            }
        }
    }
}
