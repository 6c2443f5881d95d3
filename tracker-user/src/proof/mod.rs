//! Whether a plan holds: the same traffic on this kernel, under today's settings and under the plan's.
//!
//! A scenario is played twice with one seed. tracker watches the first play, and plans from what it
//! saw, or says what a plan that was given makes of it; the second one is played under the plan. What is compared is the kernel's own count of
//! entries, sampled alike both times, its own counts of what it refused, and what the scripts know:
//! who paused how long, who was cut. None of it goes by tracker's programs in the kernel.

mod check;
mod error;
mod onlook;
mod outcome;
mod play;
pub mod reach;
mod terms;
mod tested;
mod under;

#[cfg(test)]
mod tests;

use std::{path::Path, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

pub use check::Check;
pub use error::ProofError;
pub use outcome::{Likeness, Outcome};
pub use play::Played;
pub use terms::Terms;
pub use tested::{Split, Untested, scaled};

use crate::{
    analysis::{
        advice::{
            self, Request,
            file::{PlanFile, PlannedSetting},
        },
        forecast::{Trial, forecast},
    },
    lab::{control::Control, scenario::Scenario},
    recording::Recording,
};
use check::Promise;
use play::Play;
use under::{assignment, under};

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
    /// What the plan changes, as far as it was tested.
    pub changes: Vec<Change>,
    /// What it changes beside that.
    pub untested: Vec<Untested>,
    /// How near the play is to the recording that it was made of, if it was.
    pub likeness: Option<Likeness>,
    /// What was promised, and what came.
    pub checks: Vec<Check>,
    /// All of what was tested came as promised; `None` if nothing was.
    pub holds: Option<bool>,
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
    let kernel = nix::sys::utsname::uname().map_or_else(
        |_| String::new(),
        |uname| uname.release().to_string_lossy().into_owned(),
    );
    let mut proof = Proof::of_nothing(scenario, &terms, question.seed, kernel);
    if let Some(plan) = &question.plan {
        let split = Split::of(plan, scenario, &terms);
        if split.tested.is_empty() {
            proof.untested = split.untested;
            return Ok(proof);
        }
    }
    let play = Play {
        seed: question.seed,
        terms: &terms,
        folder: question.folder,
        control,
    };
    tell(Step::Today(scenario.duration));
    let recording = question.folder.join("watch.db");
    let today = play.run(scenario, Some(&recording))?;
    let is_given = question.plan.is_some();
    let plan = match question.plan {
        Some(plan) => plan,
        None => make_plan(&terms, &recording, question.folder)?,
    };
    let mut split = Split::of(&plan, scenario, &terms);
    split.leave_out(|it| reach::of_today(it, scenario, &today));
    if !split.has_timers() {
        // As many entries come under the plan: a table that is not full today is not then.
        split.leave_out(|it| reach::of_table(it, scenario, &[&today]));
    }
    proof.likeness = terms.recorded.map(|recorded| Likeness {
        recorded,
        played: today.mean(),
    });
    if split.tested.is_empty() {
        proof.untested = split.untested;
        return Ok(proof);
    }
    // A plan predicts of what it was made of. This traffic is another one, or part of the plan is left out.
    let predicted = if is_given || !split.untested.is_empty() {
        let trials = split.tested.iter().map(|it| Trial::from(assignment(it)));
        let trials: Vec<Trial> = trials.collect();
        forecast(&[Recording::open(&recording)?], &trials).then
    } else {
        plan.predicted
    };
    tell(Step::Planned(scenario.duration));
    let planned = play.run(&under(&split.tested, scenario)?, None)?;
    let promise = Promise {
        settings: &split.tested,
        predicted,
        max_harm: plan.max_harm,
        is_of_other_traffic: is_given,
    };
    proof.checks = check::all(&promise, &today, &planned);
    proof
        .checks
        .extend(check::asked(&terms, &split.tested, &today, &planned));
    proof.holds = Some(proof.checks.iter().all(|check| check.holds));
    split.leave_out(|it| reach::of_table(it, scenario, &[&today, &planned]));
    proof.changes = split.tested.iter().map(Change::of).collect();
    proof.untested = split.untested;
    Ok(proof)
}

impl Proof {
    /// One that has compared nothing.
    #[must_use]
    pub fn of_nothing(scenario: &Scenario, terms: &Terms, seed: u64, kernel: String) -> Self {
        Self {
            schema_version: 3,
            scenario: scenario.name.clone(),
            seed,
            kernel,
            warm_up_s: terms.warm_up.as_secs_f64(),
            compared_s: (scenario.duration - terms.warm_up).as_secs_f64(),
            changes: Vec::new(),
            untested: Vec::new(),
            likeness: None,
            checks: Vec::new(),
            holds: None,
        }
    }
}

impl Change {
    fn of(setting: &PlannedSetting) -> Self {
        Self {
            name: setting.name.full(),
            current: setting.current,
            recommended: setting.recommended,
        }
    }
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
