//! `tracker profile`.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use clap::ValueEnum;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::{Exit, LogLevel, child::Child, live::Live, print, say, stop::Stop};
use crate::{
    analysis::Summary,
    recording::{Existing, Recording, Writer},
    report::{self, Style},
    source::{
        Source, SourceError,
        ebpf::{Attach, Options, Pin, Watch},
    },
    units,
};

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// How long to watch, such as 90s or 2h [default: until Ctrl-C, or as long as CMD runs]
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    duration: Option<Duration>,
    /// Namespaces to watch: all, a name under /run/netns, or a path [default: this one]
    #[arg(long, value_name = "all|NAME|PATH")]
    netns: Option<String>,
    /// Where observations come from
    #[arg(long, value_name = "SOURCE", default_value = "auto")]
    source: SourceKind,
    /// Recording to write [default: tracker-TIME.db]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the recording if it is there already
    #[arg(long)]
    force: bool,
    /// Time between two entries of the recording
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = units::parse_duration)]
    interval: Duration,
    /// Live entries to have room for [default: nf_conntrack_max]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_entries: Option<u32>,
    /// Hook this function of the kernel for this event
    #[arg(long, value_name = "EVENT=FUNCTION", hide = true)]
    hook: Vec<Pin>,
    /// How to attach to the kernel's functions
    #[arg(long, value_name = "KIND", default_value = "best", hide = true)]
    attach: Attach,
    /// Command to run: the watch ends with it
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum SourceKind {
    /// The best that this machine has
    Auto,
    /// Programs in the kernel
    Ebpf,
}

impl Args {
    fn existing(&self) -> Existing {
        if self.force {
            Existing::Replace
        } else {
            Existing::Refuse
        }
    }
}

/// Watches, records, and prints a summary.
pub fn run(args: &Args, log_level: LogLevel) -> anyhow::Result<Exit> {
    let output = args.output.clone().unwrap_or_else(default_output);
    Writer::check(&output, args.existing())?;
    let (SourceKind::Auto | SourceKind::Ebpf) = args.source;
    let mut watch = Watch::start(&Options {
        netns: args.netns.clone(),
        max_entries: args.max_entries,
        pins: args.hook.clone(),
        attach: args.attach,
        log_level: log_level.into(),
        // A command may well add the rule that tracks.
        may_be_idle: !args.command.is_empty(),
        on_room: |room| say(&format!("Taking {room}.")),
    })?;
    let ended = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(record(args, &output, &mut watch))
        .map_err(broken_off)?;
    drop(watch);
    if let Ended::AtOnce = ended {
        return Ok(Exit::Command(130));
    }

    let summary = Summary::of(&Recording::open(&output)?);
    if args.command.is_empty() {
        print(&report::show::table(
            &summary,
            &Style::of(&std::io::stdout()),
        ))?;
    } else {
        // stdout is the command's.
        say(&report::show::table(
            &summary,
            &Style::of(&std::io::stderr()),
        ));
    }
    say(&format!(
        "Recorded in {0}. See: tracker recommend {0}",
        output.display()
    ));
    Ok(match ended {
        Ended::Command(exit) if exit != Exit::Done => exit,
        _ if summary.has_losses() => Exit::Losses,
        _ => Exit::Done,
    })
}

/// With what is left of a watch that broke off.
fn broken_off(error: anyhow::Error) -> anyhow::Error {
    if !error.is::<SourceError>() {
        return error;
    }
    let said = format!("{error}. What was recorded up to now is whole: read it with tracker show");
    error.context(said)
}

/// How a watch ended.
enum Ended {
    /// By its time or a signal.
    Watched,
    /// With its command.
    Command(Exit),
    /// By a second signal.
    AtOnce,
}

async fn record(args: &Args, output: &Path, watch: &mut Watch) -> anyhow::Result<Ended> {
    let mut stop = Stop::new()?;
    let mut child = Child::start(&args.command)?;
    let mut writer = Writer::create(output, watch.description(), args.existing())?;
    let mut live = Live::new(args.duration);
    let start = Instant::now();
    let deadline = args.duration.and_then(|length| start.checked_add(length));
    let mut ticks = interval_at(start, args.interval.max(Duration::from_millis(10)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut signals = 0;
    let ended = loop {
        tokio::select! {
            biased;
            signal = stop.next() => {
                signals += 1;
                if signals > 1 {
                    child.signal(nix::sys::signal::Signal::SIGKILL);
                    break Ended::AtOnce;
                }
                if !child.signal(signal) {
                    break Ended::Watched;
                }
            }
            status = child.end() => break Ended::Command(Exit::of_command(status?)),
            () = at(deadline) => {
                child.signal(nix::sys::signal::Signal::SIGTERM);
                break Ended::Watched;
            }
            _ = ticks.tick() => {
                let sample = watch.sample()?;
                live.show(&sample);
                writer.write(&sample)?;
            }
        }
    };
    live.end();
    if !matches!(ended, Ended::AtOnce) {
        // What ends the watch takes its time: from here on a signal ends the program.
        stop.release()?;
        writer.finish(&watch.finish()?)?;
    }
    Ok(ended)
}

/// The instant, or never.
async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

fn default_output() -> PathBuf {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    PathBuf::from(format!("tracker-{}.db", now.replace([':', '-'], "")))
}
