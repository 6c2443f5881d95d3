//! What watching costs, in instructions.
//!
//! Made for a guest whose clock advances by one nanosecond for each instruction that its only CPU executes, and jumps
//! when that CPU is idle: there a time is a number of instructions, and the same run gives the same number. Every cost
//! is a difference of two runs of the same work, one of them watched. The watched run is the command of
//! `tracker profile -- CMD`, so it begins when the hooks are in place and ends before they go.

mod flush;
mod measured;
mod observer;
mod place;
mod programs;
mod report;
mod traffic;
mod user;
mod work;

use std::path::Path;

use anyhow::{Context, Result};

pub use measured::{Priority, Programs};
pub use report::Report;
pub use user::{started, watch_parent};
pub use work::run;

use crate::net::tool;
use observer::{Observer, measure};
use report::{Cost, Runs, Whole};
use work::Case;

/// Work for which the whole machine's cost is compared too, reading user space included.
const WHOLE: &str = "udp-flow";

/// Measures everything.
pub fn all(tracker: &Path) -> Result<Report> {
    place::prepare()?;
    let costs = each_case("", |case| cost(tracker, case))?;
    let whole = whole(tracker)?;
    let programs = each_case(" by program", |case| programs(tracker, case.name))?;
    eprintln!("vm-bench: user space");
    Ok(Report {
        costs,
        whole,
        programs: programs.into_iter().flatten().collect(),
        user: user::measure(tracker)?,
    })
}

/// Measures something of each case.
fn each_case<T>(how: &str, measure: impl Fn(&Case) -> Result<T>) -> Result<Vec<T>> {
    work::CASES
        .iter()
        .map(|case| {
            eprintln!("vm-bench: {}{how}", case.name);
            measure(case)
        })
        .collect()
}

/// A case alone, and watched.
fn cost(tracker: &Path, case: &Case) -> Result<Cost> {
    let median = |observer| -> Result<f64> {
        Ok(measure(&observer, case.name, Priority::First, Programs::Ignored)?.median)
    };
    Ok(Cost {
        name: case.name.to_owned(),
        what: case.what.to_owned(),
        per: case.per.to_owned(),
        unobserved: median(Observer::Nobody)?,
        tracker: median(Observer::Tracker(tracker))?,
    })
}

/// The work at normal priority, so that what the observer does in user space is part of the time.
fn whole(tracker: &Path) -> Result<Vec<Whole>> {
    eprintln!("vm-bench: {WHOLE} with all that it causes");
    let conntrack = tool("conntrack").ok();
    let observers = [Observer::Nobody, Observer::Tracker(tracker)]
        .into_iter()
        .chain(conntrack.as_ref().map(Observer::Conntrack));
    observers
        .map(|observer| {
            let measured = measure(&observer, WHOLE, Priority::Normal, Programs::Ignored)?;
            Ok(Whole {
                observer: observer.name().to_owned(),
                mean: measured.mean,
                made: measured.made,
                seen: measured.seen,
            })
        })
        .collect()
}

/// What the kernel's own statistics say of the programs during a case.
fn programs(tracker: &Path, case: &str) -> Result<Vec<Runs>> {
    place::statistics(true)?;
    let measured = measure(
        &Observer::Tracker(tracker),
        case,
        Priority::First,
        Programs::Counted,
    );
    place::statistics(false)?;
    let measured = measured.with_context(|| format!("{case} with statistics"))?;
    Ok(measured
        .programs
        .iter()
        .map(|program| program.during(case, measured.units))
        .collect())
}
