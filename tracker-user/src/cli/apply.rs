//! `tracker apply`.

use std::{
    io::{IsTerminal, Write},
    path::PathBuf,
    time::Duration,
};

use super::{
    Exit, LogLevel,
    exit::UsageError,
    guard::{self, Guarded},
    print, say,
};
use crate::{
    analysis::advice::file::PlanFile,
    apply::{self, ApplyError, Id, Intent, OnFailure, Options, OwnFile, Store, guard::Judging},
    kernel::{
        Root,
        machine::{Machine, Presence},
        owners::Owners,
    },
    report::{self, Style},
    units,
};

/// Arguments.
#[derive(clap::Args)]
pub struct Args {
    /// Plan, as tracker recommend --format json writes it
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    /// Write without a question
    #[arg(long)]
    yes: bool,
    /// Namespaces whose timers are set: names under /run/netns, or paths [default: those of the plan]
    #[arg(long, value_name = "NAME|PATH")]
    netns: Vec<String>,
    /// Change the number of buckets too, which holds all packets up for a moment
    #[arg(long)]
    buckets: bool,
    /// Have the values set at boot as well, by a file of tracker's own in /etc/sysctl.d
    #[arg(long)]
    persist: bool,
    /// Keep watching for so long, and go back if there is harm
    #[arg(long, value_name = "TIME", value_parser = units::parse_duration)]
    guard: Option<Duration>,
    /// Apply a plan that was made for another machine
    #[arg(long)]
    any_machine: bool,
    /// File that remembers the old values [default: /var/lib/tracker/applied.json]
    #[arg(long, value_name = "FILE")]
    state: Option<PathBuf>,
    /// Folder that holds the machine's files
    #[arg(long, value_name = "FOLDER", default_value = "/", hide = true)]
    root: PathBuf,
}

/// Shows what differs, asks, and writes.
pub fn run(args: &Args, log_level: LogLevel) -> anyhow::Result<Exit> {
    let root = Root::at(&args.root);
    let plan = PlanFile::open(&args.plan)?;
    let owners = Owners::find(&root);
    let options = Options {
        netns: args.netns.clone(),
        buckets: args.buckets,
        any_machine: args.any_machine,
    };
    let intent = Intent::of(&root, &plan, &options, &owners)?;
    let machine = Machine::read(&root)?;
    let style = Style::of(&std::io::stdout());
    print(&report::apply::intent(
        &intent,
        machine.possible_cpus,
        &style,
    ))?;
    let is_persisted = args.persist && OwnFile::of(&root, &intent.at_boot)?.is_some();
    if args.guard.is_some() && intent.changes.is_empty() {
        say("There is nothing to guard: no live value is to be written.");
    }
    if intent.changes.is_empty() && !is_persisted {
        return Ok(Exit::Done);
    }
    // What would fail is seen before anything is written, and before anybody is asked.
    let state = args.state.clone().unwrap_or_else(|| Store::usual(&root));
    let applied = applied(&root, &Store::open(&state)?, &intent)?;
    if is_persisted {
        OwnFile::check(&root)?;
        let is_module = Presence::read(&root, &machine) != Presence::BuiltIn;
        for remedy in OwnFile::remedies(&owners.files, &intent.at_boot, &intent.changes, is_module)
        {
            say(&remedy);
        }
    }
    if !args.yes && !is_confirmed()? {
        say("Nothing was written.");
        return Ok(Exit::Done);
    }
    if let Some(length) = args.guard.filter(|_| !intent.changes.is_empty()) {
        return guard::run(&Guarded {
            root_path: &args.root,
            root: &root,
            plan: &plan,
            changes: &intent.changes,
            length,
            state: &state,
            at_boot: is_persisted.then_some(&intent.at_boot),
            log_level,
        });
    }
    let store = Store::open_or_create(&state)?;
    // It may have taken a while to answer.
    let is_as_shown = self::applied(&root, &store, &intent)? == applied
        && Intent::of(&root, &plan, &options, &owners)? == intent;
    if !is_as_shown {
        return Err(ApplyError::Since.into());
    }
    let on_failure = if applied.is_some() {
        OnFailure::KeepLive
    } else {
        apply::apply(&root, &store, intent.changes, Id::new())?;
        OnFailure::UndoAll
    };
    if is_persisted {
        apply::persist(&root, &store, &intent.at_boot, on_failure)?;
    }
    say(&format!(
        "Applied. The old values are in {}: tracker rollback restores them.",
        state.display()
    ));
    Ok(Exit::Done)
}

/// Which plan is applied already, beside which this one can but be set at boot.
fn applied(root: &Root, store: &Store, intent: &Intent) -> Result<Option<Id>, ApplyError> {
    let Some(applied) = store.applied(root)? else {
        return Ok(None);
    };
    if !intent.changes.is_empty() {
        let path = store.path().to_owned();
        return Err(ApplyError::Applied { path });
    }
    Judging::is_over(store)?;
    Ok(Some(applied.id))
}

fn is_confirmed() -> anyhow::Result<bool> {
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        return Err(UsageError(
            "nothing was written: there is no terminal to ask at. Say --yes to write without a question"
                .to_owned(),
        )
        .into());
    }
    let mut stderr = std::io::stderr();
    stderr.write_all(b"Write these values? [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    stdin.read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
