//! What is kept of a living entry, and how it goes into the counters when it dies.

use tracker_common::{Proto, Reason, State, Timer};

use super::Span;
use super::tally::{Outcome, Tally};

/// A moment, known to lie between two jiffies since the first one of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moment {
    pub from: u32,
    pub to: u32,
}

impl From<Moment> for Span {
    fn from(moment: Moment) -> Self {
        Self {
            low: moment.from.into(),
            high: moment.to.into(),
        }
    }
}

impl Moment {
    /// So many jiffies later.
    pub fn after(self, jiffies: u32) -> Self {
        Self {
            from: self.from.saturating_add(jiffies),
            to: self.to.saturating_add(jiffies),
        }
    }
}

/// Longest gaps under timers that an entry had before, or under its present one if there was any.
type Gaps = Vec<(Timer, u32, u32)>;

/// A living entry.
#[derive(Clone, Debug)]
pub(super) struct Live {
    pub born: Moment,
    pub entered: Moment,
    pub refreshed: Moment,
    /// Most entries of a flood have none.
    gaps: Option<Box<Gaps>>,
    /// When it is next looked at for its expiry.
    pub queued: u32,
    pub port: u16,
    pub proto: Proto,
    pub state: State,
    pub timer: Timer,
}

impl Live {
    pub fn inserted(proto: Proto, port: u16, state: State, timer: Timer, at: Moment) -> Self {
        Self {
            born: at,
            entered: at,
            refreshed: at,
            gaps: None,
            queued: 0,
            port,
            proto,
            state,
            timer,
        }
    }

    pub fn refresh(&mut self, state: State, timer: Timer, at: Moment, tally: &mut Tally) {
        let gap = Span::from(at).since(self.refreshed.into());
        tally.resumed(self.timer, gap);
        if gap.high > 0 || timer != self.timer {
            self.note(gap);
        }
        if state != self.state {
            self.move_on(state, at, tally);
        }
        self.timer = timer;
        self.refreshed = at;
    }

    fn move_on(&mut self, state: State, at: Moment, tally: &mut Tally) {
        let residency = Span::from(at).since(self.entered.into());
        tally.left(self.state, Outcome::MovedOn, residency);
        tally.entered(state);
        self.state = state;
        self.entered = at;
    }

    fn note(&mut self, gap: Span) {
        let (low, high) = (gap.low as u32, gap.high as u32);
        let gaps = self.gaps.get_or_insert_default();
        match gaps.iter_mut().find(|(timer, ..)| *timer == self.timer) {
            Some(longest) => {
                longest.1 = longest.1.max(low);
                longest.2 = longest.2.max(high);
            }
            None => gaps.push((self.timer, low, high)),
        }
    }

    /// Its longest gap under each timer ever armed.
    pub fn longest(&self, tally: &mut Tally) {
        let gaps = self.gaps.iter().flat_map(|gaps| gaps.iter());
        let port = (self.proto, self.port);
        let mut armed = false;
        for &(timer, low, high) in gaps {
            armed |= timer == self.timer;
            tally.longest_to(
                port,
                timer,
                Span {
                    low: low.into(),
                    high: high.into(),
                },
            );
        }
        if !armed {
            tally.longest_to(port, self.timer, Span::default());
        }
    }

    /// It dies in a state that may be another one than it was in.
    pub fn die(mut self, state: State, reason: Reason, at: Moment, tally: &mut Tally) {
        if state != self.state {
            self.move_on(state, at, tally);
        }
        self.longest(tally);
        let outcome = match reason {
            Reason::Expired => Outcome::Expired,
            _ => Outcome::Killed,
        };
        tally.left(state, outcome, Span::from(at).since(self.entered.into()));
        tally.died(state, reason);
        if reason == Reason::Expired {
            tally.expired(self.timer);
        }
        let lifetime = Span::from(at).since(self.born.into());
        tally.lifetime.add(lifetime);
        let port = tally.ports.entry((self.proto, self.port)).or_default();
        port.deaths += 1;
        port.presence.low += lifetime.low;
        port.presence.high += lifetime.high;
    }
}
