//! One play of a scenario, looked on.

use std::{path::Path, sync::Arc, thread, time::Instant};

use tracker_common::Reason;

use super::{ProofError, Terms, onlook::Onlooker};
use crate::lab::{
    clock::Clock,
    control::Control,
    net::{Size, Topology},
    run::{self, Options},
    scenario::{Overrides, Scenario},
    truth::{About, Truth, TruthFile},
};

/// How a scenario is played.
#[derive(Debug)]
pub struct Play<'a> {
    /// The same seed gives the same connections.
    pub seed: u64,
    /// What is looked at.
    pub terms: &'a Terms,
    /// Where files may be left.
    pub folder: &'a Path,
    /// Ends it early.
    pub control: &'a Arc<Control>,
}

/// What came of a play.
#[derive(Clone, Debug)]
pub struct Played {
    /// Entries in the table after the warm-up, sampled.
    pub counts: Vec<u64>,
    /// What the scripts know of their connections.
    pub truth: TruthFile,
    /// How often the kernel did not take an entry, or evicted one.
    pub refused: u64,
    /// Packets that did not reach the router, or that somebody else sent there.
    pub astray: u64,
}

impl Play<'_> {
    /// Plays until the scenario's duration is over, and no less if its last packet comes earlier:
    /// connections that would go on are left. A watch, if there is to be one, goes into this recording.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn run(&self, scenario: &Scenario, watch: Option<&Path>) -> Result<Played, ProofError> {
        let all = Overrides::default();
        let mut traffic = scenario.traffic(self.seed, &all)?;
        let mut settings = scenario.settings(&all)?;
        // The table is as large as it is said to be, whether all that ever comes has room in it or not.
        settings.max = scenario.max.map(Size::Exactly);
        let topology = Topology::create(&settings)?;
        let about = About {
            scenario: scenario.name.clone(),
            seed: self.seed,
            jiffy_s: Clock::calibrate()?.jiffy_s(),
        };
        let mut truth = Truth::new(about, |timer| scenario.seconds(timer, &topology.router));
        let onlooker = Onlooker {
            router: &topology.router,
            terms: self.terms,
            watch,
            folder: self.folder,
        };
        let over = Control::default();
        let started = Instant::now();
        let (report, counts) = thread::scope(|scope| {
            let looking = scope.spawn(|| {
                let seen = onlooker.look(&over);
                if seen.is_err() {
                    self.control.stop();
                }
                seen
            });
            let mut seen = None;
            let report = run::run_and_look(
                &topology,
                traffic
                    .by_ref()
                    .take_while(|due| due.at < scenario.duration),
                &mut truth,
                &Options {
                    threads: 1,
                    settle: None,
                },
                self.control,
                || {
                    let left = scenario.duration.saturating_sub(started.elapsed());
                    // Whether it was asked to stop is in the report.
                    let _ = self.control.wait(left);
                    over.stop();
                    seen = Some(looking.join());
                },
            );
            // Where it failed before it sent anything, nobody has looked.
            over.stop();
            (report, seen)
        });
        let report = report?;
        let counts = match counts {
            Some(Ok(counts)) => counts?,
            Some(Err(panic)) => std::panic::resume_unwind(panic),
            None => return Err(ProofError::Short),
        };
        if report.is_stopped() {
            return Err(ProofError::Interrupted);
        }
        let mut truth = truth.report(report.end());
        for (&cut, &connections) in traffic.cuts() {
            truth.tally.cut(cut, connections);
        }
        Ok(Played {
            counts,
            truth,
            refused: report.refused(),
            astray: report.lost() + report.foreign(),
        })
    }
}

impl Played {
    /// Entries at the end, over the last tenth of the samples.
    #[must_use]
    pub fn left(&self) -> f64 {
        let last = &self.counts[self.counts.len() - self.counts.len().div_ceil(10)..];
        last.iter().sum::<u64>() as f64 / last.len().max(1) as f64
    }

    /// Mean of the samples.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.counts.iter().sum::<u64>() as f64 / self.counts.len().max(1) as f64
    }

    /// The highest sample.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.counts.iter().copied().max().unwrap_or(0)
    }

    /// Entries that died while packets were sent, of whatever but the end of the play.
    #[must_use]
    pub fn deaths(&self) -> u64 {
        let deaths = self.truth.tally.deaths.iter();
        let own = deaths.filter(|((_, reason), _)| *reason != Reason::Deleted);
        own.map(|(_, count)| count).sum()
    }
}
