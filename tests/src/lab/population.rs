//! A small population of every kind of packet that the lab can make.

use std::net::IpAddr;
use std::time::Duration;

use tracker_common::{Proto, State, Timer};
use tracker_user::lab::packet::{Body, Due, Effect, Packet, Side, Tuple, flag};

use Side::{Client, Server};

/// A packet of a script: seconds after its connection's beginning, sender, body, effect.
type Step = (u64, Side, Body, Effect);

/// Connections of four kinds over both families, one of each every 90 ms, for so many rounds.
#[must_use]
pub fn population(rounds: u32) -> Vec<Due> {
    let scripts = [flow(), reset(), opened(), ping()];
    let kinds = scripts.len() as u32 * 2;
    let mut all: Vec<Due> = (0..rounds * kinds)
        .flat_map(|number| {
            let is_v6 = number % 2 == 1;
            let script = &scripts[(number % kinds / 2) as usize];
            let begin = Duration::from_millis(u64::from(number / kinds) * 90);
            let tuple = tuple(number, is_v6, script[0].2);
            script.iter().map(move |&(after, side, body, effect)| Due {
                at: begin + Duration::from_secs(after),
                packet: Packet {
                    connection: number,
                    side,
                    tuple,
                    body,
                    effect: if is_v6 { of_v6(effect) } else { effect },
                },
            })
        })
        .collect();
    // Packets of one connection that are due at the same time stay in their order.
    all.sort_by_key(|due| due.at);
    all
}

fn tuple(number: u32, is_v6: bool, body: Body) -> Tuple {
    let address = |v4: [u8; 4], v6: u16| {
        if is_v6 {
            IpAddr::from([0xfd77, v6, 0, 0, 0, 0, 0, 1 + (number % 7) as u16])
        } else {
            IpAddr::from(v4)
        }
    };
    let (proto, server_port) = match body {
        Body::Tcp { .. } => (Proto::Tcp, 443),
        Body::Udp { .. } => (Proto::Udp, 4433),
        Body::Echo { .. } if is_v6 => (Proto::Icmpv6, 0),
        Body::Echo { .. } => (Proto::Icmp, 0),
    };
    Tuple {
        proto,
        client: address([10, 64, 3, 1 + (number % 7) as u8], 1),
        client_port: 2000 + number as u16,
        server: address([10, 129, 0, 9], 2),
        server_port,
    }
}

/// A question and its answer, and three seconds later the same again.
fn flow() -> Vec<Step> {
    let body = Body::Udp { payload: 100 };
    let (replied, stream) = (State::UdpReplied, State::UdpStream);
    vec![
        (0, Client, body, insert(State::UdpUnreplied, Timer::Udp)),
        (0, Server, body, refresh(replied, Timer::Udp)),
        (3, Client, body, refresh(stream, Timer::UdpStream)),
        (3, Server, body, refresh(stream, Timer::UdpStream)),
    ]
}

/// A connection that nobody closes.
fn opened() -> Vec<Step> {
    let sent = Timer::TcpSynSent;
    let segment = |flags, sequence, acknowledgment| Body::Tcp {
        flags,
        sequence,
        acknowledgment,
        window: 8000,
        payload: 0,
    };
    let (syn, ack) = (flag::SYN, flag::ACK);
    let (received, open) = (State::TcpSynRecv, State::TcpEstablished);
    vec![
        (
            0,
            Client,
            segment(syn, 1000, 0),
            insert(State::TcpSynSent, sent),
        ),
        (
            0,
            Server,
            segment(syn | ack, 5000, 1001),
            refresh(received, Timer::TcpSynRecv),
        ),
        (
            1,
            Client,
            segment(ack, 1001, 5001),
            refresh(open, Timer::TcpEstablished),
        ),
    ]
}

/// A connection that its client resets after two seconds.
fn reset() -> Vec<Step> {
    let mut steps = opened();
    let body = Body::Tcp {
        flags: flag::RST,
        sequence: 1001,
        acknowledgment: 0,
        window: 0,
        payload: 0,
    };
    steps.push((2, Client, body, refresh(State::TcpClose, Timer::TcpClose)));
    steps
}

/// Two echoes, of which the second is not answered.
fn ping() -> Vec<Step> {
    let echo = |sequence| Body::Echo {
        sequence,
        payload: 56,
    };
    let state = State::Icmp;
    vec![
        (0, Client, echo(1), insert(state, Timer::Icmp)),
        (0, Server, echo(1), refresh(state, Timer::Icmp)),
        (1, Client, echo(2), refresh(state, Timer::Icmp)),
    ]
}

fn insert(state: State, timer: Timer) -> Effect {
    Effect::Insert {
        state,
        timer,
        pickup: false,
    }
}

fn refresh(state: State, timer: Timer) -> Effect {
    Effect::Refresh { state, timer }
}

/// Echoes have a tracker for each family.
fn of_v6(effect: Effect) -> Effect {
    match effect {
        Effect::Insert {
            state: State::Icmp, ..
        } => insert(State::Icmpv6, Timer::Icmpv6),
        Effect::Refresh {
            state: State::Icmp, ..
        } => refresh(State::Icmpv6, Timer::Icmpv6),
        other => other,
    }
}
