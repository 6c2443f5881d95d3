//! `tracker prove`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tracker_common::Timer;

use super::{Exit, UsageError, lab::WantedArgs, print, say, signals, write_file};
use crate::{
    analysis::advice::{Action, file::PlanFile},
    guest::{self, Spec, Task},
    lab::scenario::Scenario,
    proof::{Proof, Split, Terms, Untested},
    recording::Recording,
    replay::{self, Replay},
    report::{self, Style},
    settings::Name,
    units,
};

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// A recording, as tracker profile writes it
    #[arg(value_name = "RECORDING")]
    recording: PathBuf,
    /// The plan that was made from it, as tracker recommend --format json writes it
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// The kernel to boot: a series such as 6.12, or an image [default: the recording's series, or
    /// the nearest of Debian's]
    #[arg(long, value_name = "SERIES|IMAGE[:MODULES]")]
    kernel: Option<Spec>,
    #[command(flatten)]
    wanted: WantedArgs,
    /// The same seed gives the same connections
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Leave the scenario and the proof in this folder
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Plays what was recorded on a kernel in a virtual machine, under today's settings and the plan's.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let wanted = args.wanted.wanted()?;
    let recording = Recording::open(&args.recording)?;
    let plan = PlanFile::open(&args.plan)?;
    belongs(&plan, &recording)?;
    let wanted = replay::Wanted {
        max_harm: Some(plan.max_harm),
        changes: timers(&plan),
        ..wanted
    };
    let replay = replay::scenario(&recording, &wanted)?;
    for left_out in &replay.left_out {
        say(&format!("tracker: left out: {left_out}"));
    }
    if let Some(proof) = nothing_to_prove(&plan, &replay, args.seed)? {
        return end(args, &proof);
    }
    guest::check(args.kernel.as_ref())?;
    let kernel = match &args.kernel {
        Some(kernel) => kernel.clone(),
        None => kernel_of(&recording)?,
    };
    say_what(&replay, &kernel);
    let nowhere = tempfile::tempdir().context("no folder can be made. Make room in /tmp")?;
    signals::end_with(nowhere.path().to_owned()).context("signals cannot be taken")?;
    let folder = args.keep.as_deref().unwrap_or(nowhere.path());
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{} cannot be made. Name another", folder.display()))?;
    let scenario = folder.join("recorded.toml");
    write_file(&scenario, &replay.text)?;
    let mut proof = guest::prove(&Task {
        kernel: &kernel,
        scenario: &scenario,
        plan: &args.plan,
        seed: args.seed,
        keep: args.keep.clone(),
    })?;
    proof
        .untested
        .extend(Untested::elsewhere(&plan, &replay.namespace));
    end(args, &proof)
}

/// Shows a proof, and leaves it where it is to be left.
fn end(args: &Args, proof: &Proof) -> anyhow::Result<Exit> {
    let json = report::proof::json(proof);
    keep(args.keep.as_deref(), &json)?;
    print(&if args.json {
        json
    } else {
        report::proof::table(proof, Style::of(&std::io::stdout()))
    })?;
    Ok(proof.outcome().into())
}

/// Timers that a plan changes.
fn timers(plan: &PlanFile) -> Vec<(Timer, u64)> {
    let changed = plan.settings.iter().filter(|it| it.action != Action::Keep);
    let timers = changed.filter_map(|it| match it.name {
        Name::Timer(timer) => Some((timer, it.recommended)),
        Name::Max | Name::Buckets => None,
    });
    timers.collect()
}

/// What there is to say if nothing that the plan changes can be tested: better before a kernel is booted.
fn nothing_to_prove(plan: &PlanFile, replay: &Replay, seed: u64) -> anyhow::Result<Option<Proof>> {
    let scenario = Scenario::parse("recorded.toml", &replay.text)?;
    let terms = Terms::of(&scenario)?;
    let split = Split::of(plan, &scenario, &terms);
    let elsewhere = Untested::elsewhere(plan, &replay.namespace);
    let nothing = || Proof {
        untested: [split.untested, elsewhere].concat(),
        ..Proof::of_nothing(&scenario, &terms, seed, String::new())
    };
    Ok(split.tested.is_empty().then(nothing))
}

