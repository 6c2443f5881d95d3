//! What tracker says of a machine is what a watch finds there.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use seccompiler::apply_filter;
use serde_json::Value;

use super::errors::{profile, tracking};
use super::faces::fresh;
use super::refusals::{no_programs, without_saying};
use super::tracker::{program, show, succeed};
use super::{Case, Kind};

/// The case of this file.
pub fn cases() -> Vec<Case> {
    vec![Case {
        name: "doctor",
        kind: Kind::Free(doctor),
    }]
}

/// Its hooks are those of a watch; where programs are refused, it says so and ends with the status of that.
fn doctor() -> Result<()> {
    let topology = tracking()?;
    let asked = || {
        let mut command = Command::new(program());
        command.args(["doctor", "--json"]);
        command
    };
    let found: Value = serde_json::from_str(&succeed(&mut asked())?)?;
    ensure!(found["can_observe"] == true, "it cannot observe: {found}");
    let recording = fresh("doctor");
    succeed(&mut profile(topology.router.name(), &recording))?;
    let watch = show(&recording)?;
    ensure!(
        found["hooks"] == watch["hooks"],
        "{} are not the hooks of a watch: {}",
        found["hooks"],
        watch["hooks"]
    );
    let offers = found["offers"].as_array().context("no offers")?;
    let lacks = offers
        .iter()
        .find(|it| it["required"] == true && it["candidates"] == Value::Array(Vec::new()));
    ensure!(lacks.is_none(), "the kernel lacks {lacks:?}");
    let filter = no_programs()?;
    let refused = without_saying(move || Ok(apply_filter(&filter)?), &mut asked())?;
    let found: Value = serde_json::from_str(&refused)?;
    let why = found["refusal"].as_str().unwrap_or_default();
    ensure!(why.contains("programs are refused"), "{found}");
    Ok(())
}
