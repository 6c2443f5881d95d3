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
    /// Full name.
    pub name: String,
    /// Why, in one clause.
    pub why: String,
}

/// What a plan changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Split {
    /// What is played; sizes as large as the played share of the connections asks for.
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
                Some(why) => split.untested.push(Untested {
                    name: it.name.full(),
                    why,
                }),
                None => split.tested.push(played(it, terms.share)),
            }
        }
        split
    }
}

/// Why a change is not played.
fn obstacle(setting: &PlannedSetting, scenario: &Scenario, terms: &Terms) -> Option<String> {
    let Name::Timer(timer) = setting.name else {
        let is_unlimited = setting.recommended == 0;
        return is_unlimited.then(|| "a table without limit is not played".to_owned());
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
    if matches!(setting.name, Name::Max | Name::Buckets) {
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
