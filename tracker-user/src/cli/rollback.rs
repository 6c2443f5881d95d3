//! `tracker rollback`.

use std::path::{Path, PathBuf};

use super::{Exit, print, say, stop};
use crate::{
    apply::{self, Id, Outcome, Store, Whose, guard::Vigil},
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
    /// Go back from what has this id at the end of stdin, unless dismissed
    #[arg(long, value_name = "ID", hide = true)]
    dead_man: Option<Id>,
}

/// Restores the old values.
pub fn run(args: &Args) -> anyhow::Result<Exit> {
    let root = Root::at(&args.root);
    let path = args.state.clone().unwrap_or_else(|| Store::usual(&root));
    if let Some(id) = &args.dead_man {
        return wait(&root, &path, id);
    }
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
        print(&format!(
            "No plan is applied: there is no {}.",
            path.display()
        ))?;
        return Ok(Exit::Done);
    };
    print(&report::apply::outcome(
        &outcome,
        &Style::of(&std::io::stdout()),
    ))?;
    Ok(status(&outcome))
}

/// What a guard leaves behind: goes back if it ends without having said that it need not, or says nothing.
fn wait(root: &Root, path: &Path, id: &Id) -> anyhow::Result<Exit> {
    stop::ignore()?;
    let mut vigil = Vigil::begin()?;
    if vigil.is_dismissed() {
        return Ok(Exit::Done);
    }
    // Whoever holds it may be the guard, about to end well.
    let store = Store::open(path)?;
    if vigil.was_dismissed() || matches!(Store::whose(path, id), Whose::NotIts) {
        return Ok(Exit::Done);
    }
    let Some(outcome) = apply::roll_back(root, &store, false)? else {
        return Ok(Exit::Done);
    };
    say("tracker: the guard has ended early, or hangs, so its change is taken back:");
    say(&report::apply::outcome(&outcome, &Style::default()));
    Ok(status(&outcome))
}

fn status(outcome: &Outcome) -> Exit {
    if outcome.is_whole() {
        Exit::Done
    } else {
        Exit::Losses
    }
}
