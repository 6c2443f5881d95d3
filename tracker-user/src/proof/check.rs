//! What was promised against what came.

use serde::{Deserialize, Serialize};
use tracker_common::Timer;

use super::Played;
use crate::{
    analysis::advice::{
        Action,
        file::{PlanFile, PlannedSetting},
    },
    lab::truth::Samples,
    settings::Name,
    units,
};

/// By how much the mean count and the deaths may differ from the prediction, as a share of it.
const MEAN: f64 = 0.05;
/// By how much the peak may.
const PEAK: f64 = 0.10;

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
    /// A prediction of which a share may be missed.
    fn near(what: &str, today: f64, predicted: f64, measured: f64, share: f64) -> Self {
        let (least, most) = (predicted * (1.0 - share), predicted * (1.0 + share));
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
pub fn all(plan: &PlanFile, today: &Played, planned: &Played) -> Vec<Check> {
    let predicted = &plan.predicted;
    let saved = today.mean() - predicted.count_mean;
    // As many entries come: what is not in the table any more has died.
    let deaths = today.deaths() as f64;
    let mut checks = vec![
        Check::near(
            "entries on average",
            today.mean(),
            predicted.count_mean,
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
            deaths + saved,
            planned.deaths() as f64,
            MEAN,
        ),
    ];
    for setting in &plan.settings {
        if let (Name::Timer(timer), Action::Lower) = (setting.name, setting.action) {
            checks.push(spared(plan.max_harm, setting, timer, today));
        }
        if let Name::Timer(timer) = setting.name {
            checks.extend(cut(setting, timer, today, planned));
        }
    }
    checks.extend(hit_hardest(plan.max_harm, today, planned));
    let (before, after) = (today.refused as f64, planned.refused as f64);
    checks.push(Check::at_most(
        "entries refused or evicted".to_owned(),
        before,
        after,
        before,
    ));
    let (before, after) = (today.astray as f64, planned.astray as f64);
    // Without them it would have been another traffic.
    checks.push(Check::at_most(
        "packets astray in both".to_owned(),
        before,
        before + after,
        0.0,
    ));
    checks
}

/// Connections that the lab's scripts let pause for longer than the lower timer, under today's: no
/// more than the plan may cut.
fn spared(max_harm: f64, setting: &PlannedSetting, timer: Timer, today: &Played) -> Check {
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
        max_harm * connections as f64,
    )
}

/// Connections that a timer cut: no more than today, and those that the plan's bound allows.
fn cut(setting: &PlannedSetting, timer: Timer, today: &Played, planned: &Played) -> Option<Check> {
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
    let more = bound.unwrap_or(0.0) * connections;
    let what = format!("connections cut by {}", timer.name());
    Some(Check::at_most(what, before, after, before + more))
}

/// Connections cut at the port that loses the largest share of its own more than today: each port may
/// lose what all together may.
fn hit_hardest(max_harm: f64, today: &Played, planned: &Played) -> Option<Check> {
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
        known.cut as f64 + max_harm * known.inserts as f64,
    ))
}
