//! The acceptance cases, to be run as root in a guest kernel.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracker_tests::cases;

#[derive(Parser)]
#[command(
    about = "Runs tracker around known traffic and compares all that it reports",
    args_conflicts_with_subcommands = true
)]
struct Args {
    /// Only cases whose name contains one of these
    filter: Vec<String>,
    /// Leave out cases whose name begins with this
    #[arg(long, value_name = "PREFIX")]
    without: Option<String>,
    /// Print the cases' names and do nothing
    #[arg(long)]
    list: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Subcommand)]
enum Part {
    /// Make the traffic of a case, in its topology, and write down the truth
    #[command(hide = true)]
    Traffic {
        /// The case
        name: String,
    },
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(Part::Traffic { name }) = args.part {
        return match cases::traffic(&name) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("vm-cases: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
    if args.list {
        for case in cases::all() {
            println!("{}", case.name);
        }
        return ExitCode::SUCCESS;
    }
    if cases::run(&args.filter, args.without.as_deref()).failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
