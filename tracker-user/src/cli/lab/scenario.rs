//! `tracker lab scenario`.

use std::{path::PathBuf, time::Duration};

use crate::{
    cli::{Exit, UsageError, print, say, write_file},
    recording::Recording,
    replay::{self, Wanted},
    units,
};

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// A recording, as tracker profile writes it
    #[arg(value_name = "RECORDING")]
    recording: PathBuf,
    #[command(flatten)]
    wanted: WantedArgs,
    /// File to write the scenario to, in place of stdout
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// How much of a recording is to be played.
#[derive(clap::Args)]
pub struct WantedArgs {
    /// Name or inode number of the namespace to play [default: the one with most inserts]
    #[arg(long, value_name = "NAME")]
    netns: Option<String>,
    /// Share of the connections to play, up to 1 [default: as many as take some minutes]
    #[arg(long, value_name = "SHARE")]
    rate_scale: Option<f64>,
    /// How long to play, the warm-up included; more than the watch goes through it again [default: 2h at
    /// most, about the highest count, or what the timers of a plan take]
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    duration: Option<Duration>,
}

impl WantedArgs {
    /// The same, checked.
    ///
    /// # Errors
    /// [`UsageError`] for a share or a time of nothing.
    pub fn wanted(&self) -> anyhow::Result<Wanted> {
        if self.rate_scale.is_some_and(|it| !(it > 0.0 && it <= 1.0)) {
            let said = "--rate-scale is a share above 0 and up to 1. Give for example 0.1";
            return Err(UsageError(said.to_owned()).into());
        }
        if self.duration.is_some_and(|it| it < Duration::from_secs(1)) {
            let said = "less than a second cannot be played. Give a longer --duration";
            return Err(UsageError(said.to_owned()).into());
        }
        Ok(Wanted {
            namespace: self.netns.clone(),
            scale: self.rate_scale,
            duration: self.duration,
            max_harm: None,
            changes: Vec::new(),
        })
    }
}

/// Prints a scenario like what was recorded.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let wanted = args.wanted.wanted()?;
    let recording = Recording::open(&args.recording)?;
    let replay = replay::scenario(&recording, &wanted)?;
    for left_out in &replay.left_out {
        say(&format!("tracker: left out: {left_out}"));
    }
    if replay.scale < 1.0 {
        let share = units::percent(replay.scale);
        say(&format!("tracker: of the connections, {share} are played"));
    }
    match &args.output {
        Some(path) => write_file(path, &replay.text)?,
        None => print(&replay.text)?,
    }
    Ok(Exit::Done)
}
