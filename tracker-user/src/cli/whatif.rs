//! `tracker whatif`.

use std::{collections::BTreeSet, path::PathBuf};

use super::{Exit, exit::UsageError, print};
use crate::{analysis::whatif::whatif, recording::Recording, report, settings::Assignment};

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// Recordings, as tracker profile writes them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// A setting to try: a timeout in seconds, nf_conntrack_max or nf_conntrack_buckets
    #[arg(long, required = true, value_name = "KEY=VALUE")]
    set: Vec<Assignment>,
    /// Say how soon so many packets a second fill the table, each of a connection of its own
    #[arg(long, value_name = "RATE", value_parser = rate)]
    flood: Option<f64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints what the settings would do.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut names = BTreeSet::new();
    if let Some(twice) = args.set.iter().find(|it| !names.insert(it.name)) {
        let said = format!("{} is set twice. Give one value for it", twice.name);
        return Err(UsageError(said).into());
    }
    let recordings = args
        .files
        .iter()
        .map(|file| Recording::open(file))
        .collect::<Result<Vec<_>, _>>()?;
    let answer = whatif(&recordings, &args.set, args.flood);
    print(&if args.json {
        report::whatif::json(&answer)
    } else {
        report::whatif::table(&answer, report::Style::of(&std::io::stdout()))
    })?;
    Ok(Exit::Done)
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate.is_finite() => Ok(rate),
        _ => Err("not a number of packets a second. Give for example 50000".to_owned()),
    }
}
