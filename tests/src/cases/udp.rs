//! UDP and echoes, IPv4 and IPv6.

use super::{Case, measured};
use crate::net::{SERVER4, SERVER6};
use crate::traffic::{Stage, TrafficError};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        measured("udp_unreplied", unreplied),
        measured("udp_replied", replied),
        measured("udp_stream", stream),
        measured("icmp", icmp),
        measured("icmpv6", icmpv6),
    ]
}

fn unreplied(stage: &mut Stage) -> Result<(), TrafficError> {
    let server = stage.udp_port(53)?;
    // A port that is given again would make a flow that returns.
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(stage.begin(&server)?);
        held.push(stage.begin6(&server)?);
    }
    let mut flow = stage.begin(&server)?;
    for pause in [1, 4, 2] {
        stage.pause_s(pause)?;
        stage.ask(&mut flow, &server)?;
    }
    stage.settle()
}

fn replied(stage: &mut Stage) -> Result<(), TrafficError> {
    // Not the port of another case, or a flow may return that is none of its own.
    let server = stage.udp_port(54)?;
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(stage.begin_answered(&server, SERVER4.into())?);
        held.push(stage.begin_answered(&server, SERVER6.into())?);
    }
    let mut flow = stage.begin_answered(&server, SERVER4.into())?;
    // Within two seconds of its beginning a flow is no stream.
    stage.pause_s(1)?;
    stage.ask_and_answer(&mut flow, &server)?;
    stage.settle()
}

pub(super) fn stream(stage: &mut Stage) -> Result<(), TrafficError> {
    let server = stage.udp_port(443)?;
    let mut flows = Vec::new();
    for _ in 0..4 {
        flows.push(stage.begin_answered(&server, SERVER4.into())?);
    }
    for pause in [3, 9, 1] {
        stage.pause_s(pause)?;
        for flow in &mut flows {
            stage.ask_and_answer(flow, &server)?;
        }
    }
    let mut late = stage.begin(&server)?;
    stage.pause_s(4)?;
    stage.ask_and_answer(&mut late, &server)?;
    stage.pause_s(5)?;
    stage.ask(&mut late, &server)?;
    stage.settle()
}

pub(super) fn icmp(stage: &mut Stage) -> Result<(), TrafficError> {
    let mut echo = stage.echo(SERVER4.into())?;
    for _ in 0..3 {
        stage.ping(&mut echo)?;
        stage.pause_s(2)?;
    }
    let mut once = stage.echo(SERVER4.into())?;
    stage.ping(&mut once)?;
    stage.settle()
}

fn icmpv6(stage: &mut Stage) -> Result<(), TrafficError> {
    let mut echo = stage.echo(SERVER6.into())?;
    for _ in 0..3 {
        stage.ping(&mut echo)?;
        stage.pause_s(5)?;
    }
    stage.settle()
}
