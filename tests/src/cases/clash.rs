//! Two packets begin the same flow at once: both have an entry of their own before one of them is in the table.

use std::net::{SocketAddr, UdpSocket};

use nfq::{Queue, Verdict};

use super::{Case, Measured, alone};
use crate::net::SERVER4;
use crate::traffic::{Stage, TrafficError};
use crate::truth::Want;

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    let clash = Measured {
        adjust: |wants| {
            // The entry that conntrack hides is in its count for a second.
            wants.loosen("count.max", &Want::Between(1.0, 2.0));
            wants.loosen("count.p99", &Want::Between(0.0, 2.0));
            wants.loosen("count.mean", &Want::Between(0.0, 2.0));
        },
        ..Measured::new(clash)
    };
    vec![alone("nat_clash", clash)]
}

const PORT: u16 = 5300;
/// The port that the router gives to the longer packet.
const OTHER: u16 = 20_002;
/// What the two packets hold.
const PACKETS: [&[u8]; 2] = [b"question", b"question?"];
/// Length of the second with its header.
const LONGER: usize = 8 + PACKETS[1].len();

fn failed(what: &str) -> impl FnOnce(std::io::Error) -> TrafficError + '_ {
    move |source| TrafficError::Socket {
        what: what.to_owned(),
        source,
    }
}

fn clash(stage: &mut Stage) -> Result<(), TrafficError> {
    // What begins a flow waits for a verdict, after it was given an entry and before that is in the table. The longer
    // packet is given another address, so that the two entries cannot become one.
    stage.router().nft(&format!(
        "table inet hold {{
            chain forward {{
                type filter hook forward priority 10
                udp dport {PORT} ct state new queue num 0
            }}
            chain post {{
                type nat hook postrouting priority 90
                udp dport {PORT} udp length {LONGER} masquerade to :{OTHER}
            }}
        }}"
    ))?;
    let server = stage.udp_port(PORT)?;
    let client = stage.udp_client(SocketAddr::from((SERVER4, PORT)), 0)?;
    let open = || {
        let mut queue = Queue::open()?;
        queue.bind(0)?;
        Ok(queue)
    };
    let mut queue = stage.router().run(open)?.map_err(failed("queue"))?;
    let mut held = Vec::new();
    for packet in PACKETS {
        client.send(packet).map_err(failed("send"))?;
        held.push(queue.recv().map_err(failed("queue"))?);
    }

    let at = stage.clock.align()?;
    let mut senders = Vec::new();
    for mut message in held {
        message.set_verdict(Verdict::Accept);
        queue.verdict(message).map_err(failed("verdict"))?;
        senders.push(received(&server)?);
    }
    stage.clock.same_jiffy(at, "two verdicts")?;
    stage.router().nft("delete table inet hold\n")?;

    let entry = stage.insert("udp", PORT, at, "udp_unreplied", "udp_timeout");
    let causes = &mut stage.ledger.entries[entry].causes;
    let ports = senders.iter().map(SocketAddr::port).collect::<Vec<_>>();
    match ports[1] {
        // For answers to the second packet there is an entry that conntrack hides and that no hook sees inserted.
        OTHER => {
            causes.insert("clash".into(), 1);
            stage.counted("clash_resolve", 1);
            // An answer meets that entry in the table.
            server
                .send_to(b"answer", senders[1])
                .map_err(failed("send"))?;
            received(&client)?;
        }
        // Some kernels look the flow up once more after a verdict, and find the first packet's entry.
        same if same == ports[0] => {}
        _ => {
            return Err(TrafficError::Surprise(format!(
                "the packets came from the ports {ports:?}"
            )));
        }
    }
    stage.pause_s(2)?;
    let at = stage.clock.align()?;
    client.send(b"question").map_err(failed("send"))?;
    received(&server)?;
    stage.clock.same_jiffy(at, "a datagram")?;
    stage.refresh(entry, at, "udp_unreplied", "udp_timeout");
    stage.settle()
}

fn received(server: &UdpSocket) -> Result<SocketAddr, TrafficError> {
    let (_, from) = server.recv_from(&mut [0; 16]).map_err(failed("receive"))?;
    Ok(from)
}
