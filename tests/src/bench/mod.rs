//! What watching costs, in instructions.
//!
//! Made for a guest whose clock advances by one nanosecond for each instruction that its only CPU executes, and jumps
//! when that CPU is idle: there a time is a number of instructions, and the same run gives the same number. Every cost
//! is a difference of two runs of the same work, one of them watched. The watched run is the command of
//! `tracker profile -- CMD`, so it begins when the hooks are in place and ends before they go.

mod flush;
mod observer;
mod place;
mod programs;
mod report;
mod traffic;
mod user;
mod work;

use std::path::Path;

use anyhow::{Context, Result};

pub use report::{Priority, Programs, Report};
pub use user::{started, watch_parent};
pub use work::run;

use crate::net::tool;
use observer::{Observer, measure};
use report::{Cost, Runs, Whole};

/// Work for which the whole machine's cost is compared too, reading user space included.
const WHOLE: &str = "udp-flow";

/// Measures everything; without a `tracker`, only what goes without it.
pub fn all(tracker: Option<&Path>) -> Result<Report> {
    place::prepare()?;
    let mut report = Report::default();
    for case in work::CASES {
        eprintln!("vm-bench: {}", case.name);
        let first = |observer| measure(&observer, case.name, Priority::First, Programs::Ignored);
        report.costs.push(Cost {
            name: case.name,
            what: case.what,
            per: case.per,
            unobserved: first(Observer::Nobody)?.median,
            tracker: tracker
                .map(|path| first(Observer::Tracker(path)).map(|measured| measured.median))
                .transpose()?,
        });
    }
    report.whole = whole(tracker)?;
    if let Some(path) = tracker {
        for case in work::CASES {
            eprintln!("vm-bench: {} by program", case.name);
            report.programs.extend(programs(path, case.name)?);
        }
        eprintln!("vm-bench: user space");
        report.user = Some(user::measure(path)?);
    }
    Ok(report)
}

/// The work at normal priority, so that what the observer does in user space is part of the time.
fn whole(tracker: Option<&Path>) -> Result<Vec<Whole>> {
    eprintln!("vm-bench: {WHOLE} with all that it causes");
    let conntrack = tool("conntrack").ok();
    let observers = std::iter::once(Observer::Nobody)
        .chain(tracker.map(Observer::Tracker))
        .chain(conntrack.as_ref().map(Observer::Conntrack));
    observers
        .map(|observer| {
            let measured = measure(&observer, WHOLE, Priority::Normal, Programs::Ignored)?;
            Ok(Whole {
                observer: observer.name(),
                mean: measured.mean,
                made: measured.made,
                seen: measured.seen,
            })
        })
        .collect()
}

/// What the kernel's own statistics say of the programs during a case.
fn programs(tracker: &Path, case: &'static str) -> Result<Vec<Runs>> {
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
        .map(|program| Runs::of(case, program, measured.units))
        .collect())
}
