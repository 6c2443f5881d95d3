//! The cases: work in batches, timed.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tracker_user::lab::priority::run_first;
use tracker_user::lab::run::Flusher;

use super::measured::{Measured, Priority, Programs};
use super::programs;
use super::traffic;

/// Batches that are measured, after one that warms up.
pub const BATCHES: u64 = 11;
/// Before each batch everybody else may run, so that what the kernel puts off does not pile up.
const BREATH: Duration = Duration::from_millis(50);

/// One kind of work.
pub struct Case {
    /// Its name, as on the command line.
    pub name: &'static str,
    /// What a unit does.
    pub what: &'static str,
    /// What a unit is.
    pub per: &'static str,
    /// There is a budget on its instructions.
    pub budget: bool,
    /// How its batches are put together.
    batches: Batches,
    /// Makes what the work needs, and gives the work.
    prepare: fn() -> Result<Work>,
}

/// How the batches of a case are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Batches {
    /// Each by itself, after one that warms up; everybody else may run between them. The figure is the median.
    Alike,
    /// One after another without a pause, each with a cost of its own. The figure is the mean.
    Joined,
}

impl Case {
    /// How often it is measured: what the kernel puts off falls into some batch of some rounds.
    pub fn rounds(&self) -> usize {
        match self.batches {
            Batches::Alike => 1,
            Batches::Joined => 5,
        }
    }

    /// Nanoseconds per unit, as a table shows them, from what each round took per unit in each batch.
    pub fn figure(&self, rounds: &[&[f64]]) -> f64 {
        let least = rounds.iter().map(|batches| batches.len()).min();
        let batches = (0..least.unwrap_or(0))
            .map(|batch| median(rounds.iter().map(|batches| batches[batch])));
        match self.batches {
            Batches::Alike => median(batches),
            Batches::Joined => {
                let batches: Vec<f64> = batches.collect();
                batches.iter().sum::<f64>() / batches.len() as f64
            }
        }
    }
}

/// Does one batch.
pub type Work = Box<dyn FnMut() -> Result<Batch>>;

/// How long a batch took, and what it did.
pub struct Batch {
    /// The time, in ns.
    pub ns: u64,
    /// What was done meanwhile.
    pub units: u64,
}

/// All of them. That of whole lives is the last, since it changes a timer for its time.
pub const CASES: &[Case] = &[
    Case {
        name: "udp-flow",
        what: "a UDP flow: socket, bind, send, receive, close",
        per: "flow",
        budget: false,
        batches: Batches::Alike,
        prepare: traffic::udp_flow,
    },
    Case {
        name: "destroy",
        what: "an entry removed by a flush of the table",
        per: "entry",
        budget: false,
        batches: Batches::Alike,
        prepare: traffic::destroy,
    },
    Case {
        name: "udp-packet",
        what: "a further packet of an unanswered UDP flow, in the same tick",
        per: "packet",
        budget: true,
        batches: Batches::Alike,
        prepare: traffic::udp_packet,
    },
    Case {
        name: "udp-packet-later",
        what: "the same, a tick or more after the packet before, on each of 32 flows",
        per: "packet",
        budget: true,
        batches: Batches::Alike,
        prepare: traffic::udp_packet_later,
    },
    Case {
        name: "udp-stream",
        what: "a further packet of an assured UDP stream, in the same tick",
        per: "packet",
        budget: true,
        batches: Batches::Alike,
        prepare: traffic::udp_stream,
    },
    Case {
        name: "udp-stream-later",
        what: "the same, a tick or more after the packet before, on each of 32 flows",
        per: "packet",
        budget: true,
        batches: Batches::Alike,
        prepare: traffic::udp_stream_later,
    },
    Case {
        name: "tcp-packet",
        what: "data and its acknowledgement on a TCP connection, in the same tick",
        per: "packet",
        budget: true,
        batches: Batches::Alike,
        prepare: traffic::tcp_packet,
    },
    Case {
        name: "tcp-packet-later",
        what: "the same, a tick or more after the data before, on each of 32 connections",
        per: "packet",
        budget: true,
        batches: Batches::Alike,
        prepare: traffic::tcp_packet_later,
    },
    Case {
        name: "udp-life",
        what: "a UDP flow in the place of one that has expired: its removal, the insert and one packet",
        per: "flow",
        budget: true,
        batches: Batches::Joined,
        prepare: traffic::udp_life,
    },
];

