//! `tracker lab prove`.

use std::{path::PathBuf, sync::Arc};

use anyhow::Context;

use crate::{
    analysis::advice::file::PlanFile,
    cli::{Exit, print, say, signals},
    lab::{control::Control, scenario::Scenario},
    proof::{self, Question, Step},
    report::{self, Style},
    units,
};

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// A name of `tracker lab list`, or a file that ends in .toml; it needs a table [proof]
    #[arg(value_name = "SCENARIO|FILE")]
    scenario: String,
    /// The same seed gives the same connections
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The plan, as tracker recommend --format json writes it [default: made from a watch]
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Leave the recording and the plan in this folder [default: nowhere]
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Plays the scenario under today's settings and under the plan's, and says whether the plan holds.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let scenario = Scenario::find(&args.scenario)?;
    let plan = args.plan.as_deref().map(PlanFile::open).transpose()?;
    let nowhere = tempfile::tempdir().context("no folder can be made. Make room in /tmp")?;
    let folder = args.keep.as_deref().unwrap_or(nowhere.path());
    std::fs::create_dir_all(folder)
        .with_context(|| format!("{} cannot be made. Name another", folder.display()))?;
    let control = Arc::new(Control::default());
    signals::heed_and_show(&control).context("signals cannot be taken")?;
    let question = Question {
        scenario: &scenario,
        seed: args.seed,
        plan,
        folder,
    };
    let proof = proof::prove(question, &control, |step| match step {
        Step::Today(length) => {
            say(&format!(
                "Playing {} for {} under today's settings.",
                scenario.name,
                units::duration(length)
            ));
        }
        Step::Planned(_) => say("Playing it once more under the plan's."),
    })?;
    let style = Style::of(&std::io::stdout());
    print(&if args.json {
        report::proof::json(&proof)
    } else {
        report::proof::table(&proof, style)
    })?;
    Ok(proof.outcome().into())
}
