//! Entries that come back after a timer let them expire, and those that live on.

use super::{Case, Measured, alone, measured};
use crate::net::SERVER4;
use crate::traffic::{Side, Stage, TrafficError};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let picked_up = Measured {
        before: |stage| stage.set_timeouts(&[("tcp_timeout_established", 25)]),
        ..Measured::new(tcp)
    };
    let living = Measured {
        // Nothing expires, since it is not told when the kernel would collect it.
        before: |stage| stage.set_timeouts(&[("udp_timeout", 45)]),
        ..Measured::new(idle)
    };
    vec![
        measured("returns_udp", udp),
        alone("returns_tcp", picked_up),
        alone("idle_living", living),
    ]
}

/// A client's port that the test gives itself, so that another flow can have it later.
const PORT: u16 = 40_000;

fn udp(stage: &mut Stage) -> Result<(), TrafficError> {
    let server = stage.udp_port(53)?;
    let mut flow = stage.begin_answered(&server, SERVER4.into())?;
    let other = stage.begin_to(&server, SERVER4.into(), PORT)?;
    // It expires and is collected long before it comes back.
    stage.settle()?;
    stage.pause_s(7)?;
    stage.begin_again(&mut flow, &server)?;
    // The lookup for the packet itself collects what it finds expired.
    let expiry = stage.expiry(flow.entry());
    stage.wait_until(expiry + 2)?;
    stage.begin_again(&mut flow, &server)?;
    // The server has the first word: the flow is the same one, and the entry another.
    stage.settle()?;
    stage.begin_back(&mut flow, &server)?;
    stage.settle()?;
    // The same port to another server's port is another flow.
    drop(other);
    let elsewhere = stage.udp_port(5353)?;
    stage.begin_to(&elsewhere, SERVER4.into(), PORT)?;
    stage.settle()
}

fn tcp(stage: &mut Stage) -> Result<(), TrafficError> {
    let listener = stage.listen(80)?;
    let mut picked_up = stage.connect_from(&listener, SERVER4.into(), 0)?;
    let forgotten = stage.connect_from(&listener, SERVER4.into(), PORT)?;
    stage.pause_s(3)?;
    stage.send(&mut picked_up, Side::Client)?;
    stage.settle()?;
    stage.pause_s(4)?;
    let expired = picked_up.entry;
    stage.pick_up(&mut picked_up)?;
    stage.returned(expired, picked_up.entry);
    // A SYN of the same port begins another connection.
    stage.abandon(forgotten)?;
    let conn = stage.connect_from(&listener, SERVER4.into(), PORT)?;
    stage.reset(conn)?;
    stage.reset(picked_up)?;
    stage.settle()
}

fn idle(stage: &mut Stage) -> Result<(), TrafficError> {
    let listener = stage.listen(80)?;
    let server = stage.udp_port(53)?;
    let mut early = stage.connect(&listener)?;
    stage.pause_s(9)?;
    let late = stage.connect(&listener)?;
    stage.pause_s(4)?;
    stage.send(&mut early, Side::Server)?;
    stage.begin(&server)?;
    // So long that a second more or less of each entry makes no difference in the mean count.
    stage.pause_s(25)?;
    stage.abandon(early)?;
    stage.abandon(late)
}
