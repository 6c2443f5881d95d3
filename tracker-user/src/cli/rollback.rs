//! `tracker rollback`.

use std::path::PathBuf;

use super::{Exit, print, stop};
use crate::{
    apply::{self, Store, guard},
    kernel::Root,
    report::{self, Style},
};

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// Restore also what somebody else has changed since
    #[arg(long)]
    force: bool,
    /// Keep what was applied for good: forget the old values
    #[arg(long, conflicts_with = "force")]
    forget: bool,
    /// File that remembers the old values [default: /var/lib/tracker/applied.json]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Folder that holds the machine's files
    #[arg(long, value_name = "FOLDER", default_value = "/", hide = true)]
    root: PathBuf,
    /// Go back at the end of stdin, unless dismissed
    #[arg(long, hide = true)]
    dead_man: bool,
}

/// Restores the old values.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    if args.dead_man {
        stop::ignore()?;
        if guard::is_dismissed() {
            return Ok(Exit::Done);
        }
    }
    let root = Root::at(&args.root);
    let path = args.state.clone().unwrap_or_else(|| Store::usual(&root));
    let store = Store::open(&path)?;
    if args.forget {
        let said = if apply::forget(&root, &store)? {
            "The applied values stay, and the old ones are forgotten."
        } else {
            "No plan is applied."
        };
        print(said)?;
        return Ok(Exit::Done);
    }
    let Some(outcome) = apply::roll_back(&root, &store, args.force)? else {
        if !args.dead_man {
            print(&format!(
                "No plan is applied: there is no {}.",
                path.display()
            ))?;
        }
        return Ok(Exit::Done);
    };
    if args.dead_man {
        eprintln!("tracker: the guard has ended early, so its change is taken back:");
        eprint!("{}", report::apply::outcome(&outcome, &Style::default()));
    } else {
        print(&report::apply::outcome(
            &outcome,
            &Style::of(&std::io::stdout()),
        ))?;
    }
    Ok(if outcome.is_whole() {
        Exit::Done
    } else {
        Exit::Losses
    })
}
