//! A connection under way: its script's place, and what its packets have done to its entry.

use std::collections::VecDeque;
use std::time::Duration;

use tracker_common::{Proto, State, Timer};

use super::program::{Place, Program};
use super::step::{Do, End};
use super::talk::{self, Talk};
use super::{tcp, udp};
use crate::lab::packet::{Body, Due, Effect, Packet, Side, Tuple};
use crate::lab::random::Chance;
use crate::lab::scenario::Timeouts;

/// No packet is sent so near to a moment on which its effect hinges.
pub(super) const CLEAR: Duration = Duration::from_millis(50);

/// No connection sends anything after a century: its time in nanoseconds fits into 64 bits.
const END: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Bytes of data in a packet, at most.
pub(super) const MOST_BYTES: u32 = 1400;

/// A connection under way.
#[derive(Debug)]
pub struct Connection {
    number: u32,
    tuple: Tuple,
    place: Place,
    pub(super) chance: Chance,
    /// When the next packet is sent, or the last one was.
    pub(super) at: Duration,
    /// How long an answer takes.
    pub(super) answer: Duration,
    pub(super) entry: Option<Entry>,
    pub(super) tcp: tcp::Ends,
    pub(super) echoes: u16,
    /// What is under way of a step that goes on for long.
    talk: Option<Talk>,
    cut: Cut,
    out: VecDeque<Due>,
}

/// Whether a connection went on after its entry had expired. A SYN does not go on, it begins anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Cut {
    #[default]
    Not,
    /// It did, and nobody knows yet: the timer that let the entry expire.
    Under(Timer),
    Told,
}

/// The entry of a connection, as its packets have left it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub state: State,
    pub timer: Timer,
    pub inserted: Duration,
    pub refreshed: Duration,
    /// The server has sent something.
    pub answered: bool,
}

impl Connection {
    /// Begins at a time. Answers take half of the time that there and back takes.
    #[must_use]
    pub fn new(number: u32, tuple: Tuple, at: Duration, rtt: Duration, chance: Chance) -> Self {
        let mut chance = chance;
        Self {
            number,
            tuple,
            place: Place::default(),
            tcp: tcp::Ends::new(&mut chance),
            chance,
            at,
            answer: rtt / 2,
            entry: None,
            echoes: 0,
            talk: None,
            cut: Cut::Not,
            out: VecDeque::new(),
        }
    }

    /// The time of its next packet; `None` when its script has ended.
    pub fn next_at(&mut self, program: &Program, timeouts: &Timeouts) -> Option<Duration> {
        while self.out.is_empty() {
            if self.at >= END {
                return None;
            }
            if let Some((pause, says)) = self.talk.as_mut().and_then(Talk::go_on) {
                self.pause(pause);
                self.act(&says, timeouts);
            } else {
                let step = self.place.step(program, &mut self.chance)?;
                self.act(step, timeouts);
            }
        }
        self.place.sent();
        self.out.front().map(|due| due.at)
    }

    /// Takes its next packet.
    pub fn take(&mut self) -> Option<Due> {
        self.out.pop_front()
    }

    /// Between whom it is.
    #[must_use]
    pub const fn tuple(&self) -> &Tuple {
        &self.tuple
    }

    /// The timer that cut the connection; only once, however often it was.
    pub fn newly_cut(&mut self) -> Option<Timer> {
        let Cut::Under(timer) = self.cut else {
            return None;
        };
        self.cut = Cut::Told;
        Some(timer)
    }

    fn act(&mut self, step: &Do, timeouts: &Timeouts) {
        match step {
            Do::Talk {
                lasts,
                pause,
                bytes,
                answered,
            } => {
                let lasts = lasts.draw(&mut self.chance);
                let pause = pause.draw(&mut self.chance);
                let says = talk::says(self.proto(), bytes, *answered);
                self.talk = Some(Talk::new(lasts, pause, says));
            }
            Do::Pause(time) => {
                let time = time.draw(&mut self.chance);
                self.pause(time);
            }
            Do::Datagram { .. } | Do::Exchange { .. } | Do::Stream { .. } => {
                udp::act(self, step, timeouts);
            }
            Do::Echo { bytes, answered } => {
                let bytes = bytes.draw(&mut self.chance);
                self.echo(bytes, *answered, timeouts);
            }
            step => tcp::act(self, step, timeouts),
        }
    }

    pub(super) fn pause(&mut self, time: Duration) {
        self.at = self.at.max(self.at.saturating_add(time).min(END));
    }

    pub(super) fn wait_for_answer(&mut self) {
        self.pause(self.answer);
    }

    pub(super) const fn proto(&self) -> Proto {
        self.tuple.proto
    }

    /// Puts the next packet of a connection that goes on off until nothing that its effect hinges
    /// on is near, and lets go of an entry that has expired by then: the connection is cut.
    pub(super) fn clear(&mut self, timeouts: &Timeouts, hinges: Option<Duration>) {
        let expired = self.let_expire(timeouts, hinges);
        if let (Cut::Not, Some(timer)) = (self.cut, expired) {
            self.cut = Cut::Under(timer);
        }
    }

    /// Likewise, of a packet that may begin a connection anew; gives back the timer that let the
    /// entry expire, if one did.
    pub(super) fn let_expire(
        &mut self,
        timeouts: &Timeouts,
        hinges: Option<Duration>,
    ) -> Option<Timer> {
        let entry = self.entry?;
        let expiry = entry.refreshed + Duration::from_secs(timeouts.seconds(entry.timer));
        // Away from the earlier of the two may lead near to the later one.
        for _ in 0..2 {
            for moment in [Some(expiry), hinges].into_iter().flatten() {
                if self.at + CLEAR > moment && self.at < moment + CLEAR {
                    self.at = moment + CLEAR;
                }
            }
        }
        (self.at > expiry).then(|| {
            self.entry = None;
            entry.timer
        })
    }

    /// Sends a packet whose effect is known.
    pub(super) fn put(&mut self, side: Side, body: Body, effect: Effect) {
        let at = self.at;
        match effect {
            Effect::Insert { state, timer, .. } | Effect::Reopen { state, timer } => {
                self.entry = Some(Entry {
                    state,
                    timer,
                    inserted: at,
                    refreshed: at,
                    answered: false,
                });
            }
            Effect::Refresh { state, timer } => {
                if let Some(entry) = &mut self.entry {
                    (entry.state, entry.timer) = (state, timer);
                    entry.refreshed = at;
                }
            }
            Effect::Kill { .. } => self.entry = None,
            Effect::Nothing => {}
        }
        if let Some(entry) = &mut self.entry {
            entry.answered |= side == Side::Server;
        }
        let packet = Packet {
            connection: self.number,
            side,
            tuple: self.tuple,
            body,
            effect,
        };
        self.out.push_back(Due { at, packet });
    }
}

/// The end across.
pub(super) const fn other(side: Side) -> Side {
    match side {
        Side::Client => Side::Server,
        Side::Server => Side::Client,
    }
}

pub(super) fn side(end: End) -> Side {
    end.into()
}
