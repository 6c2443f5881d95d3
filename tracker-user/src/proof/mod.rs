//! Whether a plan holds: the same traffic on this kernel, under today's settings and under the plan's.
//!
//! A scenario is played twice with one seed. tracker watches the first play and plans from what it
//! saw; the second one is played under the plan. What is compared is the kernel's own count of
//! entries, sampled alike both times, its own counts of what it refused, and what the scripts know:
//! who paused how long, who was cut. None of it goes by tracker's programs in the kernel.

mod check;
mod error;
mod onlook;
mod play;
mod terms;
mod under;

#[cfg(test)]
mod tests;

use std::{path::Path, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

pub use check::Check;
pub use error::ProofError;
pub use play::Played;
pub use terms::Terms;

use crate::{
    analysis::advice::{self, Action, Request, file::PlanFile},
    lab::{control::Control, scenario::Scenario},
    recording::Recording,
};
use play::Play;
use under::under;

/// What is to be proven, and how.
#[derive(Debug)]
pub struct Question<'a> {
    /// The traffic.
    pub scenario: &'a Scenario,
    /// The same seed gives the same connections.
    pub seed: u64,
    /// The plan; without one, it is made from a watch of the first play.
    pub plan: Option<PlanFile>,
    /// Where the recording and the plan are left.
    pub folder: &'a Path,
}

/// What came of it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Proof {
    /// Version of this shape.
    pub schema_version: u32,
    /// The scenario's name.
    pub scenario: String,
    /// The seed of its connections.
    pub seed: u64,
    /// `uname -r`.
    pub kernel: String,
    /// Length of the traffic until the table was taken to be as full as it stays.
    pub warm_up_s: f64,
    /// Length of what was compared.
    pub compared_s: f64,
    /// What the plan changes.
    pub changes: Vec<Change>,
    /// What was promised, and what came.
    pub checks: Vec<Check>,
    /// All of it came as promised.
    pub holds: bool,
}

/// A setting that the plan changes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Change {
    /// Full name.
    pub name: String,
    /// Value when the plan was made.
    pub current: u64,
    /// Value in the plan.
    pub recommended: u64,
}

/// What a proof is about to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Plays for so long under today's settings.
    Today(Duration),
    /// Plays for as long under the plan's.
    Planned(Duration),
}

/// Plays a scenario under today's settings and under a plan, and compares.
///
/// # Errors
/// [`ProofError`]; also when it is asked to stop.
pub fn prove(
    question: Question<'_>,
    control: &Arc<Control>,
    mut tell: impl FnMut(Step),
) -> Result<Proof, ProofError> {
    let scenario = question.scenario;
    let terms = Terms::of(scenario)?;
    let play = Play {
        seed: question.seed,
        terms,
        folder: question.folder,
        control,
    };
    tell(Step::Today(scenario.duration));
    let recording = question.folder.join("watch.db");
    let watch = question.plan.is_none().then_some(recording.as_path());
    let today = play.run(scenario, watch)?;
    let plan = match question.plan {
        Some(plan) => transferred(plan, &today),
        None => make_plan(&terms, &recording, question.folder)?,
    };
    tell(Step::Planned(scenario.duration));
    let planned = play.run(&under(&plan.settings, scenario)?, None)?;
    let checks = check::all(&plan, &today, &planned);
    Ok(Proof {
        schema_version: 1,
        scenario: scenario.name.clone(),
        seed: question.seed,
        kernel: nix::sys::utsname::uname().map_or_else(
            |_| String::new(),
            |uname| uname.release().to_string_lossy().into_owned(),
        ),
        warm_up_s: terms.warm_up.as_secs_f64(),
        compared_s: (scenario.duration - terms.warm_up).as_secs_f64(),
        changes: changes(&plan),
        holds: checks.iter().all(|check| check.holds),
        checks,
    })
}

/// A plan that was made of other traffic predicts of this one the same share of what there is today.
fn transferred(mut plan: PlanFile, today: &Played) -> PlanFile {
    let share = |is: f64, was: f64| if was > 0.0 { is / was } else { 1.0 };
    let seen = &plan.observed;
    let mean = share(today.mean(), seen.count_mean);
    let peak = share(today.peak() as f64, seen.count_peak as f64);
    plan.predicted.count_mean *= mean;
    plan.predicted.count_peak = libm::round(plan.predicted.count_peak as f64 * peak) as u64;
    plan
}

fn changes(plan: &PlanFile) -> Vec<Change> {
    let changed = plan.settings.iter().filter(|it| it.action != Action::Keep);
    changed
        .map(|it| Change {
            name: it.name.full(),
            current: it.current,
            recommended: it.recommended,
        })
        .collect()
}

/// The plan that a recording leads to, which is also left in the folder.
fn make_plan(terms: &Terms, recording: &Path, folder: &Path) -> Result<PlanFile, ProofError> {
    let request = Request {
        policy: terms.policy,
        max_harm: terms.max_harm,
        ..Request::default()
    };
    let plan = advice::plan(&[Recording::open(recording)?], &request);
    let text = serde_json::to_string_pretty(&plan).unwrap_or_default();
    let path = folder.join("plan.json");
    std::fs::write(&path, &text).map_err(|source| ProofError::write(&path, source))?;
    Ok(PlanFile::parse(&path, &text)?)
}
