//! What was promised against what came.

use serde::{Deserialize, Serialize};
use tracker_common::Timer;

use super::{Played, Terms};
use crate::{
    analysis::advice::{Action, Predicted, file::PlannedSetting},
    lab::truth::Samples,
    settings::Name,
    units,
};

/// By how much the mean count and the deaths may differ from the prediction, as a share of it.
const MEAN: f64 = 0.05;
/// By how much the peak may.
const PEAK: f64 = 0.10;
/// By how many entries each of them may in any case: of few, a share is less than one.
const FEW: f64 = 5.0;
/// Connections of a run whose packets may miss the moment at which they were to pass: what scripts know
/// is off by them.
const SPOILED: f64 = 1e-3;
/// How sure it is to be that more connections than these are not by chance.
const SURE: f64 = 0.995;

/// What a plan says of the traffic that is played.
#[derive(Debug)]
pub struct Promise<'a> {
    /// What it changes.
    pub settings: &'a [PlannedSetting],
    /// The entry count that follows.
    pub predicted: Predicted,
    /// Share of connections that a lower timer may cut.
    pub max_harm: f64,
    /// It was made of other traffic than this, of which this is a sample.
    pub is_of_other_traffic: bool,
}

/// One thing that was promised.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct Check {
    /// What is counted.
    pub what: String,
    /// How much of it there was under today's settings.
    pub today: f64,
    /// How much of it the plan predicts, where it gives a number.
    pub predicted: Option<f64>,
    /// How much of it there was under the plan.
    pub measured: f64,
    /// The least that keeps the promise.
    pub least: f64,
    /// The most that does.
    pub most: f64,
    /// It was kept.
    pub holds: bool,
}

impl Check {
    /// A prediction that may be missed by a share of it, or by a few.
    fn near(what: &str, today: f64, predicted: f64, measured: f64, share: f64) -> Self {
        let off = f64::max(predicted * share, FEW);
        let (least, most) = ((predicted - off).max(0.0), predicted + off);
        Self {
            predicted: Some(predicted),
            ..Self::between(what.to_owned(), today, measured, least, most)
        }
    }

    fn at_most(what: String, today: f64, measured: f64, most: f64) -> Self {
        Self::between(what, today, measured, 0.0, most)
    }

    fn between(what: String, today: f64, measured: f64, least: f64, most: f64) -> Self {
        Self {
            what,
            today,
            predicted: None,
            measured,
            least,
            most,
            holds: (least..=most).contains(&measured),
        }
    }
}

/// Everything that a plan promises.
pub fn all(promise: &Promise<'_>, today: &Played, planned: &Played) -> Vec<Check> {
    let mut checks = Vec::new();
    // What a full table refused is in nobody's prediction of the count.
    if today.refused == 0 {
        checks.extend(counts(&promise.predicted, today, planned));
    }
    for setting in promise.settings {
        if let (Name::Timer(timer), Action::Lower) = (setting.name, setting.action) {
            checks.push(spared(promise, setting, timer, today));
        }
        if let Name::Timer(timer) = setting.name {
            checks.extend(cut(promise, setting, timer, today, planned));
        }
    }
    checks.extend(hit_hardest(promise, today, planned));
    checks.push(refused(promise, today, planned));
    let (before, after) = (today.astray as f64, planned.astray as f64);
    // Without them it would have been another traffic.
    checks.push(Check::at_most(
        "packets astray in both".to_owned(),
        before,
        before + after,
        0.0,
    ));
    let spoiled = |played: &Played| played.truth.spoiled as f64;
    let inserts = today.truth.tally.insert_count() as f64;
    checks.push(Check::at_most(
        "packets too late in both".to_owned(),
        spoiled(today),
        spoiled(today) + spoiled(planned),
        libm::floor(SPOILED * inserts),
    ));
    checks
}

/// What a scenario asks of the plan, so that its proof tests anything.
pub fn asked(
    terms: &Terms,
    settings: &[PlannedSetting],
    today: &Played,
    planned: &Played,
) -> Vec<Check> {
    let asked = |names: &[Name], action: Action| {
        let checks = names.iter().map(|name| {
            let found = settings.iter().find(|it| it.name == *name);
            let is_so = found.is_some_and(|it| it.action == action);
            let what = format!("the plan is to {} {name}", action.name());
            let (before, after) = found.map_or((0, 0), |it| (it.current, it.recommended));
            Check {
                holds: is_so,
                ..Check::at_most(what, before as f64, after as f64, after as f64)
            }
        });
        checks.collect::<Vec<_>>()
    };
    let mut checks = asked(&terms.lowers, Action::Lower);
    checks.extend(asked(&terms.raises, Action::Raise));
    if terms.raises.contains(&Name::Max) {
        // Else a larger table cures nothing.
        let (what, full) = ("refused or evicted today", today.refused as f64);
        checks.push(Check::between(
            what.to_owned(),
            full,
            full,
            1.0,
            full.max(1.0),
        ));
    }
    if terms.saves > 0.0 {
        let saved = (today.mean() - planned.mean()).max(0.0);
        let least = terms.saves * today.mean();
        let what = "entries saved".to_owned();
        checks.push(Check::between(what, 0.0, saved, least, today.mean()));
    }
    checks
}

