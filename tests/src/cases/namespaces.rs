//! Several namespaces that track, and one that goes away.

use super::{Case, Measured, PREFIX, alone};
use crate::net::{SERVER4, SERVER6};
use crate::traffic::{Side, Stage, TrafficError};
use crate::truth::{Ledger, Reason, Want};

/// The prefix of the second topology.
const SECOND: &str = "tracker-other";

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let two = Measured {
        prefixes: &[PREFIX, SECOND],
        netns: "all",
        ..Measured::new(two_namespaces)
    };
    let gone = Measured {
        prefixes: &[PREFIX, SECOND],
        netns: "all",
        adjust: |wants| {
            // A namespace's mean is over its life, which ended early.
            let path = format!("namespaces[{SECOND}-router].count.mean");
            wants.put(path, Want::Between(0.0, 5.0));
        },
        ..Measured::new(netns_gone)
    };
    vec![alone("two_namespaces", two), alone("netns_gone", gone)]
}

fn two_namespaces(stage: &mut Stage) -> Result<(), TrafficError> {
    let mut other = Stage::open(SECOND, Ledger::default())?;
    other.set_timeouts(&[("udp_timeout", 8)])?;
    let (here, there) = (stage.udp_port(53)?, other.udp_port(53)?);
    for _ in 0..7 {
        stage.begin_answered(&here, SERVER4.into())?;
    }
    for _ in 0..3 {
        other.begin_answered(&there, SERVER6.into())?;
    }
    let listener = other.listen(80)?;
    let conn = other.connect(&listener)?;
    other.pause_s(2)?;
    other.close(conn, Side::Client, std::time::Duration::ZERO)?;
    stage.settle()?;
    other.settle()?;
    stage.take(other);
    Ok(())
}

fn netns_gone(stage: &mut Stage) -> Result<(), TrafficError> {
    let mut other = Stage::open(SECOND, Ledger::default())?;
    let (here, there) = (stage.udp_port(53)?, other.udp_port(53)?);
    for _ in 0..4 {
        stage.begin(&here)?;
        other.begin(&there)?;
    }
    let listener = other.listen(80)?;
    let conn = other.connect(&listener)?;
    other.pause_s(2)?;
    let began = other.clock.now()?;
    other.topology.router.delete()?;
    other.wait_for_cut()?;
    let gone = other.clock.now()?;
    for entry in 0..other.ledger.entries.len() {
        other.kill(entry, gone, Reason::Deleted);
    }
    drop(conn);
    stage.ledger.slack += gone - began;
    stage.settle()?;
    stage.take(other);
    Ok(())
}
