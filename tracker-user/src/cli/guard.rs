//! `tracker apply --guard`: writes, watches, and keeps what it wrote or goes back.

use std::{path::Path, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::{Exit, LogLevel, live::Live, stop::Stop};
use crate::{
    analysis::advice::file::PlanFile,
    apply::{
        self, ApplyError, Change, OnFailure, Store,
        guard::{DeadMan, Guard},
    },
    kernel::Root,
    report::{self, Style},
    settings::Name,
    source::{
        Source,
        ebpf::{self, Attach, Watch},
    },
    units,
};

/// How often it looks.
const PERIOD: Duration = Duration::from_secs(1);

/// What is guarded.
pub struct Guarded<'a> {
    /// Folder that holds the machine's files.
    pub root_path: &'a Path,
    /// The same.
    pub root: &'a Root,
    /// The plan.
    pub plan: &'a PlanFile,
    /// What is written of it.
    pub changes: &'a [Change],
    /// For how long.
    pub length: Duration,
    /// File that remembers the old values.
    pub state: &'a Path,
    /// What proves good is to be set at boot as well.
    pub persist: bool,
    /// Which diagnostics the programs in the kernel send.
    pub log_level: LogLevel,
}

/// How a guard ends.
enum End {
    /// Nothing was wrong; so many entries or packets were not seen.
    Kept { lost: u64 },
    /// Too much harm, or it cannot be seen any more.
    Back(String),
    /// A signal.
    Interrupted,
    /// Another process went back.
    Elsewhere,
}

/// Writes and watches. Nothing is written where it cannot watch.
pub fn run(guarded: &Guarded<'_>) -> anyhow::Result<Exit> {
    for sentence in Guard::unseen(guarded.changes, guarded.length) {
        eprintln!("{sentence}");
    }
    let mut watch = Watch::start(&ebpf::Options {
        netns: Some(guarded.scope()?),
        max_entries: None,
        pins: Vec::new(),
        attach: Attach::Best,
        log_level: guarded.log_level.into(),
        may_be_idle: false,
        on_room: |room| eprintln!("Taking {room}."),
    })?;
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(guarded.watch_over(&mut watch))
}

impl Guarded<'_> {
    /// The namespaces to watch. The table's size concerns all of them.
    fn scope(&self) -> Result<String, ApplyError> {
        let Some(first) = self.changes.first() else {
            return Ok("all".to_owned());
        };
        let is_one = |it: &Change| it.place == first.place && matches!(it.name, Name::Timer(_));
        if !self.changes.iter().all(is_one) {
            return Ok("all".to_owned());
        }
        let known = first
            .place
            .find(self.root)
            .ok_or_else(|| ApplyError::Gone {
                place: first.place.name.clone(),
            })?;
        Ok(known.path.display().to_string())
    }

    async fn watch_over(&self, watch: &mut impl Source) -> anyhow::Result<Exit> {
        let mut stop = Stop::new()?;
        let mut guard = Guard::new(self.plan, self.changes, &watch.sample()?);
        let dead_man = DeadMan::start(self.root_path, self.state)?;
        apply::apply(
            self.root,
            &Store::open_or_create(self.state)?,
            self.changes.to_vec(),
        )?;
        eprintln!(
            "Applied, and guarded for {}. Ctrl-C goes back.",
            units::duration(self.length)
        );
        let end = self.wait(watch, &mut guard, &mut stop).await;
        let exit = self.settle(end)?;
        // Only now is everything as it is to be.
        if dead_man.dismiss().is_err() {
            log::warn!("the process that goes back if the guard ends early had ended before it");
        }
        Ok(exit)
    }

    async fn wait(&self, watch: &mut impl Source, guard: &mut Guard, stop: &mut Stop) -> End {
        let start = Instant::now();
        let deadline = start + self.length;
        let mut live = Live::new(Some(self.length));
        let mut ticks = interval_at(start + PERIOD, PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let is_over = tokio::select! {
                biased;
                _ = stop.next() => break End::Interrupted,
                () = sleep_until(deadline) => true,
                _ = ticks.tick() => false,
            };
            if !self.state.exists() {
                break End::Elsewhere;
            }
            let sample = match watch.sample() {
                Ok(sample) => sample,
                Err(error) => break End::Back(error.to_string()),
            };
            live.show(&sample);
            if let Some(harm) = guard.look(&sample) {
                break End::Back(harm.to_string());
            }
            if is_over {
                live.end();
                break End::Kept {
                    lost: guard.lost(&sample),
                };
            }
        }
    }

    fn settle(&self, end: End) -> anyhow::Result<Exit> {
        let (said, exit) = match end {
            End::Kept { lost } => return self.keep(lost),
            End::Elsewhere => {
                eprintln!("Another tracker has ended this: there is nothing left to guard.");
                return Ok(Exit::Failed);
            }
            End::Interrupted => ("Interrupted".to_owned(), Exit::INTERRUPTED),
            End::Back(why) => (why, Exit::Failed),
        };
        eprintln!("Going back: {said}.");
        let store = Store::open(self.state)?;
        let Some(outcome) = apply::roll_back(self.root, &store, false)? else {
            return Ok(exit);
        };
        let style = Style::of(&std::io::stderr());
        eprint!("{}", report::apply::outcome(&outcome, &style));
        Ok(if outcome.is_whole() {
            exit
        } else {
            Exit::Losses
        })
    }

    fn keep(&self, lost: u64) -> anyhow::Result<Exit> {
        if self.persist {
            apply::persist(self.root, &Store::open(self.state)?, OnFailure::KeepLive)?;
        }
        eprintln!(
            "Kept: nothing passed the plan's bounds in {}. tracker rollback restores the old values.",
            units::duration(self.length)
        );
        if lost == 0 {
            return Ok(Exit::Done);
        }
        eprintln!(
            "The watch did not see {}, nor harm among them.",
            units::plural(lost, "entry or packet", "entries or packets")
        );
        Ok(Exit::Losses)
    }
}
