//! Entries whose timeouts are not the timers': rules give them others, or forward their packets past conntrack.

use std::time::Duration;

use super::{Case, Measured, alone, measured};
use crate::net::SERVER4;
use crate::traffic::{Stage, TrafficError};
use crate::truth::{Step, UNTOLD};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let offloaded = Measured {
        // Longer than what the kernel takes off for the time in the flowtable.
        before: |stage| stage.set_timeouts(&[("udp_timeout_stream", 60)]),
        ..Measured::new(offloaded)
    };
    vec![measured("policy", policy), alone("offloaded", offloaded)]
}

/// Seconds that the policy gives to unreplied and to replied flows: longer than the timers.
const POLICY: (u64, u64) = (25, 33);

fn policy(stage: &mut Stage) -> Result<(), TrafficError> {
    stage.router().nft(&format!(
        "table inet slow {{
            ct timeout slow {{
                protocol udp
                l3proto ip
                policy = {{ unreplied : {}, replied : {} }}
            }}
            chain forward {{
                type filter hook forward priority -10
                udp dport 5353 ct timeout set \"slow\"
            }}
        }}",
        POLICY.0, POLICY.1
    ))?;
    let (usual, slow) = (stage.udp_port(53)?, stage.udp_port(5353)?);
    let mut other = stage.begin(&usual)?;
    let mut flow = stage.begin(&slow)?;
    stage.pause_s(4)?;
    stage.ask(&mut other, &usual)?;
    stage.ask(&mut flow, &slow)?;
    stage.pause_s(9)?;
    stage.ask_and_answer(&mut flow, &slow)?;
    stage.pause_s(12)?;
    stage.ask_and_answer(&mut flow, &slow)?;

    let second = stage.clock.jiffies(Duration::from_secs(1));
    let steps = &mut stage.ledger.entries[flow.entry()].steps;
    for step in steps.iter_mut() {
        step.timer = UNTOLD;
        step.timeout = second * under_policy(step);
    }
    // Met at its insert, by each further packet, and at its death.
    let met = steps.len() as u64 + 1;
    stage.without_gaps(flow.entry(), &[("policy", met)]);
    stage.settle()?;
    stage.router().nft("delete table inet slow\n")?;
    Ok(())
}

fn under_policy(step: &Step) -> u64 {
    if step.state == "udp_stream" {
        POLICY.1
    } else {
        POLICY.0
    }
}

fn offloaded(stage: &mut Stage) -> Result<(), TrafficError> {
    stage.router().nft(
        "table inet fast {
            flowtable past {
                hook ingress priority 0
                devices = { inner, outer }
            }
            chain forward {
                type filter hook forward priority 10
                udp dport 4433 flow add @past
                udp sport 4433 flow add @past
            }
        }",
    )?;
    let server = stage.udp_port(4433)?;
    let mut flow = stage.begin_answered(&server, SERVER4.into())?;
    if !stage.offloads()? {
        return Err(TrafficError::Surprise(
            "the answer did not put the flow into the flowtable".to_owned(),
        ));
    }
    stage.pause_s(1)?;
    let seen = stage.ledger.entries[flow.entry()].steps.len();
    stage.ask_and_answer(&mut flow, &server)?;
    // Nobody saw this pass.
    stage.ledger.entries[flow.entry()].steps.truncate(seen);
    stage.pause_s(4)?;
    // The flowtable leaves fragments to conntrack.
    stage.ask_at_length(&mut flow, &server)?;

    stage.router().nft("delete table inet fast\n")?;
    while stage.offloads()? {
        stage.clock.align()?;
    }
    let entry = &mut stage.ledger.entries[flow.entry()];
    // The timeouts since the answer are the flowtable's, the one that it leaves behind included.
    for step in &mut entry.steps[seen - 1..] {
        step.timer = UNTOLD;
    }
    entry.causes.insert("offloaded".into(), 2);
    stage.pause_s(1)?;
    stage.ask(&mut flow, &server)?;
    for pause in [2, 5] {
        stage.pause_s(pause)?;
        stage.ask(&mut flow, &server)?;
    }
    stage.settle()
}
