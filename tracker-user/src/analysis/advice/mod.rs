//! Advice: what to set, because of what was seen.
//!
//! Lowering a timer needs evidence: the share of connections that it would have cut is counted
//! from the longest resumed gap of each, and bounded ([`bound`]). Gaps up to the present value are
//! all seen, so that share is not an estimate of something hidden; of gaps longer than the watch
//! nothing is claimed. What a lower timer saves is exact to first order: expiries per second times
//! seconds cut. No evidence means *keep*. Raising harms nobody and costs memory.

pub mod bound;
pub(super) mod doubts;
pub mod file;
pub(super) mod flood;
mod guard;
pub(super) mod harm;
mod interactions;
mod lower;
pub(super) mod memory;
pub(super) mod overrides;
mod plan;
mod policy;
mod raise;
mod returns;
mod reuse;
mod round;
pub(super) mod sample;
pub(super) mod scene;
pub(super) mod table;
pub(super) mod timer;
mod warning;

#[cfg(test)]
mod tests;

pub use plan::{
    Action, Basis, Evidence, Flood, FloodKind, Guard, Origin, Outlasting, Place, Plan, Predicted,
    Setting, TablePlan, WorstStratum,
};
pub use policy::Policy;
pub use round::MARGIN;
pub use warning::Warning;

use tracker_common::Timer;

use crate::{analysis::Balance, recording::Recording};
use scene::Scene;

/// What is asked of a plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Request {
    /// Policy.
    pub policy: Policy,
    /// Largest share of connections that a lower timer may cut, between 0 and 1.
    pub max_harm: f64,
    /// Memory that the table may take, in bytes; `None` is a twentieth of the machine's.
    pub memory: Option<u64>,
    /// The traffic that the table is to be large enough for, as a multiple of what was seen.
    pub growth: f64,
    /// The same where this machine takes over another one's traffic: 2 for a pair.
    pub failover: f64,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            max_harm: 1e-4,
            memory: None,
            growth: 1.0,
            failover: 1.0,
        }
    }
}

/// Makes a plan from one or more recordings of the same machine, or of machines alike.
#[must_use]
pub fn plan(recordings: &[Recording], request: &Request) -> Plan {
    let scene = Scene::new(recordings, request);
    let timers: Vec<(Timer, Setting)> = Timer::ALL
        .iter()
        .filter_map(|&timer| Some((timer, timer::decide(&scene, timer)?)))
        .collect();
    let sized = table::size(&scene, &timers);
    let mut warnings = doubts::warnings(&scene);
    warnings.extend(sized.warnings);
    warnings.extend(interactions::warnings(&scene, &timers, &sized.settings));
    let mut settings: Vec<Setting> = timers.into_iter().map(|(_, setting)| setting).collect();
    settings.extend(sized.settings);
    settings.sort_by_key(|it| (rank(it), std::cmp::Reverse(it.entries_saved)));
    let balance = Balance::of(&scene.all);
    let mut hosts: Vec<String> = recordings
        .iter()
        .map(|it| it.description.host.clone())
        .collect();
    hosts.dedup();
    let last = recordings.last().map(|it| &it.description);
    Plan {
        schema_version: Plan::SCHEMA,
        policy: request.policy,
        max_harm: request.max_harm,
        machine: origin(recordings),
        kernel: last.map(|it| it.kernel.clone()).unwrap_or_default(),
        scope: last.map(|it| it.scope.clone()).unwrap_or_default(),
        namespaces: places(recordings),
        observed: Basis {
            hosts,
            duration_s: scene.all.seconds,
            inserts: balance.inserted,
            deaths: balance.destroyed,
            count_mean: scene.all.course.mean(),
            count_peak: scene.all.course.peak(),
            little_mean: sized.little_mean,
        },
        settings,
        table: sized.table,
        predicted: sized.predicted,
        guard: guard::normal(&scene),
        warnings,
    }
}

/// The machine of the last recording; without its identity if the others are of another one.
fn origin(recordings: &[Recording]) -> Origin {
    let machine = |it: &Recording| it.description.machine.clone();
    let last = recordings.last();
    let id = last.and_then(machine);
    Origin {
        id: id.filter(|id| recordings.iter().all(|it| machine(it).as_ref() == Some(id))),
        host: last
            .map(|it| it.description.host.clone())
            .unwrap_or_default(),
    }
}

/// Every namespace once, in the order in which they were first seen.
fn places(recordings: &[Recording]) -> Vec<Place> {
    let mut places = Vec::new();
    for it in recordings.iter().flat_map(|it| &it.namespaces) {
        let place = Place {
            inum: it.inum,
            name: it.name.clone(),
        };
        if !places.contains(&place) {
            places.push(place);
        }
    }
    places
}

/// What is to be done comes before what is not.
const fn rank(setting: &Setting) -> u8 {
    match setting.action {
        Action::Lower => 0,
        Action::Raise => 1,
        Action::Keep => 2,
    }
}
