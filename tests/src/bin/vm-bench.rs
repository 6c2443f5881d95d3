//! What watching costs, to be run as root in a guest whose clock counts instructions.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use serde::Serialize;
use tracker_tests::bench::{self, Priority, Programs};

#[derive(Parser)]
#[command(
    about = "Measures what watching costs, and prints it as JSON",
    args_conflicts_with_subcommands = true
)]
struct Args {
    /// The program that watches
    #[arg(long, default_value = "/usr/bin/tracker")]
    tracker: PathBuf,
    /// Only what the budgets on instructions need
    #[arg(long)]
    budgets: bool,
    /// Also with kprobes alone
    #[arg(long)]
    kprobes: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// Run and time cases
    #[command(hide = true)]
    Run {
        cases: Vec<String>,
        #[arg(long, default_value = "first")]
        priority: Priority,
        #[arg(long, default_value = "ignored")]
        programs: Programs,
    },
    /// Tell how long ago an instant of the monotonic clock was, in ns
    #[command(hide = true)]
    Started { since: u64 },
    /// Tell what the parent process takes in so many seconds, beside so many new flows a second
    #[command(hide = true)]
    WatchParent { seconds: u32, flows: u32 },
}

fn main() -> Result<()> {
    let Args {
        tracker,
        budgets,
        kprobes,
        part,
    } = Args::parse();
    match part {
        None if budgets => print(&bench::budgets(&tracker, kprobes)?),
        None => print(&bench::all(&tracker, kprobes)?),
        Some(Part::Run {
            cases,
            priority,
            programs,
        }) => print(&bench::run(&cases, priority, programs)?),
        Some(Part::Started { since }) => print(&bench::started(since)?),
        Some(Part::WatchParent { seconds, flows }) => print(&bench::watch_parent(seconds, flows)?),
    }
}

fn print(value: &impl Serialize) -> Result<()> {
    println!("{}", serde_json::to_string(value)?);
    Ok(())
}
