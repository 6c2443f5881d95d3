//! Steps of TCP, as segments.

use std::time::Duration;

use super::connection::{Connection, MOST_BYTES, other, side};
use super::segment::{Kind, Segment};
use super::step::{Do, End, Way};
use crate::lab::packet::Side;
use crate::lab::scenario::{Number, Seconds, Spread, Timeouts};

pub(super) use super::segment::Ends;

/// Segments that are on their way at most, unacknowledged: less than a window.
const FLIGHT: u32 = 32;

/// Those of a step's first flight.
const FIRST_FLIGHT: u32 = 2;

/// Bytes of one step, at most.
const MOST_SENT: u32 = 1 << 20;

/// Those of one that nobody acknowledges: the first flight. More would not fit into the window.
pub(super) const MOST_UNACKNOWLEDGED: u32 = FIRST_FLIGHT * MOST_BYTES;

/// Repetitions of one step, at most.
pub(super) const MOST_OFTEN: u32 = 30;

pub(super) fn act(connection: &mut Connection, step: &Do, timeouts: &Timeouts) {
    let mut it = Talk {
        connection,
        timeouts,
    };
    match step {
        Do::Handshake {} => it.handshake(),
        Do::Unanswered { retransmits, first } => it.unanswered(retransmits, first),
        Do::Refused {} => {
            it.say(Side::Client, Kind::Syn);
            it.answer(Side::Server, Kind::Rst);
        }
        Do::HalfOpen { retransmits, first } => it.half_open(retransmits, first),
        Do::Request {
            bytes,
            response,
            think,
        } => {
            it.data(Side::Client, bytes, true);
            it.think(think);
            it.data(Side::Server, response, true);
        }
        Do::Send {
            from,
            bytes,
            acknowledged,
        } => it.data(side(*from), bytes, *acknowledged),
        Do::Retransmit {
            from,
            times,
            first,
            acknowledged,
        } => it.retransmit(side(*from), times, first, *acknowledged),
        Do::ZeroWindow {
            by,
            probes,
            every,
            opens,
        } => it.zero_window(side(*by), probes, every, *opens),
        Do::Keepalive { from, answered } => it.keepalive(side(*from), *answered),
        Do::Fin { by, acknowledged } => it.fin(side(*by), *acknowledged),
        Do::Close { by, way } => it.close(*by, *way),
        Do::Reset { by } => {
            it.say(side(*by), Kind::Rst);
        }
        Do::Pickup { answered } => {
            it.say(Side::Client, Kind::Ack);
            if *answered {
                it.answer(Side::Server, Kind::Ack);
            }
        }
        Do::Late { from } => {
            it.say(side(*from), Kind::Ack);
        }
        _ => {}
    }
}

/// A connection, on its way through a step.
struct Talk<'a> {
    connection: &'a mut Connection,
    timeouts: &'a Timeouts,
}

