//! Watching after a change: has it done harm?
//!
//! `gauge` counts what tells of harm since the change, `judge` says when that is more than chance
//! explains, `dead_man` is the process that goes back if this one dies; `judging` tells others that it goes on.

mod dead_man;
mod gauge;
mod judge;
mod judging;

use std::{fmt, time::Duration};

use tracker_common::Loss;

pub use self::{
    dead_man::{DeadMan, Vigil},
    gauge::Sign,
    judging::Judging,
};
use self::{gauge::Gauge, judge::Judge};
use super::Change;
use crate::{
    analysis::advice::file::PlanFile,
    settings::Name,
    source::{NamespaceSample, Sample},
    units,
};

/// Watches over a change that was made.
#[derive(Debug)]
pub struct Guard {
    gauge: Gauge,
    judge: Judge,
    losses: u64,
}

/// What passed its bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Harm {
    /// What was counted.
    pub sign: Sign,
    /// How often.
    pub hits: u64,
    /// Among so many.
    pub trials: u64,
    /// Share that the plan allows.
    pub limit: f64,
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} among {}, where the plan allows {}",
            units::count(self.hits),
            self.sign,
            units::plural(self.trials, "connection", "connections"),
            units::percent(self.limit)
        )
    }
}

impl Guard {
    /// For the changes of a plan, beginning with a sample from before they are made.
    #[must_use]
    pub fn new(plan: &PlanFile, changes: &[Change], start: &Sample) -> Self {
        let mut gauge = Gauge::new(changes);
        gauge.begin(start);
        Self {
            judge: Judge::new(plan, &gauge.signs()),
            gauge,
            losses: lost(start),
        }
    }

    /// Takes in what has come to pass; says so if a bound is passed.
    pub fn look(&mut self, sample: &Sample) -> Option<Harm> {
        self.gauge.read(sample);
        self.judge.look(&self.gauge)
    }

    /// Entries and packets that the watch has lost since the beginning: harm among them is not seen.
    #[must_use]
    pub fn lost(&self, sample: &Sample) -> u64 {
        lost(sample).saturating_sub(self.losses)
    }

    /// Fails if a sample does not show what a guard has to see, in a sentence.
    ///
    /// # Errors
    /// The sentence.
    pub fn can_see(changes: &[Change], sample: &Sample) -> Result<(), String> {
        let shown =
            |it: &&NamespaceSample| changes.iter().any(|change| change.place.inum == it.inum);
        let mut changed = sample.namespaces.iter().filter(shown);
        match changed.find(|it| it.statistics.is_empty()) {
            None => Ok(()),
            Some(it) => Err(format!(
                "a guard could not see drops in the namespace {}: the kernel shows no \
                 /proc/net/stat/nf_conntrack there. Mount /proc, or apply without --guard",
                it.name
            )),
        }
    }

    /// What no watch of this length can see, in sentences.
    #[must_use]
    pub fn unseen(changes: &[Change], length: Duration) -> Vec<String> {
        let mut said = Vec::new();
        let is_late = |it: &&Change| {
            matches!(it.name, Name::Timer(_))
                && it.after < it.before
                && it.after >= length.as_secs()
        };
        let late: Vec<&Change> = changes.iter().filter(is_late).collect();
        if let Some(longest) = late.iter().map(|it| it.after).max() {
            let mut names: Vec<String> = late.iter().map(|it| it.name.short()).collect();
            names.sort();
            names.dedup();
            said.push(format!(
                "Harm of {} shows only after a connection has paused for longer: guard for more than \
                 {} to see it.",
                names.join(", "),
                units::whole(longest)
            ));
        }
        if changes.iter().any(|it| it.after < it.before) {
            said.push(
                "A connection that was cut is seen when it goes on: not one whose application had \
                 given up, nor one that the firewall refuses to go on."
                    .to_owned(),
            );
        }
        said
    }
}

fn lost(sample: &Sample) -> u64 {
    let hiding = Loss::HIDING.iter();
    hiding.map(|it| sample.losses.count[it.id()]).sum()
}
