//! `tracker bench`.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;

use super::{Exit, print, signals};
use crate::{
    bench::{self, FLOOD, FLOOD_RATE, Options, listener, native::Native, observer::Observer},
    lab::control::Control,
    report::{self, Style},
    units,
};

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// The flood: a scenario of tracker lab list, or a file [default: udp-flood at 10,000
    /// connections a second]
    scenario: Option<String>,
    /// For how long connections begin, such as 10s
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    duration: Option<Duration>,
    /// Connections a second
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Send nothing: only time the hooks' inner functions on this machine's processor
    #[arg(long)]
    native: bool,
    /// Count the events of a namespace until stdin ends
    #[arg(long, value_name = "NETNS", hide = true)]
    listen: Option<PathBuf>,
}

/// Sends the same flood under each observer, and prints what each costs.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    if let Some(netns) = &args.listen {
        print(&serde_json::to_string(&listener::listen(netns)?)?)?;
        return Ok(Exit::Done);
    }
    if args.native {
        return native(args.json);
    }
    let control = Arc::new(Control::default());
    signals::heed(&control).context("signals cannot be taken")?;
    let options = Options {
        scenario: args.scenario.clone().unwrap_or_else(|| FLOOD.to_owned()),
        duration: args.duration,
        rate: match args.scenario {
            None => Some(args.rate.unwrap_or(FLOOD_RATE)),
            Some(_) => args.rate,
        },
    };
    let report = bench::run(&options, &control, |next| {
        eprintln!("{}: {next}", options.scenario);
    })?;
    if report.interrupted && report.measured() == 0 {
        eprintln!(
            "tracker: interrupted before a flood had ended: nothing was measured. Run it again"
        );
        return Ok(Exit::INTERRUPTED);
    }
    print(&if args.json {
        report::bench::json(&report)
    } else {
        report::bench::table(&report, &Style::of(&std::io::stdout()))
    })?;
    let mut rows = report.observers.iter();
    let tracker = rows.find(|row| row.observer == Observer::Tracker.name());
    Ok(match tracker.map(|row| &row.spent) {
        _ if report.interrupted => Exit::INTERRUPTED,
        Some(None) => Exit::CannotObserve,
        Some(Some(spent)) if !spent.losses.is_empty() => Exit::Losses,
        _ => Exit::Done,
    })
}

fn native(json: bool) -> anyhow::Result<Exit> {
    let native = Native::time();
    print(&if json {
        serde_json::to_string_pretty(&native)?
    } else {
        report::bench::native(&native, Style::of(&std::io::stdout()))
    })?;
    Ok(if native.refused.is_some() {
        Exit::CannotObserve
    } else {
        Exit::Done
    })
}