impl Talk<'_> {
    fn send(&mut self, segment: Segment) -> bool {
        self.connection.segment(segment, self.timeouts)
    }

    fn say(&mut self, side: Side, kind: Kind) -> bool {
        self.send(Segment::new(side, kind))
    }

    fn answer(&mut self, side: Side, kind: Kind) -> bool {
        self.connection.wait_for_answer();
        self.say(side, kind)
    }

    fn think(&mut self, time: &Spread<Seconds>) {
        let time = time.draw(&mut self.connection.chance);
        self.connection.pause(time);
    }

    /// How often something is repeated.
    fn often(&mut self, times: &Spread<Number>) -> u32 {
        times.draw(&mut self.connection.chance).min(MOST_OFTEN)
    }

    fn handshake(&mut self) {
        if self.say(Side::Client, Kind::Syn) {
            self.connection.wait_for_answer();
        }
        if self.say(Side::Server, Kind::SynAck) {
            self.answer(Side::Client, Kind::Ack);
        }
    }

    fn unanswered(&mut self, retransmits: &Spread<Number>, first: &Spread<Seconds>) {
        let mut again = Again::new(first.draw(&mut self.connection.chance));
        let mut sent = self.say(Side::Client, Kind::Syn);
        for _ in 0..self.often(retransmits) {
            if !sent {
                break;
            }
            self.connection.pause(again.next());
            sent = self.say(Side::Client, Kind::Syn);
        }
    }

    fn half_open(&mut self, retransmits: &Spread<Number>, first: &Spread<Seconds>) {
        let mut again = Again::new(first.draw(&mut self.connection.chance));
        self.say(Side::Client, Kind::Syn);
        let mut sent = self.answer(Side::Server, Kind::SynAck);
        for _ in 0..self.often(retransmits) {
            if !sent {
                break;
            }
            self.connection.pause(again.next());
            sent = self.say(Side::Server, Kind::SynAck);
        }
    }

    /// Data in flights that grow, each acknowledged as a whole.
    fn data(&mut self, from: Side, bytes: &Spread<Number>, acknowledged: bool) {
        let mut left = bytes.draw(&mut self.connection.chance).min(MOST_SENT);
        let mut flight = FIRST_FLIGHT;
        while left > 0 {
            for _ in 0..flight {
                let payload = left.min(MOST_BYTES);
                if payload == 0 {
                    break;
                }
                if !self.send(Segment::data(from, payload as u16)) {
                    return;
                }
                left -= payload;
                if self.connection.is_unanswered_pickup() {
                    break;
                }
            }
            if !acknowledged {
                return;
            }
            self.answer(other(from), Kind::Ack);
            if left > 0 {
                self.connection.wait_for_answer();
            }
            flight = (flight * 2).min(FLIGHT);
        }
    }

    fn retransmit(
        &mut self,
        from: Side,
        times: &Spread<Number>,
        first: &Spread<Seconds>,
        acknowledged: bool,
    ) {
        let mut again = Again::new(first.draw(&mut self.connection.chance));
        let payload = 500;
        if !self.send(Segment::data(from, payload)) {
            return;
        }
        for _ in 0..self.often(times) {
            self.connection.pause(again.next());
            self.send(Segment {
                back: payload.into(),
                ..Segment::data(from, payload)
            });
        }
        if acknowledged {
            self.answer(other(from), Kind::Ack);
        }
    }

    fn zero_window(
        &mut self,
        by: Side,
        probes: &Spread<Number>,
        every: &Spread<Seconds>,
        opens: bool,
    ) {
        let full = Segment {
            window: 0,
            ..Segment::new(by, Kind::Ack)
        };
        if !self.send(Segment::data(other(by), MOST_BYTES as u16)) {
            return;
        }
        self.connection.wait_for_answer();
        self.send(full);
        for _ in 0..self.often(probes) {
            self.think(every);
            if self.send(Segment::probe(other(by))) {
                self.connection.wait_for_answer();
                self.send(full);
            }
        }
        if opens {
            self.think(every);
            self.say(by, Kind::Ack);
        }
    }

    fn keepalive(&mut self, from: Side, answered: bool) {
        if self.send(Segment::probe(from)) && answered {
            self.answer(other(from), Kind::Ack);
        }
    }

    fn fin(&mut self, by: Side, acknowledged: bool) {
        if self.say(by, Kind::Fin) && acknowledged {
            self.answer(other(by), Kind::Ack);
        }
    }

    fn close(&mut self, by: End, way: Way) {
        let (one, two) = (side(by), other(side(by)));
        if !self.say(one, Kind::Fin) {
            return;
        }
        match way {
            Way::Four => {
                self.answer(two, Kind::Ack);
                self.say(two, Kind::Fin);
                self.answer(one, Kind::Ack);
            }
            Way::Three => {
                self.answer(two, Kind::Fin);
                self.answer(one, Kind::Ack);
            }
            Way::Crossing => {
                self.say(two, Kind::Fin);
                self.answer(one, Kind::Ack);
                self.say(two, Kind::Ack);
            }
        }
    }
}

/// Times between repetitions: each twice the one before.
struct Again(Duration);

impl Again {
    fn new(first: Duration) -> Self {
        Self(first)
    }

    fn next(&mut self) -> Duration {
        let now = self.0;
        self.0 = now.saturating_mul(2);
        now
    }
}
