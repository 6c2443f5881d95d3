//! `tracker lab`.

mod run;
mod signals;

use super::Exit;

/// What the lab is to do.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Make a scenario's traffic, exact to the packet, and tell the truth about it
    Run(run::Args),
}

/// Does it.
pub fn run(command: &Command) -> anyhow::Result<Exit> {
    match command {
        Command::Run(args) => run::run(args),
    }
}
