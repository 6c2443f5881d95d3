//! `tracker apply --guard`: writes, watches, and keeps what it wrote or goes back.

use std::{collections::BTreeMap, path::Path, time::Duration};

use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::{Exit, LogLevel, live::Live, say, stop::Stop};
use crate::{
    analysis::advice::file::PlanFile,
    apply::{
        self, ApplyError, Change, Id, OnFailure, Remembered, Store, Whose,
        guard::{DeadMan, Guard, Judging},
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
    /// What is to be set at boot as well, if it proves good.
    pub at_boot: Option<&'a BTreeMap<Name, u64>>,
    /// Which diagnostics the programs in the kernel send.
    pub log_level: LogLevel,
}

/// How a guard ends.
enum End {
    /// No harm was seen; so many entries or packets were not.
    Kept { lost: u64 },
    /// Too much harm, or it cannot be seen any more.
    Back(String),
    /// A signal.
    Interrupted,
    /// Another process went back, or keeps the values for good.
    Elsewhere,
}

/// Writes and watches. Nothing is written where it cannot watch.
pub fn run(guarded: &Guarded<'_>) -> anyhow::Result<Exit> {
    for sentence in Guard::unseen(guarded.changes, guarded.length) {
        say(&sentence);
    }
    let mut watch = Watch::start(&ebpf::Options {
        netns: Some(guarded.scope()?),
        max_entries: guarded.room(),
        pins: Vec::new(),
        attach: Attach::Best,
        log_level: guarded.log_level.into(),
        may_be_idle: false,
        on_room: |room| say(&format!("Taking {room}.")),
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

    /// Entries to have room for, where the table gets larger than it is.
    fn room(&self) -> Option<u32> {
        let mut changes = self.changes.iter();
        let max = changes.find(|it| it.name == Name::Max && it.after > it.before)?;
        u32::try_from(max.after).ok()
    }

    async fn watch_over(&self, watch: &mut impl Source) -> anyhow::Result<Exit> {
        let blind = |why: String| ApplyError::Blind(why);
        let mut stop = Stop::new()?;
        let start = watch
            .sample()
            .map_err(|it| blind(format!("{it}. Mend that, or apply without --guard")))?;
        Guard::can_see(self.changes, &start).map_err(blind)?;
        let mut guard = Guard::new(self.plan, self.changes, &start);
        let id = Id::new();
        let mut dead_man = DeadMan::start(self.root_path, self.state, &id)?;
        let store = Store::open_or_create(self.state)?;
        let remembered = apply::apply(self.root, &store, self.changes.to_vec(), id)?;
        let _judging = Judging::begin(&store)?;
        drop(store);
        say(&format!(
            "Applied, and guarded for {}. Ctrl-C goes back.",
            units::duration(self.length)
        ));
        let mut wait = Wait {
            guarded: self,
            id: &remembered.id,
            guard: &mut guard,
            dead_man: &mut dead_man,
        };
        let end = wait.until_end(watch, &mut stop).await;
        self.settle(end, &remembered, &mut dead_man)
    }

    /// Goes back, or does not. Only when everything is as it is to be, the other process is dismissed.
    fn settle(
        &self,
        end: End,
        remembered: &Remembered,
        dead_man: &mut DeadMan,
    ) -> anyhow::Result<Exit> {
        // Nobody waits for the file while this waits for who reads it.
        match &end {
            End::Back(why) => say(&format!("Going back: {why}.")),
            End::Interrupted => say("Going back: Interrupted."),
            End::Kept { .. } | End::Elsewhere => {}
        }
        // Held until the other process is dismissed, so that it does not take this for a hang.
        let store = Store::open(self.state)?;
        let end = match end {
            End::Elsewhere => End::Elsewhere,
            end if store.reclaim(remembered)? => end,
            _ => End::Elsewhere,
        };
        match end {
            End::Kept { lost } => self.keep(lost, &remembered.changes, store, dead_man),
            End::Back(_) => self.go_back(store, dead_man, Exit::Failed),
            End::Interrupted => self.go_back(store, dead_man, Exit::INTERRUPTED),
            End::Elsewhere => {
                dismiss(dead_man);
                drop(store);
                say("Somebody else has ended this: there is nothing left to guard.");
                Ok(Exit::Failed)
            }
        }
    }

    fn go_back(&self, store: Store, dead_man: &mut DeadMan, exit: Exit) -> anyhow::Result<Exit> {
        let outcome = match apply::roll_back(self.root, &store, false) {
            Ok(outcome) => outcome,
            // The other process tries as well.
            Err(error) => {
                say(&format!("tracker: {error}"));
                return Ok(Exit::Failed);
            }
        };
        dismiss(dead_man);
        drop(store);
        if let Some(outcome) = outcome {
            let style = Style::of(&std::io::stderr());
            say(&report::apply::outcome(&outcome, &style));
        }
        // That it went back is what whoever waits for it must know, also where somebody else's value stays.
        Ok(exit)
    }

    fn keep(
        &self,
        lost: u64,
        changes: &[Change],
        store: Store,
        dead_man: &mut DeadMan,
    ) -> anyhow::Result<Exit> {
        // What was set to something else meanwhile has not been judged, so nothing is to be set at boot.
        let drifted = apply::drifted(self.root, changes)?;
        let at_boot = self.at_boot.filter(|_| drifted.is_empty());
        let persisted = at_boot.map_or(Ok(()), |at_boot| {
            apply::persist(self.root, &store, at_boot, OnFailure::KeepLive)
        });
        dismiss(dead_man);
        drop(store);
        if drifted.is_empty() {
            say(&format!(
                "Kept: nothing passed the plan's bounds in {}. tracker rollback restores the old values.",
                units::duration(self.length)
            ));
        } else {
            let style = Style::of(&std::io::stderr());
            say(&report::apply::drifted(&drifted, changes, &style));
        }
        if lost > 0 {
            say(&format!(
                "The watch did not see {}, nor harm among them.",
                units::plural(lost, "entry or packet", "entries or packets")
            ));
        }
        persisted?;
        Ok(if lost == 0 && drifted.is_empty() {
            Exit::Done
        } else {
            Exit::Losses
        })
    }
}

fn dismiss(dead_man: &mut DeadMan) {
    if let Err(error) = dead_man.dismiss() {
        log::warn!("the process that goes back if the guard ends early is gone: {error}");
    }
}

/// A guard under way.
struct Wait<'a> {
    guarded: &'a Guarded<'a>,
    id: &'a Id,
    guard: &'a mut Guard,
    dead_man: &'a mut DeadMan,
}

impl Wait<'_> {
    async fn until_end(&mut self, watch: &mut impl Source, stop: &mut Stop) -> End {
        let start = Instant::now();
        let deadline = start + self.guarded.length;
        let mut live = Live::new(Some(self.guarded.length));
        let mut ticks = interval_at(start + PERIOD, PERIOD);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let is_over = tokio::select! {
                biased;
                _ = stop.next() => break End::Interrupted,
                () = sleep_until(deadline) => true,
                _ = ticks.tick() => false,
            };
            if let Some(end) = self.ended_elsewhere() {
                break end;
            }
            let sample = match watch.sample() {
                Ok(sample) => sample,
                Err(error) => break End::Back(error.to_string()),
            };
            live.show(&sample);
            if let Some(harm) = self.guard.look(&sample) {
                break End::Back(harm.to_string());
            }
            // Of what is not there any more nothing is left to judge.
            if is_over || apply::is_undone(self.guarded.root, self.guarded.changes) {
                live.end();
                break End::Kept {
                    lost: self.guard.lost(&sample),
                };
            }
        }
    }

    /// The end, if there is nothing more to guard, or nobody who would go back if this process died.
    fn ended_elsewhere(&mut self) -> Option<End> {
        match Store::whose(self.guarded.state, self.id) {
            Whose::Its => {}
            Whose::NotIts => return Some(End::Elsewhere),
            Whose::Unknown(error) => return Some(End::Back(error.to_string())),
        }
        let gone = self.dead_man.reassure().err()?;
        Some(End::Back(format!(
            "the process that goes back if the guard ends early is gone ({gone})"
        )))
    }
}
