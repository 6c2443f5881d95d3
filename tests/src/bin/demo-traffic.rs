//! Web traffic through a tracking router, all in namespaces of its own.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use tracker_tests::demo;
use tracker_tests::net::{Topology, sweep};

/// Prefix of the demo's namespaces: tracker-client, tracker-router, tracker-server.
const PREFIX: &str = "tracker";

#[derive(Parser)]
#[command(
    about = "Real web traffic between three namespaces: a client, a router that tracks, a server"
)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the namespaces tracker-client, tracker-router and tracker-server
    Setup,
    /// Make the traffic, then print what was made
    Run {
        /// How long
        #[arg(long, default_value_t = 15.0)]
        minutes: f64,
        /// Share of the full rate, which is about 40 requests for single pages a second
        #[arg(long, default_value_t = 0.4)]
        load: f64,
        /// Where the random numbers begin
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Remove the namespaces
    Teardown,
}

fn main() -> Result<()> {
    match Args::parse().command {
        Command::Setup => {
            let topology = Topology::create(PREFIX)?;
            topology.track()?;
            topology.cut_marked(demo::CUT)?;
            topology.keep();
        }
        Command::Run {
            minutes,
            load,
            seed,
        } => {
            let length = Duration::try_from_secs_f64(minutes * 60.0)
                .context("--minutes must be a positive number")?;
            ensure!(
                load > 0.0 && load <= 10.0,
                "--load must be above 0 and at most 10"
            );
            let tally = demo::run(&Topology::attach(PREFIX), length, load, seed)?;
            println!("{}", serde_json::to_string(&tally)?);
        }
        Command::Teardown => sweep(PREFIX)?,
    }
    Ok(())
}
