//! The acceptance cases, to be run as root in a guest kernel.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracker_tests::cases::{self, Choice};

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
    without: Vec<String>,
    /// Leave out cases whose name does not begin with this
    #[arg(long, value_name = "PREFIX")]
    only: Option<String>,
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
    let choice = Choice {
        filters: args.filter,
        only: args.only,
        without: args.without,
    };
    if cases::run(&choice).failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
