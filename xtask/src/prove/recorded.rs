//! What a user does with a recording: `tracker prove` on this machine, of a plan that holds, and of one that cuts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{Done, Expected, PROVEN, Proof};
use crate::kernel::Spec;
use crate::{dist, pool};

/// The scenario whose recording is taken: of its flows some pause for five seconds.
pub const SCENARIO: &str = "dns";
/// Cuts them.
const HARMFUL: (&str, u64) = ("net.netfilter.nf_conntrack_udp_timeout", 3);

/// A plan to be proven with a recording.
struct Task {
    name: String,
    plan: PathBuf,
    expected: Expected,
}

/// Proves the plan that was made of the recording in a folder, and a harmful one.
pub fn prove(folder: &Path, kernel: &Spec) -> Result<Vec<Done>> {
    let harmful = folder.join("harmful.json");
    let text = fs::read_to_string(folder.join("plan.json"))
        .context("the proof of dns left no plan. See above for why")?;
    fs::write(&harmful, harm(&text)?)?;
    let task = |name: &str, plan: PathBuf, expected| Task {
        name: format!("{name} of {SCENARIO}"),
        plan,
        expected,
    };
    let tasks = [
        task("recording", folder.join("plan.json"), Expected::Holds),
        task("harm to one", harmful, Expected::Cuts),
    ];
    Ok(pool::each(&tasks, pool::processors(), |task| {
        let started = Instant::now();
        let proof = run(folder, kernel, &task.plan);
        Done {
            kernel: kernel.to_string(),
            name: task.name.clone(),
            took: started.elapsed(),
            proof,
            expected: task.expected,
        }
    }))
}

fn run(folder: &Path, kernel: &Spec, plan: &Path) -> Result<Proof> {
    let program = dist::in_guest("tracker")?.host;
    let done = Command::new(program)
        .arg("prove")
        .arg(folder.join("watch.db"))
        .arg(plan)
        .args(["--json", "--kernel", &kernel.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run tracker prove")?;
    let status = done.status.code().and_then(|it| u8::try_from(it).ok());
    if !status.is_some_and(|it| PROVEN.contains(&it)) {
        bail!(
            "tracker prove failed ({}). See above for what it says",
            done.status
        );
    }
    Ok(serde_json::from_slice(&done.stdout)?)
}

/// The plan with a timer that is too short, in place of all else that it changes.
fn harm(plan: &str) -> Result<String> {
    let mut plan: Value = serde_json::from_str(plan)?;
    let settings = plan["settings"].as_array_mut();
    for setting in settings.context("the plan of dns has no settings")? {
        let is_it = setting["name"] == HARMFUL.0;
        let value = if is_it {
            json!(HARMFUL.1)
        } else {
            setting["current"].clone()
        };
        setting["recommended"] = value;
        setting["action"] = json!(if is_it { "lower" } else { "keep" });
    }
    Ok(plan.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_harmful_plan_lowers_one_timer_only() {
        let plan = json!({ "settings": [
            { "name": "net.netfilter.nf_conntrack_udp_timeout", "current": 30, "recommended": 30, "action": "keep" },
            { "name": "net.netfilter.nf_conntrack_max", "current": 8, "recommended": 9, "action": "raise" },
        ] });
        let harmful: Value = serde_json::from_str(&harm(&plan.to_string()).unwrap()).unwrap();
        assert_eq!(harmful["settings"][0]["recommended"], 3);
        assert_eq!(harmful["settings"][0]["action"], "lower");
        assert_eq!(harmful["settings"][1]["recommended"], 8);
        assert_eq!(harmful["settings"][1]["action"], "keep");
    }
}
