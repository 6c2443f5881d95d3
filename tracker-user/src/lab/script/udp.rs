//! Steps of UDP.
//!
//! A flow is a stream from the first packet on that comes more than two seconds after its insert
//! and finds it answered.

use std::time::Duration;

use tracker_common::{State, Timer};

use super::connection::{Connection, MOST_BYTES, side};
use super::step::Do;
use crate::lab::packet::{Body, Effect, Side};
use crate::lab::scenario::{Number, Spread, Timeouts};

/// A younger flow is no stream (`nf_conntrack_udp_packet`, since 4.20).
const YOUNG: Duration = Duration::from_secs(2);

/// Datagrams of one step, at most.
pub(super) const MOST_OFTEN: u32 = 10_000;

pub(super) fn act(connection: &mut Connection, step: &Do, timeouts: &Timeouts) {
    let it = connection;
    match step {
        Do::Datagram { from, bytes } => it.datagram(side(*from), bytes, timeouts),
        Do::Exchange {
            bytes,
            response,
            think,
        } => {
            it.datagram(Side::Client, bytes, timeouts);
            it.wait_for_answer();
            let think = think.draw(&mut it.chance);
            it.pause(think);
            it.datagram(Side::Server, response, timeouts);
        }
        Do::Stream {
            from,
            count,
            every,
            bytes,
        } => {
            for number in 0..count.draw(&mut it.chance).min(MOST_OFTEN) {
                if number > 0 {
                    let every = every.draw(&mut it.chance);
                    it.pause(every);
                }
                it.datagram(side(*from), bytes, timeouts);
            }
        }
        _ => {}
    }
}

impl Connection {
    fn datagram(&mut self, side: Side, bytes: &Spread<Number>, timeouts: &Timeouts) {
        let grown_up = self.entry.map(|entry| entry.inserted + YOUNG);
        self.clear(timeouts, grown_up);
        let payload = bytes.draw(&mut self.chance).min(MOST_BYTES) as u16;
        let effect = match (self.entry, side) {
            (None, Side::Client) => Effect::Insert {
                state: State::UdpUnreplied,
                timer: Timer::Udp,
                pickup: false,
            },
            // Nobody would know where to forward it.
            (None, Side::Server) => return,
            (Some(entry), side) => {
                let stream = entry.answered && self.at > entry.inserted + YOUNG;
                let (state, timer) = match (stream, entry.answered || side == Side::Server) {
                    (true, _) => (State::UdpStream, Timer::UdpStream),
                    (false, true) => (State::UdpReplied, Timer::Udp),
                    (false, false) => (State::UdpUnreplied, Timer::Udp),
                };
                Effect::Refresh { state, timer }
            }
        };
        self.put(side, Body::Udp { payload }, effect);
    }
}
