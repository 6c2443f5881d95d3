//! What watching costs, in instructions.
//!
//! Made for a guest whose clock advances by one nanosecond for each instruction that its only CPU executes, and jumps
//! when that CPU is idle: there a time is a number of instructions, and the same run gives the same number. Every cost
//! is a difference of two runs of the same work, one of them watched. The watched run is the command of
//! `tracker profile -- CMD`, so it begins when the hooks are in place and ends before they go.

mod measured;
mod observer;
mod place;
mod programs;
mod report;
mod traffic;
mod user;
mod work;

use std::iter::repeat_n;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

pub use measured::{Priority, Programs};
pub use report::Report;
pub use user::{started, watch_parent};
pub use work::run;

use crate::net::tool;
use measured::Measured;
use observer::{Hooks, Observer, measure};
use report::{Cost, Runs, Whole};
use work::Case;

/// Work for which the whole machine's cost is compared too, reading user space included.
const WHOLE: &str = "udp-flow";
/// As many entries as take a minute to make in a guest.
const FLOOD: [&str; 3] = ["bench", "--duration", "2s"];

/// Measures everything.
pub fn all(tracker: &Path, kprobes: bool) -> Result<Report> {
    place::prepare()?;
    let cases: Vec<&Case> = work::CASES.iter().collect();
    let costs = costs(tracker, &cases, kprobes)?;
    let whole = whole(tracker)?;
    let mut programs = programs(tracker, Hooks::Best)?;
    if kprobes {
        programs.extend(self::programs(tracker, Hooks::Kprobes)?);
    }
    eprintln!("vm-bench: tracker bench");
    let flood = Some(flood(tracker)?);
    eprintln!("vm-bench: user space");
    Ok(Report {
        costs,
        whole,
        flood,
        programs,
        user: Some(user::measure(tracker)?),
    })
}

/// Measures what the budgets on instructions need.
pub fn budgets(tracker: &Path, kprobes: bool) -> Result<Report> {
    place::prepare()?;
    let cases: Vec<&Case> = work::CASES.iter().filter(|case| case.budget).collect();
    Ok(Report {
        costs: costs(tracker, &cases, kprobes)?,
        whole: Vec::new(),
        flood: None,
        programs: Vec::new(),
        user: None,
    })
}

/// Cases alone, and watched: all under one watch, for tracker's start takes longer than a case.
fn costs(tracker: &Path, cases: &[&Case], kprobes: bool) -> Result<Vec<Cost>> {
    let rounds = cases.iter().map(|case| repeat_n(case.name, case.rounds()));
    let names: Vec<&str> = rounds.flatten().collect();
    let figures = |observer: &Observer, how: &str| -> Result<Vec<f64>> {
        eprintln!("vm-bench: {} cases {how}", cases.len());
        let measured = measure(observer, &names, Priority::First, Programs::Ignored)?;
        let of_case = |case: &&Case| {
            let rounds = measured.iter().filter(|it| it.case == case.name);
            let batches: Vec<&[f64]> = rounds.map(|it| it.batches.as_slice()).collect();
            case.figure(&batches)
        };
        Ok(cases.iter().map(of_case).collect())
    };
    let alone = figures(&Observer::Nobody, "unobserved")?;
    let watched = figures(&Observer::Tracker(tracker, Hooks::Best), "watched")?;
    let probed = if kprobes {
        let observer = Observer::Tracker(tracker, Hooks::Kprobes);
        figures(&observer, "watched by kprobes")?
    } else {
        Vec::new()
    };
    let rows = cases.iter().zip(alone).zip(watched).enumerate();
    Ok(rows
        .map(|(place, ((case, unobserved), tracker))| Cost {
            name: case.name.to_owned(),
            what: case.what.to_owned(),
            per: case.per.to_owned(),
            unobserved,
            tracker,
            kprobes: probed.get(place).copied(),
        })
        .collect())
}

/// The work at normal priority, so that what the observer does in user space is part of the time.
fn whole(tracker: &Path) -> Result<Vec<Whole>> {
    eprintln!("vm-bench: {WHOLE} with all that it causes");
    let conntrack = tool("conntrack").ok();
    let observers = [Observer::Nobody, Observer::Tracker(tracker, Hooks::Best)]
        .into_iter()
        .chain(conntrack.as_ref().map(Observer::Conntrack));
    let mut rows = Vec::new();
    for observer in observers {
        for measured in measure(&observer, &[WHOLE], Priority::Normal, Programs::Ignored)? {
            rows.push(Whole {
                observer: observer.name().to_owned(),
                mean: measured.mean,
                made: measured.made,
                seen: measured.seen,
            });
        }
    }
    Ok(rows)
}

/// The flood that `tracker bench` sends, under each observer.
fn flood(tracker: &Path) -> Result<String> {
    let done = Command::new(tracker).args(FLOOD).output()?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!(
            "tracker {} ended with {}: {said}",
            FLOOD.join(" "),
            done.status
        );
    }
    Ok(String::from_utf8(done.stdout)?)
}

/// What the kernel's own statistics say of the programs in each case.
fn programs(tracker: &Path, hooks: Hooks) -> Result<Vec<Runs>> {
    eprintln!("vm-bench: by program, {hooks:?}");
    let names: Vec<&str> = work::CASES.iter().map(|case| case.name).collect();
    let observer = Observer::Tracker(tracker, hooks);
    place::statistics(true)?;
    let measured = measure(&observer, &names, Priority::First, Programs::Counted);
    place::statistics(false)?;
    let measured = measured.context("with statistics")?;
    let of_case = |measured: &Measured| -> Vec<Runs> {
        let programs = measured.programs.iter();
        programs
            .map(|program| program.during(&measured.case, measured.units))
            .collect()
    };
    Ok(measured.iter().flat_map(of_case).collect())
}
