//! `tracker lab run`.

use std::{
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::Duration,
};

use anyhow::Context;
use serde_json::json;
use tracker_common::Timer;

use crate::{
    cli::{Exit, print, signals},
    lab::{
        clock::Clock,
        control::Control,
        net::Topology,
        run::{self, Options, Report},
        scenario::{Overrides, Rate, Scenario},
        truth::{About, Truth, TruthFile},
        watcher::Watcher,
    },
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
    let scenario = Scenario::find(&args.scenario)?;
    let overrides = Overrides {
        duration: args.duration,
        rate: args.rate,
    };
    let traffic = scenario.traffic(args.seed, &overrides)?;
    let settings = scenario.settings(&overrides)?;
    args.options().check()?;
    let control = Arc::new(Control::default());
    signals::heed_and_show(&control).context("signals cannot be taken")?;
    let topology = Topology::create_telling(&settings, |change| {
        eprintln!("Until the lab ends, {change}");
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
    let mut truth = Truth::new(about, |timer| seconds(&topology, &scenario, timer));
    let report = run::run(&topology, traffic, &mut truth, &args.options(), &control)?;
    let watched = watcher.map(Watcher::finish).transpose()?;
    drop(topology);
    let truth = truth.report(report.end());
    if let Some(path) = &args.truth {
        truth.save(path)?;
    }
    print(&if args.json {
        json(&report, &truth)
    } else {
        text(&report, &truth)
    })?;
    Ok(exit(&report, watched))
}

/// A timer's length as the router has it.
fn seconds(topology: &Topology, scenario: &Scenario, timer: Timer) -> u64 {
    let name = format!("net.netfilter.nf_conntrack_{}", timer.name());
    let set = topology.router.sysctl(&name);
    set.unwrap_or_else(|_| scenario.timeouts.seconds(timer))
}

fn say_where(topology: &Topology) {
    let router = topology.router.path().display();
    eprintln!("The router is {router}. Watch it with: tracker profile --netns {router}");
}

fn json(report: &Report, truth: &TruthFile) -> String {
    let mut value = report.json();
    value["scenario"] = json!(truth.about.scenario);
    value["seed"] = json!(truth.about.seed);
    value["entries"] = json!(truth.tally.insert_count());
    value["spoiled"] = json!(truth.spoiled);
    format!("{value:#}")
}

fn text(report: &Report, truth: &TruthFile) -> String {
    let mut text = format!("{}: {}", truth.about.scenario, report.text());
    if truth.spoiled > 0 {
        text += &format!(
            "\n{} too late for what they were to do: the truth is off by them",
            units::plural(truth.spoiled, "packet came", "packets came")
        );
    }
    text
}

fn exit(report: &Report, watched: Option<ExitStatus>) -> Exit {
    match watched.map(Exit::of_command) {
        Some(exit @ (Exit::Failed | Exit::Command(_))) => exit,
        _ if report.is_stopped() => Exit::INTERRUPTED,
        _ if report.lost() > 0 => Exit::Losses,
        _ => Exit::Done,
    }
}
