//! `tracker lab show`.

use crate::{
    cli::{Exit, print},
    lab::scenario::{BUILTIN, ScenarioError},
};

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// A name of `tracker lab list`
    name: String,
}

/// Prints a built-in scenario's file, to begin one's own with.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let found = BUILTIN.iter().find(|it| it.name == args.name);
    let builtin = found.ok_or_else(|| ScenarioError::Unknown(args.name.clone()))?;
    print(builtin.text)?;
    Ok(Exit::Done)
}