/// The plan was made of what this recording is of.
fn belongs(plan: &PlanFile, recording: &Recording) -> anyhow::Result<()> {
    let seen = &recording.description;
    let is_same = match (&plan.machine.id, &seen.machine) {
        (Some(planned), Some(seen)) => planned == seen,
        _ => plan.machine.host == seen.host,
    };
    if is_same {
        return Ok(());
    }
    let said = format!(
        "the plan is for {}, and the recording of {}. Give the recording that the plan was made from",
        plan.machine.host, seen.host
    );
    Err(UsageError(said).into())
}

fn kernel_of(recording: &Recording) -> anyhow::Result<Spec> {
    let release = &recording.description.kernel;
    let adapts = recording.description.collector_adapts;
    let (kernel, is_other) = guest::kernel_for(release, adapts)?;
    if is_other {
        say(&format!(
            "tracker: Debian has no kernel of the series of {release}: {kernel} is the nearest that \
             collects expired entries alike, if any does"
        ));
    }
    Ok(kernel)
}

fn say_what(replay: &Replay, kernel: &Spec) {
    let share = units::percent(replay.scale);
    let length = units::duration(replay.duration);
    say(&format!(
        "tracker: booting kernel {kernel}, to play {length} of traffic like what was seen, with {share} of its \
         connections, twice"
    ));
}

fn keep(folder: Option<&Path>, proof: &str) -> anyhow::Result<()> {
    let Some(folder) = folder else {
        return Ok(());
    };
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{} cannot be made. Name another", folder.display()))?;
    write_file(&folder.join("proof.json"), proof)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        analysis::advice::{self, Request},
        recording::synthetic::Synthetic,
    };

    fn plan_of(recording: &Recording) -> PlanFile {
        let plan = advice::plan(std::slice::from_ref(recording), &Request::default());
        let text = serde_json::to_string(&plan).unwrap();
        PlanFile::parse(Path::new("plan.json"), &text).unwrap()
    }

    #[test]
    fn a_plan_that_changes_nothing_is_said_to_prove_nothing() {
        let mut source = Synthetic::new();
        source.host().insert(tracker_common::Proto::Udp, 500);
        let recording = source.recording(600);
        let plan = plan_of(&recording);
        assert_eq!(timers(&plan), []);
        let replay = replay::scenario(&recording, &replay::Wanted::default()).unwrap();
        let proof = nothing_to_prove(&plan, &replay, 1).unwrap().unwrap();
        assert_eq!(Exit::from(proof.outcome()), Exit::Losses);
        let json = report::proof::json(&proof);
        assert!(json.contains("\"holds\": null"), "{json}");
        let said = report::proof::table(&proof, Style::default());
        assert!(said.contains("nothing to prove"), "{said}");
    }

    #[test]
    fn a_plan_is_proven_with_its_own_recording_only() {
        let mut source = Synthetic::new();
        let mut of = |machine: Option<&str>, host: &str| {
            source.description.machine = machine.map(str::to_owned);
            source.description.host = host.to_owned();
            source.recording(60)
        };
        let plan = plan_of(&of(Some("5f2c"), "gateway"));
        assert!(belongs(&plan, &of(Some("5f2c"), "renamed")).is_ok());
        // Where one of them does not know its machine, the name decides.
        assert!(belongs(&plan, &of(None, "gateway")).is_ok());
        assert!(belongs(&plan, &of(None, "other")).is_err());
        let refused = belongs(&plan, &of(Some("77aa"), "gateway")).unwrap_err();
        assert!(refused.is::<UsageError>(), "{refused}");
    }
}
