//! `tracker show`.

use std::path::PathBuf;

use super::{Exit, print};
use crate::{analysis::Summary, recording::Recording, report};

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// Recording, as tracker profile writes it
    file: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints what a recording holds.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let summary = Summary::of(&Recording::open(&args.file)?);
    print(&if args.json {
        report::show::json(&summary)
    } else {
        report::show::table(&summary, &report::Style::of(&std::io::stdout()))
    })?;
    Ok(Exit::Done)
}
