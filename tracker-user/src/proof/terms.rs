//! What a proof compares: the table `[proof]` of a scenario's file.

use std::{collections::BTreeMap, time::Duration};

use serde::Deserialize;

use super::ProofError;
use crate::{
    analysis::advice::Policy,
    lab::scenario::{Scenario, Time},
    settings::Name,
};

/// Samples of the entry count in a proof: fewer say little of a peak, more cost more than they say.
const SAMPLES: std::ops::RangeInclusive<f64> = 20.0..=5_000.0;

/// What is compared, and how the plan is made.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// Until the table is as full as it stays. What comes after, to the end of the scenario's
    /// duration, is compared.
    pub warm_up: Duration,
    /// Time between two samples of the entry count. The kernel looks for expired entries once a
    /// minute at most: a minute's divisor would always meet it in the same places.
    pub interval: Duration,
    /// Share of connections that the plan may cut.
    pub max_harm: f64,
    /// Policy of the plan.
    pub policy: Policy,
    /// Settings that the plan must lower, by their short names: without them nothing would be tested.
    pub lowers: Vec<Name>,
    /// Settings that it must raise.
    pub raises: Vec<Name>,
    /// Share of the entries that it must save at least.
    pub saves: f64,
    /// Share of the connections that are played of those that a plan was made for: sizes of its table
    /// are as much smaller.
    pub share: f64,
    /// Entries on average in the recording that the scenario was made of, as much of it as is played.
    pub recorded: Option<f64>,
    /// Timers that the scenario tells nothing about, by name, and why.
    pub untested: BTreeMap<String, String>,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    warm_up: Time,
    interval: Time,
    max_harm: f64,
    #[serde(default)]
    policy: Policy,
    #[serde(default)]
    lowers: Vec<String>,
    #[serde(default)]
    raises: Vec<String>,
    #[serde(default)]
    saves: f64,
    #[serde(default = "all")]
    share: f64,
    recorded: Option<f64>,
    #[serde(default)]
    untested: BTreeMap<String, String>,
}

fn all() -> f64 {
    1.0
}

impl Terms {
    /// Those of a scenario.
    ///
    /// # Errors
    /// [`ProofError::Terms`] where it has none, or none that can be.
    pub fn of(scenario: &Scenario) -> Result<Self, ProofError> {
        let refuse = |why: &str| ProofError::Terms {
            scenario: scenario.name.clone(),
            why: why.to_owned(),
        };
        let table = scenario.proof.clone();
        let table = table.ok_or_else(|| refuse("the table is missing"))?;
        let raw: Raw = table.try_into().map_err(|error: toml::de::Error| {
            let said = error.message().trim_end_matches('.').replace('\n', ", ");
            refuse(&said)
        })?;
        let terms = Self {
            warm_up: raw.warm_up.0,
            interval: raw.interval.0,
            max_harm: raw.max_harm,
            policy: raw.policy,
            lowers: names(&raw.lowers).map_err(|why| refuse(&why))?,
            raises: names(&raw.raises).map_err(|why| refuse(&why))?,
            saves: raw.saves,
            share: raw.share,
            recorded: raw.recorded,
            untested: raw.untested,
        };
        let compared = scenario.duration.saturating_sub(terms.warm_up);
        let samples = compared.as_secs_f64() / terms.interval.as_secs_f64();
        if !SAMPLES.contains(&samples) {
            return Err(refuse(&format!(
                "from `warm_up` to the end of `duration` there are {samples:.0} times `interval`, \
                 not {} to {}",
                SAMPLES.start(),
                SAMPLES.end()
            )));
        }
        if terms.max_harm <= 0.0 || terms.max_harm >= 1.0 {
            return Err(refuse("`max_harm` is no share between 0 and 1"));
        }
        if !(0.0..1.0).contains(&terms.saves) {
            return Err(refuse("`saves` is no share from 0 to 1"));
        }
        if !(terms.share > 0.0 && terms.share <= 1.0) {
            return Err(refuse("`share` is no share above 0 and up to 1"));
        }
        Ok(terms)
    }
}

fn names(texts: &[String]) -> Result<Vec<Name>, String> {
    let name = |text: &String| Name::parse(text).map_err(|error| error.to_string());
    texts.iter().map(name).collect()
}
