//! `tracker bench`.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;

use super::{Exit, print, say, signals};
use crate::{
    bench::{
        self, FLOOD, FLOOD_RATE, Options, Report, listener, native::Native, observer::Observer,
    },
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
        say(&format!("{}: {next}", options.scenario));
    })?;
    if report.interrupted && report.measured() == 0 {
        say("tracker: interrupted before a flood had ended: nothing was measured. Run it again");
        return Ok(Exit::INTERRUPTED);
    }
    print(&if args.json {
        report::bench::json(&report)
    } else {
        report::bench::table(&report, &Style::of(&std::io::stdout()))
    })?;
    Ok(exit(&report))
}

fn exit(report: &Report) -> Exit {
    let mut rows = report.observers.iter();
    let tracker = rows.find(|row| row.observer == Observer::Tracker.name());
    match tracker.map(|row| &row.spent) {
        _ if report.interrupted => Exit::INTERRUPTED,
        Some(None) => Exit::CannotObserve,
        Some(Some(spent)) if spent.is_short() => Exit::Losses,
        _ => Exit::Done,
    }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::bench::{Row, Spent, cpu::Cpu};

    fn report(tracker: Option<Spent>) -> Report {
        Report {
            schema_version: 1,
            scenario: String::new(),
            seed: 1,
            kernel: String::new(),
            cpus: 1,
            interrupted: false,
            observers: vec![Row {
                observer: Observer::Tracker.name().to_owned(),
                left_out: None,
                spent: tracker,
            }],
            programs: Vec::new(),
            native: Native::default(),
        }
    }

    fn spent(unseen: u64, loss: Option<&str>) -> Spent {
        let cpu = Cpu {
            user_s: 1.0,
            kernel_s: 1.0,
        };
        Spent {
            packets: 10,
            entries: 10,
            seconds: 1.0,
            entries_per_s: 10.0,
            machine: cpu,
            busy_s: 1.0,
            us_per_entry: 1.0,
            added_us_per_entry: None,
            process: None,
            memory: None,
            seen: None,
            unseen: Some(unseen),
            losses: BTreeMap::from_iter(loss.map(|name| (name.to_owned(), 1))),
        }
    }

    #[test]
    fn only_a_flood_that_tracker_saw_as_it_was_is_done() {
        assert_eq!(exit(&report(Some(spent(0, None)))), Exit::Done);
        assert_eq!(exit(&report(Some(spent(1, None)))), Exit::Losses);
        let incomplete = spent(0, Some("recording_incomplete"));
        assert_eq!(exit(&report(Some(incomplete))), Exit::Losses);
        assert_eq!(exit(&report(None)), Exit::CannotObserve);
    }
}
