//! Which of a plan's changes a play can tell anything about.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Terms;
use crate::{
    analysis::advice::{
        Action,
        file::{PlanFile, PlannedSetting},
    },
    lab::scenario::{Scenario, Timeouts},
    settings::Name,
    units,
};

/// A change that is not played, and so is proven to be neither good nor bad.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Untested {
    /// Full name of a setting, or `namespace` and its name.
    pub name: String,
    /// Why, in one clause.
    pub why: String,
}

/// What a plan changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// What is played; a maximum as large as the played share of the connections asks for.
    pub tested: Vec<PlannedSetting>,
    /// What is not.
    pub untested: Vec<Untested>,
}

impl Split {
    /// Of a plan, for a scenario that is played on these terms.
    #[must_use]
    pub fn of(plan: &PlanFile, scenario: &Scenario, terms: &Terms) -> Self {
        let mut split = Self::default();
        for it in plan.settings.iter().filter(|it| it.action != Action::Keep) {
            match obstacle(it, scenario, terms) {
                Some(why) => split.untested.push(Untested::of(it, why)),
                None => split.tested.push(played(it, terms.share)),
            }
        }
        split
    }

    /// What was to be tested and turns out not to be is no longer.
    pub(super) fn leave_out(&mut self, obstacle: impl Fn(&PlannedSetting) -> Option<String>) {
        let untested = &mut self.untested;
        self.tested.retain(|it| {
            let why = obstacle(it);
            let is_tested = why.is_none();
            untested.extend(why.map(|why| Untested::of(it, why)));
            is_tested
        });
    }

    /// Something of it changes how many entries there are.
    pub(super) fn has_timers(&self) -> bool {
        let is_timer = |it: &PlannedSetting| matches!(it.name, Name::Timer(_));
        self.tested.iter().any(is_timer)
    }
}

impl Untested {
    fn of(setting: &PlannedSetting, why: String) -> Self {
        Self {
            name: setting.name.full(),
            why,
        }
    }

    /// The namespaces that a plan is for, beside the one that is played.
    #[must_use]
    pub fn elsewhere(plan: &PlanFile, played: &str) -> Vec<Self> {
        if plan.settings.iter().all(|it| it.action == Action::Keep) {
            return Vec::new();
        }
        let others = plan.namespaces.iter().filter(|it| it.name != played);
        let untested = others.map(|it| Self {
            name: format!("namespace {}", it.name),
            why: format!("only {played} is played. Prove it with --netns {}", it.name),
        });
        untested.collect()
    }
}

/// Why a change is not played.
fn obstacle(setting: &PlannedSetting, scenario: &Scenario, terms: &Terms) -> Option<String> {
    let timer = match setting.name {
        Name::Timer(timer) => timer,
        Name::Max => {
            let is_unlimited = setting.recommended == 0;
            return is_unlimited.then(|| "a table without limit is not played".to_owned());
        }
        Name::Buckets => return Some("nothing that is compared depends on it".to_owned()),
    };
    if !Timeouts::default().has(timer) {
        return Some("no packet of a scenario arms it".to_owned());
    }
    if let Some(why) = terms.untested.get(timer.name()) {
        return Some(why.clone());
    }
    // Until an entry has run out under either value, the table only fills.
    let longer = scenario.timeouts.seconds(timer).max(setting.recommended);
    let (longer, warm_up) = (Duration::from_secs(longer), terms.warm_up);
    (longer > warm_up).then(|| {
        format!(
            "its {} do not pass within the warm-up of {}",
            units::duration(longer),
            units::duration(warm_up)
        )
    })
}

fn played(setting: &PlannedSetting, share: f64) -> PlannedSetting {
    let mut played = setting.clone();
    if setting.name == Name::Max {
        played.current = scaled(setting.current, share);
        played.recommended = scaled(setting.recommended, share);
    }
    played
}

/// The size of a table for a share of the connections. Of few the count varies by more of itself than
/// of many, for which there is room beside.
#[must_use]
pub fn scaled(size: u64, share: f64) -> u64 {
    if share >= 1.0 {
        return size;
    }
    let entries = size as f64 * share;
    (entries + 6.0 * entries.sqrt()).ceil().min(size as f64) as u64
}
