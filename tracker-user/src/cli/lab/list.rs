//! `tracker lab list`.

use crate::{
    cli::{Exit, print},
    lab::scenario::{BUILTIN, Scenario},
    report,
};

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints what the built-in scenarios are.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let scenarios = BUILTIN.iter().map(|it| Scenario::parse(it.name, it.text));
    let scenarios = scenarios.collect::<Result<Vec<_>, _>>()?;
    print(&if args.json {
        report::lab::json(&scenarios)
    } else {
        report::lab::table(&scenarios, report::Style::of(&std::io::stdout()))
    })?;
    Ok(Exit::Done)
}
