//! `tracker lab run`.

use std::{
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use serde_json::json;

use crate::{
    cli::{Exit, print, say, signals},
    lab::{
        clock::Clock,
        control::Control,
        net::{Size, Topology},
        run::{self, Options, Report},
        scenario::{Overrides, Rate, Scenario},
        truth::{About, Truth, TruthFile},
        watcher::Watcher,
    },
    settings::Assignment,
    units,
};

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// A name of `tracker lab list`, or a file that ends in .toml
    #[arg(value_name = "SCENARIO|FILE")]
    scenario: String,
    /// Connections a second, of all populations together, or max: as many as can be sent [default:
    /// as the scenario says]
    #[arg(long, value_name = "N|max")]
    rate: Option<Rate>,
    /// For how long connections begin [default: as the scenario says]
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    duration: Option<Duration>,
    /// Play under this setting of the router in place of the scenario's: a timer by its sysctl's
    /// name, max or buckets. May be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<Assignment>,
    /// The same seed gives the same packets
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Senders, each on a CPU of its own
    #[arg(long, value_name = "N", default_value_t = 1)]
    threads: usize,
    /// Write what was sent, and what an observer has to see of it
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,
    /// Watch the router with tracker profile, and write its recording
    #[arg(long, value_name = "FILE")]
    watch: Option<PathBuf>,
    /// How long entries may expire at the end, before the rest are deleted [default: 5m with --truth
    /// or --watch, else not at all]
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    settle: Option<Duration>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How long an observer's entries may expire by themselves, unless told.
const SETTLE: Duration = Duration::from_secs(300);

impl Args {
    fn options(&self) -> Options {
        let is_observed = self.truth.is_some() || self.watch.is_some();
        let usual = is_observed.then_some(SETTLE);
        Options {
            threads: self.threads,
            settle: self.settle.or(usual),
        }
    }
}

/// Makes the lab, sends the traffic, and says what became of it.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let mut scenario = Scenario::find(&args.scenario)?;
    for &to in &args.set {
        scenario.change(to)?;
    }
    let overrides = Overrides {
        duration: args.duration,
        rate: args.rate,
    };
    let mut traffic = scenario.traffic(args.seed, &overrides)?;
    let settings = scenario.settings(&overrides)?;
    args.options().check()?;
    let control = Arc::new(Control::default());
    signals::heed_and_show(&control).context("signals cannot be taken")?;
    let topology = Topology::create_telling(&settings, |change| {
        say(&format!("Until the lab ends, {change}"));
    })?;
    say_where(&topology);
    args.truth.as_deref().map(TruthFile::claim).transpose()?;
    let watcher = match &args.watch {
        Some(recording) => {
            let program = std::env::current_exe().context("this program's path is unknown")?;
            let router = topology.router.path();
            Some(Watcher::start(
                &program,
                router,
                recording,
                Stdio::inherit(),
            )?)
        }
        None => None,
    };
    let about = About {
        scenario: scenario.name.clone(),
        seed: args.seed,
        jiffy_s: Clock::calibrate()?.jiffy_s(),
    };
    let mut truth = Truth::new(about, |timer| scenario.seconds(timer, &topology.router));
    let report = run::run(
        &topology,
        &mut traffic,
        &mut truth,
        &args.options(),
        &control,
    )?;
    let watched = watcher.map(Watcher::finish).transpose()?;
    drop(topology);
    let mut truth = truth.report(report.end());
    for (&cut, &connections) in traffic.cuts() {
        truth.tally.cut(cut, connections);
    }
    if let Some(path) = &args.truth {
        truth.save(path)?;
    }
    print(&if args.json {
        json(&report, &truth)
    } else {
        format!("{}: {}", truth.about.scenario, report.text())
    })?;
    let went = Went {
        lost: report.lost(),
        foreign: report.foreign(),
        // A table that is to get full has no room for all.
        refused: match settings.max {
            Some(Size::Exactly(_)) => 0,
            _ => report.refused(),
        },
        // Without a truth, nobody takes it for one.
        spoiled: args.truth.as_ref().map_or(0, |_| truth.spoiled),
    };
    for wrong in went.wrong() {
        say(&format!("tracker: {wrong}"));
    }
    Ok(exit(report.is_stopped(), &went, watched))
}

fn say_where(topology: &Topology) {
    let router = topology.router.path().display();
    say(&format!(
        "The router is {router}. Watch it with: tracker profile --netns {router}"
    ));
}

fn json(report: &Report, truth: &TruthFile) -> String {
    let mut value = report.json();
    value["scenario"] = json!(truth.about.scenario);
    value["seed"] = json!(truth.about.seed);
    value["entries"] = json!(truth.tally.insert_count());
    value["spoiled"] = json!(truth.spoiled);
    format!("{value:#}")
}

/// By what a run went otherwise than planned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Went {
    /// Packets that did not reach the router.
    lost: u64,
    /// Packets of others that did.
    foreign: u64,
    /// Entries that the kernel did not take, or evicted.
    refused: u64,
    /// Packets that came too late.
    spoiled: u64,
}

impl Went {
    /// A sentence what is wrong and one what to do, for each.
    fn wrong(&self) -> Vec<String> {
        let all = [
            (
                self.lost,
                "did not reach the router. Look at the machine's memory, and ask for a lower --rate",
            ),
            (
                self.foreign,
                "reached the router that the lab did not send, and may have made entries. Let nobody \
                 else send in the lab's namespaces",
            ),
            (
                self.spoiled,
                "came too late for what they were to do: the truth is off by them. Run it on a machine \
                 that does nothing else, or with a lower --rate",
            ),
        ];
        let packets = all.iter().filter(|(count, _)| *count > 0);
        let mut wrong: Vec<String> = packets
            .map(|(count, what)| format!("{} {what}", units::plural(*count, "packet", "packets")))
            .collect();
        if self.refused > 0 {
            wrong.push(format!(
                "the kernel refused or evicted entries {}, which the truth does not know of. Give the \
                 scenario a `max` with room for all",
                units::plural(self.refused, "time", "times")
            ));
        }
        wrong
    }
}

fn exit(is_stopped: bool, went: &Went, watched: Option<ExitStatus>) -> Exit {
    match watched.map(Exit::of_command) {
        Some(exit @ (Exit::Failed | Exit::Command(_))) => exit,
        _ if is_stopped => Exit::INTERRUPTED,
        _ if *went != Went::default() => Exit::Losses,
        _ => Exit::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_the_truth_wrong_is_said_and_a_loss() {
        let well = Went::default();
        assert!(well.wrong().is_empty());
        assert_eq!(exit(false, &well, None), Exit::Done);
        for went in [
            Went { lost: 1, ..well },
            Went { foreign: 1, ..well },
            Went { refused: 1, ..well },
            Went { spoiled: 1, ..well },
        ] {
            let said = went.wrong();
            assert!(said.len() == 1 && said[0].contains(". "), "{said:?}");
            assert_eq!(exit(false, &went, None), Exit::Losses, "{went:?}");
            assert_eq!(exit(true, &went, None), Exit::INTERRUPTED);
        }
    }
}
