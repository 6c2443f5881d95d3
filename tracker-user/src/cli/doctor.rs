//! `tracker doctor`.

use std::path::PathBuf;

use super::{Exit, LogLevel, print};
use crate::{
    doctor::{Checkup, Trial},
    kernel::Root,
    report::{self, Style},
    source::{
        Source,
        ebpf::{Attach, Options, Watch},
    },
};

/// Room for entries while it is tried whether a watch can begin: nothing is followed.
const FEW: u32 = 64;

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Folder that holds a machine's files, where nothing is tried [default: this machine]
    #[arg(long, value_name = "FOLDER", hide = true)]
    root: Option<PathBuf>,
}

/// Prints what this machine offers.
pub fn run(args: &Args, log_level: LogLevel) -> anyhow::Result<Exit> {
    let (root, trial) = match &args.root {
        Some(folder) => (Root::at(folder), None),
        None => (Root::machine(), attempt(log_level)),
    };
    let checkup = Checkup::of(&root, trial)?;
    print(&if args.json {
        report::doctor::json(&checkup)
    } else {
        report::doctor::table(&checkup, &Style::of(&std::io::stdout()))
    })?;
    Ok(if checkup.can_observe {
        Exit::Done
    } else {
        Exit::CannotObserve
    })
}

/// Begins a watch, and ends it at once.
fn attempt(log_level: LogLevel) -> Trial {
    let watch = Watch::start(&Options {
        netns: None,
        max_entries: Some(FEW),
        pins: Vec::new(),
        attach: Attach::Best,
        log_level: log_level.into(),
        may_be_idle: true,
        on_room: |_| (),
    });
    let hooks = watch.map(|watch| watch.description().hooks.clone());
    Some(hooks.map_err(|error| error.to_string()))
}
