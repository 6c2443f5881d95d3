//! What tracker counts of a built-in scenario is the truth that the lab writes about it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tracker_common::Timer;
use tracker_user::lab::scenario::Scenario;
use tracker_user::lab::truth::TruthFile;

use crate::cases::faces::fresh;
use crate::cases::measured::watch;
use crate::cases::tracker::{program, show, succeed};
use crate::cases::{Case, Kind};
use crate::truth::{Name, Want, Wants, diff, expect_run};

/// Declares a case for each scenario.
macro_rules! scenarios {
    ($($name:literal),* $(,)?) => {
        /// A case for each built-in scenario.
        pub fn cases() -> Vec<Case> {
            vec![$(Case {
                name: concat!("lab_scenario_", $name),
                kind: Kind::Free(|| scenario($name)),
            },)*]
        }

        #[cfg(test)]
        const NAMES: &[&str] = &[$($name,)*];
    };
}

scenarios! {
    "web-short",
    "web-keepalive",
    "websocket",
    "dns",
    "quic",
    "db-pool",
    "half-close",
    "health-check",
    "mobile-vanish",
    "port-scan",
    "syn-flood",
    "udp-flood",
    "icmp-flood",
    "ack-flood",
    "fin-flood",
    "mixed",
    "table-full",
}

/// The scenario whose table is too small.
const FULL: &str = "table-full";

/// Plays a scenario while tracker watches, and compares its whole report with the truth.
fn scenario(name: &str) -> Result<()> {
    let recording = fresh(&format!("lab_{name}"));
    let truth = PathBuf::from(format!("/tmp/lab_{name}.truth"));
    let said = play(name, &recording, &truth)?;
    let truth = TruthFile::load(&truth)?;
    let report = show(&recording)?;
    check_run(&said, &truth)?;
    let scenario = Scenario::find(name)?;
    let wants = wants(&scenario, &truth, &report, &said)?;
    let differences = diff(&wants, &report);
    ensure!(
        differences.is_empty(),
        "{} fields differ:\n  {}",
        differences.len(),
        differences.join("\n  ")
    );
    // What a failed case leaves serves to see why.
    let _ = fs::remove_file(&recording);
    Ok(())
}

/// Runs the lab and gives back what it says.
fn play(name: &str, recording: &Path, truth: &Path) -> Result<Value> {
    let mut command = Command::new(program());
    command.args(["lab", "run", name, "--json", "--watch"]);
    command.arg(recording).arg("--truth").arg(truth);
    let said = succeed(&mut command)?;
    serde_json::from_str(&said).with_context(|| format!("the lab says no JSON: {said}"))
}

/// Everything was sent, in time, and nothing else was.
fn check_run(said: &Value, truth: &TruthFile) -> Result<()> {
    let sent = truth.packets.client + truth.packets.server;
    ensure!(said["packets"] == sent, "{sent} packets in {said}");
    ensure!(said["lost"] == 0 && said["foreign"] == 0, "{said}");
    ensure!(said["flush"]["calm"] == true, "{said}");
    ensure!(
        truth.spoiled == 0,
        "{} packets came too late",
        truth.spoiled
    );
    Ok(())
}

fn wants(scenario: &Scenario, truth: &TruthFile, report: &Value, said: &Value) -> Result<Wants> {
    let row = &report["namespaces"][0];
    let name = row["name"].as_str().context("no namespace is reported")?;
    let inum = row["inum"].as_u64().context("it has no number")?;
    let length = report["duration_s"].as_f64().unwrap_or(0.0);
    let span = (0, (length / truth.about.jiffy_s) as u64);
    let watch = watch(span, report, vec![(name.to_owned(), inum)])?;
    let timers = Timer::ALL.iter();
    let settings: BTreeMap<Name, u64> = timers
        .map(|timer| (timer.name().into(), scenario.timeouts.seconds(*timer)))
        .collect();
    let mut wants = expect_run(truth, &watch, &settings);
    if let Some(max) = scenario.max {
        // Where it is not to get full, the machine's own table may be larger.
        let most = match scenario.name.as_str() {
            FULL => max as f64,
            _ => f64::MAX,
        };
        wants.loosen("table.max", &Want::Between(max as f64, most));
    }
    if let Some(buckets) = scenario.buckets {
        wants.loosen("table.buckets", &Want::Count(buckets));
    }
    if scenario.name == FULL {
        make_room(&mut wants, scenario, truth, said)?;
    }
    Ok(wants)
}

/// In a full table the kernel decides which datagrams become entries and which of them stay, but it
/// says how many.
fn make_room(
    wants: &mut Wants,
    scenario: &Scenario,
    truth: &TruthFile,
    said: &Value,
) -> Result<()> {
    let counted = &said["router"]["conntrack"];
    let count = |name: &str| {
        counted[name]
            .as_u64()
            .with_context(|| format!("no {name}: {said}"))
    };
    let (refused, evicted) = (count("drop")?, count("early_drop")?);
    let all = truth.tally.insert_count();
    ensure!(
        refused > 0 && evicted > 0,
        "the table has not been full: {said}"
    );
    // Its garbage collector makes room too, and does not say so: in each pass, of which there is one
    // a second at most, it may evict all that were not answered.
    let answered: u64 = scenario.populations.iter().filter_map(|it| it.count).sum();
    let unanswered = scenario.max.context("no size")? - answered;
    let uncounted = unanswered * scenario.duration.as_secs();
    let is_of_datagrams = |path: &str| {
        ["udp", "overdue", "lifetime", "count.", "balance."]
            .iter()
            .any(|word| path.contains(word))
    };
    wants.loosen_all(is_of_datagrams, &Want::Anything);
    for at in wants.parts("balance.inserted") {
        let dead = format!("{at}deaths[udp_unreplied/early_drop]");
        wants.put(format!("{at}balance.inserted"), Want::Count(all - refused));
        wants.put(format!("{at}balance.destroyed"), Want::Count(all - refused));
        wants.put(format!("{at}balance.lost"), Want::Count(0));
        wants.put(format!("{dead}.state"), Want::Anything);
        wants.put(format!("{dead}.reason"), Want::Anything);
        wants.put(
            format!("{dead}.count"),
            Want::Between(evicted as f64, (evicted + uncounted) as f64),
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tracker_user::lab::scenario::BUILTIN;

    #[test]
    fn every_built_in_scenario_has_its_case() {
        let names: Vec<&str> = BUILTIN.iter().map(|it| it.name).collect();
        assert_eq!(super::NAMES, names);
    }
}
