//! From the truth of a run of the lab to what a report must hold.

use std::collections::BTreeMap;

use tracker_common::Reason;
use tracker_user::lab::truth::TruthFile;

use super::compare::Wants;
use super::expect::{Beside, Watch, head, part};
use super::hist::Measure;
use super::ledger::Name;
use super::scope::{Overdue, Scope};

/// How far two clocks may differ, in jiffies.
const SLACK: u64 = 2;
/// Seconds for which an expired entry stays in the table, at most: then the kernel's collector has been round.
const COLLECTED_S: f64 = 130.0;

/// What the report about a run of the lab must hold, watched as a whole in one namespace with these settings.
#[must_use]
pub fn expect_run(truth: &TruthFile, watch: &Watch, settings: &BTreeMap<Name, u64>) -> Wants {
    let measure = Measure {
        jiffy_s: truth.about.jiffy_s,
        slack: SLACK,
    };
    let mut wants = head(watch, measure);
    let scope = scope(truth, watch);
    let beside = Beside {
        causes: BTreeMap::new(),
        statistics: None,
    };
    let only = (watch.namespaces.len() == 1).then_some(settings);
    part(&mut wants, "", &scope, &beside, measure, watch, only);
    for (name, inum) in &watch.namespaces {
        let at = super::expect::name(&mut wants, name, *inum);
        part(
            &mut wants,
            &at,
            &scope,
            &beside,
            measure,
            watch,
            Some(settings),
        );
    }
    wants
}

fn scope(truth: &TruthFile, watch: &Watch) -> Scope {
    let tally = truth.tally.clone();
    let jiffies = |seconds: f64| (seconds / truth.about.jiffy_s).ceil() as u64;
    let (collected, whole) = (jiffies(COLLECTED_S), jiffies(watch.duration_s));
    let expired = tally
        .deaths
        .iter()
        .filter(|((_, why), _)| *why == Reason::Expired);
    let expired: u64 = expired.map(|(_, count)| count).sum();
    let beyond = tally.states.iter().map(|(state, row)| {
        let open = row.entered - row.residency.count();
        (*state, row.expired * collected + open * whole)
    });
    let beyond_port = tally.ports.iter().map(|(key, row)| {
        let open = row.inserts - row.deaths;
        (*key, row.deaths * collected + open * whole)
    });
    let mut presence = tally.lifetime.sum();
    presence.high += expired * collected + truth.live * whole;
    Scope {
        live_at_start: 0,
        live_at_end: truth.live,
        overdue: Overdue::Count(expired),
        seldom: None,
        beyond: beyond.collect(),
        beyond_port: beyond_port.collect(),
        held: None,
        presence,
        peak: tracker_user::lab::truth::Span {
            low: 0,
            high: tally.insert_count(),
        },
        tally,
    }
}
