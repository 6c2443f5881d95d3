//! What happens to the table from outside a connection: it is full, a timer is changed, an entry is made by hand.

use super::errors::LOSSES;
use super::{Case, Measured, alone, measured};
use crate::net::SERVER4;
use crate::traffic::{Stage, TrafficError};
use crate::truth::{Followed, Reason, UNTOLD, Want};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let small = Measured {
        before: shrink,
        ..Measured::new(early_drop)
    };
    let old = Measured {
        before: preexisting_before,
        ..Measured::new(preexisting)
    };
    let narrow = Measured {
        options: &["--max-entries", "5"],
        exit: LOSSES,
        adjust: |wants| wants.put("losses.map_full", Want::Count(TOO_MANY)),
        ..Measured::new(map_full)
    };
    vec![
        alone("map_full", narrow),
        alone("early_drop", small),
        alone("preexisting", old),
        alone("timeout_changed", Measured::new(timeout_changed)),
        alone(
            "timeout_changed_twice",
            Measured::new(timeout_changed_twice),
        ),
        measured("fixed_timeout", fixed_timeout),
    ]
}

/// Entries that the small table takes.
const MAX: u64 = 100;
/// Its buckets: few enough that each new entry finds another to replace.
const BUCKETS: u64 = 512;
/// Flows that are begun in it, some of which may find no other to replace.
const BURST: usize = 300;

/// Only the first namespace may change the size of the table.
fn shrink(stage: &mut Stage) -> Result<(), TrafficError> {
    stage.resize(MAX, BUCKETS)
}

fn early_drop(stage: &mut Stage) -> Result<(), TrafficError> {
    let server = stage.udp_port(53)?;
    let burst = stage.burst(&server, BURST)?;
    stage.counted("drop", (BURST - burst.len()) as u64);
    // A table that stays full would go on making room by itself.
    stage.resize(10 * MAX, BUCKETS)?;
    let (first, last) = (burst.first().map_or(0, |sent| sent.at), stage.clock.now()?);
    // When within the burst each one made room is not known.
    stage.ledger.slack += last - first;
    let listed = stage.listed_ports()?;
    for sent in burst {
        let entry = stage.insert("udp", 53, sent.at, "udp_unreplied", "udp_timeout");
        if !listed.contains(&sent.port) {
            stage.kill(entry, last, Reason::EarlyDrop);
        }
    }
    stage.settle()
}

/// First client port of the flows that are older than the watch.
const OLD_PORT: u16 = 20_000;

fn preexisting_before(stage: &mut Stage) -> Result<(), TrafficError> {
    stage.set_timeouts(&[("udp_timeout", 45)])?;
    let server = stage.udp_port(53)?;
    for port in OLD_PORT..OLD_PORT + 5 {
        stage.begin_to(&server, SERVER4.into(), port)?;
    }
    Ok(())
}

fn preexisting(stage: &mut Stage) -> Result<(), TrafficError> {
    let server = stage.udp_port(53)?;
    stage.pause_s(2)?;
    for old in 0..2 {
        let mut flow = stage.resume(&server, usize::from(old), OLD_PORT + old)?;
        stage.ask(&mut flow, &server)?;
        stage.pause_s(7)?;
        stage.ask(&mut flow, &server)?;
    }
    stage.begin(&server)?;
    stage.settle()
}

fn timeout_changed(stage: &mut Stage) -> Result<(), TrafficError> {
    let server = stage.udp_port(53)?;
    let mut flow = stage.begin(&server)?;
    stage.pause_s(2)?;
    stage.ask(&mut flow, &server)?;
    stage.pause_s(2)?;
    stage.set_timeouts(&[("udp_timeout", 9)])?;
    stage.pause_s(2)?;
    // This gap began under the old value and has to be told by it.
    stage.ask(&mut flow, &server)?;
    stage.pause_s(3)?;
    stage.ask(&mut flow, &server)?;
    stage.settle()
}

fn timeout_changed_twice(stage: &mut Stage) -> Result<(), TrafficError> {
    let server = stage.udp_port(53)?;
    let mut idle = stage.begin(&server)?;
    let mut busy = stage.begin(&server)?;
    stage.pause_s(1)?;
    stage.ask(&mut idle, &server)?;
    let long_ago = stage.ledger.entries[idle.entry()].steps.len() - 1;
    for seconds in [9, 7] {
        stage.set_timeouts(&[("udp_timeout", seconds)])?;
        stage.pause_s(1)?;
        // Each value is noticed, but not by the idle flow.
        stage.ask(&mut busy, &server)?;
    }
    stage.pause_s(1)?;
    stage.ask(&mut idle, &server)?;
    for pause in [2, 4] {
        stage.pause_s(pause)?;
        stage.ask(&mut idle, &server)?;
    }
    let entry = &mut stage.ledger.entries[idle.entry()];
    entry.steps[long_ago].timer = UNTOLD;
    entry.causes.insert("timeout_changed".into(), 1);
    stage.settle()
}

/// Entries beyond the five that tracker is told to have room for.
const TOO_MANY: u64 = 4;

fn map_full(stage: &mut Stage) -> Result<(), TrafficError> {
    let server = stage.udp_port(53)?;
    let mut kept = Vec::new();
    for _ in 0..5 {
        kept.push(stage.begin(&server)?);
    }
    for _ in 0..TOO_MANY {
        let flow = stage.begin(&server)?;
        stage.ledger.entries[flow.entry()].followed = Followed::NotAtAll;
    }
    stage.pause_s(2)?;
    for flow in &mut kept {
        stage.ask(flow, &server)?;
    }
    stage.settle()?;
    // What has died has made room.
    let mut late = stage.begin(&server)?;
    stage.pause_s(3)?;
    stage.ask(&mut late, &server)?;
    stage.settle()
}

fn fixed_timeout(stage: &mut Stage) -> Result<(), TrafficError> {
    let at = stage.clock.align()?;
    stage.router().conntrack(
        "-I -p udp -s 10.77.1.2 -d 10.77.2.2 --sport 1000 --dport 2000 -t 10 -u FIXED_TIMEOUT",
    )?;
    let done = stage.clock.now()?;
    stage.ledger.slack += done - at;
    let entry = stage.insert("udp", 2000, at, "udp_unreplied", "udp_timeout");
    let timeout = stage.clock.jiffies(std::time::Duration::from_secs(10));
    // Met at its insert and at its death. No sysctl armed it.
    stage.without_gaps(entry, &[("fixed_timeout", 2)]);
    let entry = &mut stage.ledger.entries[entry];
    entry.steps[0].timer = UNTOLD;
    entry.steps[0].timeout = timeout + (done - at);
    stage.pause_s(2)?;
    stage.settle()
}
