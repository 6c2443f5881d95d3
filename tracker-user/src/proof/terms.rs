//! What a proof compares: the table `[proof]` of a scenario's file.

use std::time::Duration;

use serde::Deserialize;

use super::ProofError;
use crate::{
    analysis::advice::Policy,
    lab::scenario::{Scenario, Time},
};

/// Samples of the entry count in a proof: fewer say little of a peak, more cost more than they say.
const SAMPLES: std::ops::RangeInclusive<f64> = 20.0..=5_000.0;

/// What is compared, and how the plan is made.
#[derive(Clone, Copy, Debug, PartialEq)]
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
        Ok(terms)
    }
}
