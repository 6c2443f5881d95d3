//! TCP that sockets make seldom: losses, a receiver that is full, a reset that fits nothing.

use super::{Case, measured};
use crate::traffic::Side::{Client, Server};
use crate::traffic::{Segment, Stage, TrafficError, Wire};
use crate::truth::UNTOLD;

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        measured("tcp_unacknowledged", unacknowledged),
        measured("tcp_retransmitted", retransmitted),
        measured("tcp_identical_acks", identical_acks),
        measured("tcp_zero_window", zero_window),
        measured("tcp_inexact_reset", inexact_reset),
    ]
}

/// All is acknowledged.
const QUIET: &str = "tcp_timeout_established";
/// Data waits for its acknowledgement.
const UNACKNOWLEDGED: &str = "tcp_timeout_unacknowledged";
/// The same came again and again, or there is no room.
const STUCK: &str = "tcp_timeout_max_retrans";

fn unacknowledged(stage: &mut Stage) -> Result<(), TrafficError> {
    let mut wire = stage.wire(80)?;
    stage.pause_s(3)?;
    stage.pass(&mut wire, &[(Segment::data(Client, 100), UNACKNOWLEDGED)])?;
    stage.pause_s(7)?;
    stage.pass(&mut wire, &[(Segment::ack(Server), QUIET)])?;
    stage.pause_s(5)?;
    stage.pass(&mut wire, &[(Segment::data(Server, 50), UNACKNOWLEDGED)])?;
    stage.pause_s(11)?;
    // This acknowledges, and waits for its own acknowledgement, which never comes.
    stage.pass(&mut wire, &[(Segment::data(Client, 30), UNACKNOWLEDGED)])?;
    stage.settle()
}

fn retransmitted(stage: &mut Stage) -> Result<(), TrafficError> {
    let mut wire = stage.wire(80)?;
    stage.pause_s(2)?;
    stage.pass(&mut wire, &[(Segment::data(Client, 100), UNACKNOWLEDGED)])?;
    for (pause, timer) in [
        (1, UNACKNOWLEDGED),
        (2, UNACKNOWLEDGED),
        (4, STUCK),
        (8, STUCK),
    ] {
        stage.pause_s(pause)?;
        stage.pass(&mut wire, &[(Segment::again(Client, 100), timer)])?;
    }
    stage.pause_s(16)?;
    stage.pass(&mut wire, &[(Segment::ack(Server), QUIET)])?;
    stage.pause_s(3)?;
    stage.pass(&mut wire, &[(Segment::ack(Client), QUIET)])?;
    stage.settle()
}

fn identical_acks(stage: &mut Stage) -> Result<(), TrafficError> {
    let mut wire = stage.wire(80)?;
    for (pause, timer) in [(1, QUIET), (2, QUIET), (3, STUCK), (9, STUCK)] {
        stage.pause_s(pause)?;
        stage.pass(&mut wire, &[(Segment::ack(Client), timer)])?;
    }
    stage.pause_s(13)?;
    stage.pass(&mut wire, &[(Segment::ack(Server), QUIET)])?;
    stage.pause_s(6)?;
    // Three at once: nothing tells them from others but their number.
    let same = Segment::ack(Server);
    stage.pass(&mut wire, &[(same, QUIET), (same, QUIET), (same, STUCK)])?;
    stage.settle()
}

fn zero_window(stage: &mut Stage) -> Result<(), TrafficError> {
    let mut wire = stage.wire(80)?;
    let full = Segment {
        window: 0,
        ..Segment::ack(Client)
    };
    let probe = Segment {
        back: 1,
        ..Segment::ack(Server)
    };
    stage.pause_s(2)?;
    stage.pass(
        &mut wire,
        &[(Segment::data(Server, 500), UNACKNOWLEDGED), (full, STUCK)],
    )?;
    for pause in [6, 10] {
        stage.pause_s(pause)?;
        stage.pass(&mut wire, &[(probe, QUIET), (full, STUCK)])?;
    }
    stage.pause_s(14)?;
    stage.pass(&mut wire, &[(Segment::ack(Client), QUIET)])?;
    stage.pause_s(4)?;
    stage.pass(&mut wire, &[(full, STUCK)])?;
    stage.settle()
}

/// A reset within the window, but not where it should be, leaves the connection open. Kernels differ in what it arms.
fn inexact_reset(stage: &mut Stage) -> Result<(), TrafficError> {
    let mut wire = stage.wire(80)?;
    stage.pause_s(2)?;
    stage.pass(&mut wire, &[(Segment::data(Client, 100), UNACKNOWLEDGED)])?;
    stage.pause_s(1)?;
    let stray = Segment {
        back: 50,
        reset: true,
        ..Segment::ack(Client)
    };
    stage.pass(&mut wire, &[(stray, "tcp_timeout_close")])?;
    let close = stage.timeout("tcp_timeout_close");
    if left(stage, &wire)? > close {
        armed(stage, &wire, UNACKNOWLEDGED);
    } else {
        // As much would be left of a longer timer after a while: which one it is cannot be told.
        let entry = &mut stage.ledger.entries[wire.entry];
        entry.causes.insert("inconsistent".into(), 1);
        if let Some(step) = entry.steps.last_mut() {
            step.timer = UNTOLD;
        }
    }
    stage.pause_s(3)?;
    stage.pass(&mut wire, &[(Segment::ack(Client), UNACKNOWLEDGED)])?;
    stage.pause_s(5)?;
    stage.pass(&mut wire, &[(Segment::ack(Server), QUIET)])?;
    stage.settle()
}

/// Seconds that the router's only TCP entry has left.
fn left(stage: &Stage, wire: &Wire) -> Result<u64, TrafficError> {
    let listed = stage.router().read("net/nf_conntrack")?;
    listed
        .lines()
        .filter_map(|line| line.split_once(" tcp "))
        .find_map(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok())
        .ok_or_else(|| {
            TrafficError::Surprise(format!(
                "the table does not hold entry {}:\n{listed}",
                wire.entry
            ))
        })
}

/// Writes down which timer the last segment has armed.
fn armed(stage: &mut Stage, wire: &Wire, timer: &'static str) {
    if let Some(last) = stage.ledger.entries[wire.entry].steps.pop() {
        stage.refresh(wire.entry, last.at, "tcp_established", timer);
    }
}