/// The entry count, and who left.
fn counts(predicted: &Predicted, today: &Played, planned: &Played) -> [Check; 3] {
    let mean = predicted.count_mean;
    // As many entries come: of those that were still there at the end, as many more have died as the
    // table is emptier.
    let emptier = today.left() * (1.0 - mean / today.mean().max(1.0));
    let deaths = today.deaths() as f64;
    [
        Check::near(
            "entries on average",
            today.mean(),
            mean,
            planned.mean(),
            MEAN,
        ),
        Check::near(
            "entries at the peak",
            today.peak() as f64,
            predicted.count_peak as f64,
            planned.peak() as f64,
            PEAK,
        ),
        Check::near(
            "deaths",
            deaths,
            deaths + emptier,
            planned.deaths() as f64,
            MEAN,
        ),
    ]
}

/// What the kernel did not take, or evicted: nothing in a table that the plan makes large enough.
fn refused(promise: &Promise<'_>, today: &Played, planned: &Played) -> Check {
    let is_larger = |it: &PlannedSetting| it.name == Name::Max && it.action == Action::Raise;
    let (before, after) = (today.refused as f64, planned.refused as f64);
    let most = if promise.settings.iter().any(is_larger) {
        0.0
    } else {
        before
    };
    Check::at_most("entries refused or evicted".to_owned(), before, after, most)
}

impl Promise<'_> {
    /// So many connections at most, where so many are promised on average. Of other traffic this is a
    /// sample, in which there may be more by chance: they are Poisson's.
    fn most(&self, mean: f64) -> f64 {
        if !self.is_of_other_traffic {
            return mean;
        }
        let (mut count, mut term) = (0.0, (-mean).exp());
        let mut likely = term;
        // Where the first term vanishes, chance is small beside the mean.
        if term == 0.0 {
            return mean + 3.0 * mean.sqrt();
        }
        while likely < SURE {
            count += 1.0;
            term *= mean / count;
            likely += term;
        }
        f64::max(mean, count)
    }
}

/// Connections that the lab's scripts let pause for longer than the lower timer, under today's: no
/// more than the plan may cut.
fn spared(promise: &Promise<'_>, setting: &PlannedSetting, timer: Timer, today: &Played) -> Check {
    let longest = today.truth.tally.timers.get(&timer).map(|row| &row.longest);
    let limit = setting.recommended as f64 / today.truth.about.jiffy_s;
    let longer = longest.map_or(0, |samples| {
        let beyond = samples.iter().filter(|(span, _)| span.low as f64 > limit);
        beyond.map(|(_, count)| count).sum()
    });
    let connections = longest.map_or(0, Samples::count);
    Check::at_most(
        format!(
            "pauses longer than {} under {}",
            units::whole(setting.recommended),
            timer.name()
        ),
        longer as f64,
        longer as f64,
        promise.most(promise.max_harm * connections as f64),
    )
}

/// Connections that a timer cut: no more than today, and those that the plan's bound allows.
fn cut(
    promise: &Promise<'_>,
    setting: &PlannedSetting,
    timer: Timer,
    today: &Played,
    planned: &Played,
) -> Option<Check> {
    let cuts = |played: &Played| {
        let row = played.truth.tally.timers.get(&timer);
        row.map_or(0, |row| row.cut) as f64
    };
    let (before, after) = (cuts(today), cuts(planned));
    let is_lower = setting.action == Action::Lower;
    if !is_lower && after <= before {
        return None;
    }
    let row = today.truth.tally.timers.get(&timer);
    let connections = row.map_or(0, |row| row.longest.count()) as f64;
    let bound = setting.evidence.harm_upper_95.filter(|_| is_lower);
    let more = bound.map_or(0.0, |bound| promise.most(bound * connections));
    let what = format!("connections cut by {}", timer.name());
    Some(Check::at_most(what, before, after, before + more))
}

/// Connections cut at the port that loses the largest share of its own more than today: each port may
/// lose what all together may.
fn hit_hardest(promise: &Promise<'_>, today: &Played, planned: &Played) -> Option<Check> {
    let before = &today.truth.tally.ports;
    let losses = planned.truth.tally.ports.iter().map(|(key, row)| {
        let known = before.get(key).copied().unwrap_or_default();
        let more = row.cut.saturating_sub(known.cut) as f64;
        (more / known.inserts.max(1) as f64, key, row.cut, known)
    });
    let (_, (proto, port), after, known) = losses
        .filter(|(share, ..)| *share > 0.0)
        .max_by(|one, other| one.0.total_cmp(&other.0))?;
    Some(Check::at_most(
        format!("connections cut at {} port {port}", proto.name()),
        known.cut as f64,
        after as f64,
        known.cut as f64 + promise.most(promise.max_harm * known.inserts as f64),
    ))
}
