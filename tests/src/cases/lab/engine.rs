//! What the lab's engine sends is what tracker counts.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Result, ensure};
use tracker_user::lab::clock::Clock;
use tracker_user::lab::control::Control;
use tracker_user::lab::net::{Settings, Topology};
use tracker_user::lab::run::{self, Options, Report};
use tracker_user::lab::watcher::Watcher;

use crate::cases::faces::fresh;
use crate::cases::measured::watch;
use crate::cases::places::TIMEOUTS;
use crate::cases::tracker::{program, show};
use crate::lab::{Scribe, population};
use crate::truth::{Ledger, diff, expect};

/// Rounds of the population.
const ROUNDS: u32 = 25;

/// Sends the population while tracker watches, and compares.
pub fn engine(name: &str, masquerade: bool) -> Result<()> {
    let topology = Topology::create(&Settings {
        masquerade,
        sysctls: TIMEOUTS
            .map(|(timer, value)| (timer.to_owned(), value))
            .to_vec(),
        ..Settings::default()
    })?;
    let inum = topology.router.inum()?;
    let namespace = format!("net:[{inum}]");
    let recording = fresh(name);
    let watcher = Watcher::start(
        &program(),
        topology.router.path(),
        &recording,
        Stdio::null(),
    )?;
    let (report, ledger) = send(&topology, &namespace)?;
    let status = watcher.finish()?;
    ensure!(status.success(), "tracker ended with {status}");
    ensure!(
        (report.lost(), report.foreign()) == (0, 0),
        "lost or foreign packets: {}",
        report.json()
    );
    compare(&ledger, &recording, (namespace, inum))
}

fn send(topology: &Topology, namespace: &str) -> Result<(Report, Ledger)> {
    let clock = Clock::calibrate()?;
    let mut scribe = Scribe::of(namespace, &TIMEOUTS, clock);
    let options = Options {
        threads: 1,
        settle: Some(std::time::Duration::from_secs(20)),
    };
    let begin = clock.now()?;
    let traffic = population(ROUNDS);
    let count = traffic.len() as u64;
    let control = Control::default();
    let report = run::run(
        topology,
        traffic.into_iter(),
        &mut scribe,
        &options,
        &control,
    )?;
    ensure!(
        report.packets() == count,
        "not all was sent: {}",
        report.json()
    );
    let mut ledger = scribe.ledger;
    ledger.span = (begin, clock.now()?);
    ledger.slack += scribe.doubt;
    Ok((report, ledger))
}

fn compare(ledger: &Ledger, recording: &Path, namespace: (String, u64)) -> Result<()> {
    let report = show(recording)?;
    let watch = watch(ledger.span, &report, vec![namespace])?;
    let differences = diff(&expect(ledger, &watch), &report);
    ensure!(
        differences.is_empty(),
        "{} fields differ:\n  {}",
        differences.len(),
        differences.join("\n  ")
    );
    Ok(())
}
