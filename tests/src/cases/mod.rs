//! The acceptance cases: each makes known traffic while tracker watches, then compares tracker's whole report with it.

mod apply;
mod bench;
mod bpf;
mod clash;
mod doctor;
mod errors;
mod faces;
mod flood;
mod hooks;
mod lab;
mod leftovers;
mod limit;
mod measured;
mod namespaces;
mod places;
mod protocols;
mod refusals;
mod returns;
mod rules;
mod runner;
mod segments;
mod table;
mod tcp;
mod together;
mod tracker;
mod udp;

pub use faces::poll;
pub use measured::{MeasuredError, traffic};
pub use runner::{Choice, Outcome, run};

use crate::traffic::{Stage, TrafficError};
use crate::truth::Wants;

/// A case: its name, and how it is decided.
pub struct Case {
    /// Its name, as on the command line.
    pub name: &'static str,
    /// How it is decided.
    pub kind: Kind,
}

/// How a case is decided.
pub enum Kind {
    /// By comparing tracker's report with the truth about traffic.
    Measured(Measured),
    /// By a function of its own.
    Free(fn() -> anyhow::Result<()>),
}

/// A case with traffic.
#[derive(Clone, Copy)]
pub struct Measured {
    /// Prefixes of the topologies that it needs; the first is the one that the traffic is made in.
    pub prefixes: &'static [&'static str],
    /// What tracker is told to watch.
    pub netns: &'static str,
    /// What happens before tracker starts.
    pub before: fn(&mut Stage) -> Result<(), TrafficError>,
    /// What happens while tracker watches.
    pub traffic: fn(&mut Stage) -> Result<(), TrafficError>,
    /// More words for tracker.
    pub options: &'static [&'static str],
    /// How tracker is to end.
    pub exit: i32,
    /// Wishes that follow from more than the ledger.
    pub adjust: fn(&mut Wants),
    /// It asks for nothing but its traffic, which ends as it began: with an empty table and the timers as
    /// they are in every case. So it runs after others in one watch, unless it is asked for by name.
    pub joins: bool,
}

/// The prefix of the namespaces of cases that need one topology.
const PREFIX: &str = "tracker-test";

impl Measured {
    /// A case in one topology, with traffic only while tracker watches.
    const fn new(traffic: fn(&mut Stage) -> Result<(), TrafficError>) -> Self {
        Self {
            prefixes: &[PREFIX],
            netns: "tracker-test-router",
            before: |_| Ok(()),
            traffic,
            options: &[],
            exit: 0,
            adjust: |_| (),
            joins: false,
        }
    }
}

impl Case {
    /// Runs in the watch of others.
    fn joins(&self) -> bool {
        matches!(self.kind, Kind::Measured(Measured { joins: true, .. }))
    }
}

/// All cases, in the order in which they run.
#[must_use]
pub fn all() -> Vec<Case> {
    [
        together::cases(),
        tcp::cases(),
        segments::cases(),
        udp::cases(),
        returns::cases(),
        protocols::cases(),
        table::cases(),
        rules::cases(),
        clash::cases(),
        namespaces::cases(),
        hooks::cases(),
        faces::cases(),
        doctor::cases(),
        errors::cases(),
        refusals::cases(),
        lab::cases(),
        flood::cases(),
        leftovers::cases(),
        bench::cases(),
        apply::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// A case decided by comparison, in one watch with others.
fn measured(name: &'static str, traffic: fn(&mut Stage) -> Result<(), TrafficError>) -> Case {
    Case {
        name,
        kind: Kind::Measured(Measured {
            joins: true,
            ..Measured::new(traffic)
        }),
    }
}

/// A case decided by comparison, in a watch of its own.
const fn alone(name: &'static str, measured: Measured) -> Case {
    Case {
        name,
        kind: Kind::Measured(measured),
    }
}
