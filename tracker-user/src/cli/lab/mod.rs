//! `tracker lab`.

mod list;
mod prove;
mod run;
mod scenario;
mod show;

pub use scenario::WantedArgs;

use super::Exit;

/// What the lab is to do.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Say which scenarios there are
    List(list::Args),
    /// Print a built-in scenario's file, to begin one's own with
    Show(show::Args),
    /// Make a scenario of a recording: connections like those that were seen
    Scenario(scenario::Args),
    /// Make a scenario's traffic, exact to the packet, and tell the truth about it
    Run(run::Args),
    /// Play a scenario under today's settings and under a plan's, and say whether the plan holds
    Prove(prove::Args),
}

/// Does it.
pub fn run(command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(args) => list::run(args),
        Command::Show(args) => show::run(args),
        Command::Scenario(args) => scenario::run(args),
        Command::Run(args) => run::run(args),
        Command::Prove(args) => prove::run(args),
    }
}
