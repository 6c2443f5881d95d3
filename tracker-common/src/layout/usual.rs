//! Counters of what is usual.

use super::Counters;
use crate::{Proto, Reason, State, Timer};

/// What is usual, counted once where it stands for several [`Counters`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usual {
    /// Entries inserted by the first packet of a connection, by [`Proto`]: TCP or UDP.
    pub begun: [u64; Proto::SLOTS],
    /// Entries that ran out of time in a state that they were seen to enter, by [`State`] and by the
    /// [`Timer`] that had armed them.
    pub ran_out: [[u64; Timer::SLOTS]; State::SLOTS],
}

impl Usual {
    /// Nothing yet.
    pub const ZERO: Self = Self {
        begun: [0; Proto::SLOTS],
        ran_out: [[0; Timer::SLOTS]; State::SLOTS],
    };

    /// State and timer that an entry of a protocol begins with by its first packet.
    #[inline(always)]
    #[must_use]
    pub const fn beginning(proto: Proto) -> Option<(State, Timer)> {
        match proto {
            Proto::Tcp => Some((State::TcpSynSent, Timer::TcpSynSent)),
            Proto::Udp => Some((State::UdpUnreplied, Timer::Udp)),
            _ => None,
        }
    }

    /// Adds what they stand for to the counters.
    pub fn add_to(&self, counters: &mut Counters) {
        let add = |counter: &mut u64, by: u64| *counter = counter.wrapping_add(by);
        for &proto in Proto::ALL {
            if let Some((state, timer)) = Self::beginning(proto) {
                let begun = self.begun[proto.id()];
                add(&mut counters.inserts[proto.id()], begun);
                add(&mut counters.entered[state.id()], begun);
                add(&mut counters.connections[timer.id()], begun);
            }
        }
        for (state, timers) in self.ran_out.iter().enumerate() {
            for (timer, &ran_out) in timers.iter().enumerate() {
                add(&mut counters.deaths[state][Reason::Expired.id()], ran_out);
                add(&mut counters.expired[state], ran_out);
                add(&mut counters.timer_expired[timer], ran_out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_stands_for_all_that_goes_with_it() {
        let mut usual = Usual::ZERO;
        usual.begun[Proto::Udp.id()] = 5;
        usual.ran_out[State::UdpStream.id()][Timer::UdpStream.id()] = 3;
        let mut counters = Counters::ZERO;
        counters.inserts[Proto::Udp.id()] = 1;
        usual.add_to(&mut counters);
        let mut want = Counters::ZERO;
        want.inserts[Proto::Udp.id()] = 6;
        want.entered[State::UdpUnreplied.id()] = 5;
        want.connections[Timer::Udp.id()] = 5;
        want.deaths[State::UdpStream.id()][Reason::Expired.id()] = 3;
        want.expired[State::UdpStream.id()] = 3;
        want.timer_expired[Timer::UdpStream.id()] = 3;
        assert_eq!(counters, want);
    }
}
