//! Steps of echoes. Request and reply refresh the entry alike.

use tracker_common::{Proto, State, Timer};

use super::connection::{Connection, MOST_BYTES};
use crate::lab::packet::{Body, Effect, Side};
use crate::lab::scenario::Timeouts;

impl Connection {
    pub(super) fn echo(&mut self, bytes: u32, answered: bool, timeouts: &Timeouts) {
        let payload = bytes.min(MOST_BYTES) as u16;
        let sequence = self.echoes;
        self.echoes = self.echoes.wrapping_add(1);
        self.echo_packet(Side::Client, sequence, payload, timeouts);
        if answered {
            self.wait_for_answer();
            self.echo_packet(Side::Server, sequence, payload, timeouts);
        }
    }

    fn echo_packet(&mut self, side: Side, sequence: u16, payload: u16, timeouts: &Timeouts) {
        self.clear(timeouts, None);
        let (state, timer) = match self.proto() {
            Proto::Icmpv6 => (State::Icmpv6, Timer::Icmpv6),
            _ => (State::Icmp, Timer::Icmp),
        };
        let effect = match (self.entry, side) {
            (Some(_), _) => Effect::Refresh { state, timer },
            (None, Side::Client) => Effect::Insert {
                state,
                timer,
                pickup: false,
            },
            // Nobody would know where to forward it.
            (None, Side::Server) => return,
        };
        self.put(side, Body::Echo { sequence, payload }, effect);
    }
}