/// Runs cases, one after another, and measures each.
pub fn run(names: &[String], priority: Priority, programs: Programs) -> Result<Vec<Measured>> {
    let case = |name: &String| {
        CASES
            .iter()
            .find(|case| case.name == name)
            .with_context(|| format!("there is no case {name}"))
    };
    let cases = names.iter().map(case).collect::<Result<Vec<_>>>()?;
    cases
        .into_iter()
        .map(|case| run_one(case, priority, programs).with_context(|| case.name))
        .collect()
}

fn run_one(case: &Case, priority: Priority, programs: Programs) -> Result<Measured> {
    let flushed = Flusher::open().and_then(|it| it.flush());
    flushed.context("the table cannot be emptied")?;
    if priority == Priority::First {
        run_first().context("cannot go before all other processes; this takes root")?;
    }
    let mut work = (case.prepare)()?;
    let mut batch = || {
        if case.batches == Batches::Alike {
            std::thread::sleep(BREATH);
        }
        work()
    };
    let warm_up = match case.batches {
        Batches::Alike => batch()?.units,
        Batches::Joined => 0,
    };
    let before = counted(programs)?;
    let batches = (0..BATCHES).map(|_| batch()).collect::<Result<Vec<_>>>()?;
    let programs = programs::since(&before, counted(programs)?);
    let ns: u64 = batches.iter().map(|batch| batch.ns).sum();
    let units: u64 = batches.iter().map(|batch| batch.units).sum();
    Ok(Measured {
        case: case.name.to_owned(),
        batches: batches.iter().map(Batch::per_unit).collect(),
        mean: ns as f64 / units as f64,
        units,
        made: units + warm_up,
        programs,
        seen: None,
    })
}

fn counted(programs: Programs) -> Result<Vec<programs::Program>> {
    match programs {
        Programs::Ignored => Ok(Vec::new()),
        Programs::Counted => programs::all(),
    }
}

impl Batch {
    /// Does something `units` times without a pause.
    pub fn at_once(units: u64, mut once: impl FnMut() -> Result<()>) -> Result<Self> {
        let start = Instant::now();
        for _ in 0..units {
            once()?;
        }
        Ok(Self {
            ns: nanos(start),
            units,
        })
    }

    /// Does something `units` times, after a pause each, which is not counted. Reading the clock is.
    pub fn paced(
        units: u64,
        pause: Duration,
        mut once: impl FnMut() -> Result<()>,
    ) -> Result<Self> {
        let mut ns = 0;
        for _ in 0..units {
            std::thread::sleep(pause);
            let start = Instant::now();
            once()?;
            ns += nanos(start);
        }
        Ok(Self { ns, units })
    }

    fn per_unit(&self) -> f64 {
        self.ns as f64 / self.units as f64
    }
}

fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// The middle one, or the upper one of two.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(case: &str, rounds: &[&[f64]]) -> f64 {
        let case = CASES.iter().find(|it| it.name == case).unwrap();
        case.figure(rounds)
    }

    fn is(figure: f64, expected: f64) -> bool {
        (figure - expected).abs() < f64::EPSILON
    }

    #[test]
    fn a_batch_that_was_interrupted_does_not_move_the_figure() {
        assert!(is(figure("udp-packet", &[&[3.0, 1.0, 1000.0]]), 3.0));
        // Each round was interrupted, in a batch of its own.
        let rounds: [&[f64]; 3] = [
            &[9.0, 6.0, 1000.0],
            &[1000.0, 6.0, 3.0],
            &[9.0, 1000.0, 3.0],
        ];
        assert!(is(figure("udp-life", &rounds), 6.0));
    }

    #[test]
    fn what_was_not_measured_has_no_figure() {
        for case in ["udp-packet", "udp-life"] {
            assert!(figure(case, &[]).is_nan() && figure(case, &[&[]]).is_nan());
        }
    }
}
