//! What is kept of a live entry, and what a packet or its death tells about it.
//!
//! The hooks run at the *entry* of the kernel's functions, so a packet is seen before it acts:
//! the entry then shows what the packet before it has done. State changes and gaps are thus
//! noticed one packet late, but with their exact time, since an entry's timeout tells when it was
//! last refreshed. The last change of all is noticed at the entry's death.

use crate::{Cause, State, Timer, jiffies};

/// What is kept of a live entry. 48 bytes. Times are in jiffies that wrap as the kernel's timeouts do:
/// a life of more than 198 days at 250 Hz, 49 days at 1,000 Hz, is told too short by so much.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// When it was last refreshed.
    pub refreshed: u32,
    /// For how many jiffies that refresh armed it.
    pub armed: u32,
    /// When it was inserted; nothing if [`Record::OLDER`].
    pub born: u32,
    /// When its state was entered; nothing if [`Record::UNSEEN`].
    pub entered: u32,
    /// Longest resumed gap under each timer of its protocol ([`Timer::place`]), as bucket + 1;
    /// 0 if the timer was never seen armed.
    pub max_gap: [u16; Timer::PER_ENTRY],
    /// [`State`] id.
    pub state: u8,
    /// Id of the [`Timer`] armed by the last refresh.
    pub timer: u8,
    /// Slot of its namespace.
    pub slot: u8,
    /// [`Record::POLICY`] and the like.
    pub flags: u8,
    /// The namespace's epoch when the entry was last seen; that of [`Record::BLANK`] until the record is
    /// one.
    pub epoch: u32,
}

/// What a record has from its namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Slot of the namespace.
    pub slot: u8,
    /// Flags of the record.
    pub flags: u8,
}

/// How a visit to a state ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Another state followed.
    MovedOn,
    /// The entry expired in it.
    Expired,
    /// The entry died in it otherwise.
    Killed,
}

/// What a look at an entry shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The state it is in.
    pub state: State,
    /// The timer that armed its timeout; [`Timer::Unknown`] if that cannot be told.
    pub timer: Timer,
    /// When it was last refreshed, in jiffies; meaningless if the timer is unknown.
    pub refreshed: u32,
    /// For how many jiffies that refresh armed the entry; meaningless if the timer is unknown.
    pub armed: u32,
    /// Now, in jiffies.
    pub now: u32,
}

/// The last refresh of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refresh {
    /// The timer that armed it.
    pub timer: Timer,
    /// When, in jiffies.
    pub refreshed: u32,
    /// For how many jiffies.
    pub armed: u32,
}

/// Where findings go: counters and histograms in the kernel, a list in tests.
pub trait Sink {
    /// A visit to a state began.
    fn entered(&mut self, state: State);
    /// A visit to a state that began during the watch ended, after so many jiffies.
    fn left(&mut self, state: State, outcome: Outcome, jiffies: u32);
    /// A gap of at least one jiffy, armed by `timer`, was ended by a refresh; `bucket` is its place
    /// in a histogram.
    fn gap(&mut self, timer: Timer, micros: u64, bucket: usize);
    /// The longest gap of an entry under `timer` went from one bucket to another; `None` when the
    /// timer was first seen armed.
    fn max_gap(&mut self, timer: Timer, from: Option<usize>, to: usize, micros: u64);
    /// A gap could not be attributed.
    fn unattributed(&mut self, cause: Cause);
    /// So many jiffies in microseconds, and their place in a histogram.
    fn placed(&self, jiffies: u32) -> (u64, usize);
    /// The same index, as a number of which the compiler knows nothing: so it keeps the check
    /// against the array's length, which the kernel's verifier insists on.
    fn opaque(&self, index: usize) -> usize {
        index
    }
}

/// Where nothing is counted, since that is done by other means.
pub struct Uncounted;

impl Sink for Uncounted {
    #[inline(always)]
    fn entered(&mut self, _: State) {}
    #[inline(always)]
    fn left(&mut self, _: State, _: Outcome, _: u32) {}
    #[inline(always)]
    fn gap(&mut self, _: Timer, _: u64, _: usize) {}
    #[inline(always)]
    fn max_gap(&mut self, _: Timer, _: Option<usize>, _: usize, _: u64) {}
    #[inline(always)]
    fn unattributed(&mut self, _: Cause) {}
    #[inline(always)]
    fn placed(&self, _: u32) -> (u64, usize) {
        (0, 0)
    }
}

impl Record {
    /// In `flags`: a per-rule timeout policy governs the entry.
    pub const POLICY: u8 = 1;
    /// In `flags`: the next look does not tell when the entry was refreshed.
    pub const SKIP: u8 = 2;
    /// In `flags`: the entry was inserted before the watch.
    pub const OLDER: u8 = 4;
    /// In `flags`: the visit to the state began before the watch, so its length is unknown.
    pub const UNSEEN: u8 = 8;
    /// In `flags`: the entry's port had no place of its own.
    pub const OTHER_PORT: u8 = 16;
    /// In `flags`: it is known whether there is a policy.
    pub const CHECKED: u8 = 32;
    /// In `flags`: an entry of UDP-Lite, which has the states of UDP.
    pub const UDPLITE: u8 = 64;
    /// Those of `flags` that say that the entry's timeout is not its timer's.
    const OWN_TIMEOUT: u8 = Self::POLICY | Self::SKIP;

    /// Nothing is known yet.
    pub const BLANK: Self = Self {
        refreshed: 0,
        armed: 0,
        born: 0,
        entered: 0,
        max_gap: [0; Timer::PER_ENTRY],
        state: 0,
        timer: Timer::Unknown as u8,
        slot: 0,
        flags: 0,
        epoch: u32::MAX,
    };

    /// It is more than [`Record::BLANK`].
    #[inline(always)]
    #[must_use]
    pub const fn is_shown(&self) -> bool {
        self.epoch != Self::BLANK.epoch
    }

    /// Begins as the record of an entry that is inserted now, but for its epoch; its longest gaps are those of
    /// [`Record::BLANK`] already.
    #[inline(always)]
    pub fn insert(&mut self, seen: &Seen, origin: Origin, sink: &mut impl Sink) {
        sink.entered(seen.state);
        self.begin(seen, origin, sink);
    }

    /// Begins as the record of an entry that is older than the watch and is met for the first time; else
    /// as [`Record::insert`].
    #[inline(always)]
    pub fn adopt(&mut self, seen: &Seen, origin: Origin, sink: &mut impl Sink) {
        let flags = origin.flags | Self::OLDER | Self::UNSEEN;
        self.begin(seen, Origin { flags, ..origin }, sink);
    }

    #[inline(always)]
    fn begin(&mut self, seen: &Seen, origin: Origin, sink: &mut impl Sink) {
        self.refreshed = match seen.timer {
            Timer::Unknown => seen.now,
            _ => seen.refreshed,
        };
        self.armed = seen.armed;
        self.born = seen.now;
        self.entered = seen.now;
        self.state = seen.state as u8;
        self.timer = seen.timer as u8;
        self.slot = origin.slot;
        self.flags = origin.flags;
        self.armed_by(seen.timer, sink);
    }

    /// The entry's timeout is not its timer's.
    #[inline(always)]
    #[must_use]
    pub const fn has_own_timeout(&self) -> bool {
        self.flags & Self::OWN_TIMEOUT != 0
    }

    /// The entry's timeout is known to be that of a sysctl's timer.
    #[inline(always)]
    #[must_use]
    pub const fn has_sysctls_timeout(&self) -> bool {
        self.flags & (Self::OWN_TIMEOUT | Self::CHECKED) == Self::CHECKED
    }

    /// An entry with this timeout, in the state with this id, has not been refreshed since the last look, or
    /// in the same jiffy by a timer of the same length: there is nothing to take in, unless that
    /// may have been another timer (`stuck`, or the one of a connection that was). An established
    /// connection has timers whose difference a gap may be.
    #[inline(always)]
    #[must_use]
    pub fn is_current(&self, timeout: u32, state: u8, stuck: bool) -> bool {
        self.refreshed.wrapping_add(self.armed) == timeout
            && self.state == state
            && self.timer != Timer::Unknown as u8
            && self.timer != Timer::TcpMaxRetrans as u8
            && state != State::TcpEstablished as u8
            && !self.has_own_timeout()
            && !stuck
    }

    /// Takes in what a look at the entry shows: a refresh since the last look, a change of state.
    #[inline(always)]
    pub fn look(&mut self, seen: &Seen, sink: &mut impl Sink) {
        let timer = self.refresh(seen, sink);
        if self.timer != timer as u8 {
            self.timer = timer as u8;
            self.armed_by(timer, sink);
        }
        if self.state != seen.state as u8 {
            let changed = match timer {
                Timer::Unknown => seen.now,
                _ => seen.refreshed,
            };
            self.leave(Outcome::MovedOn, changed, sink);
            sink.entered(seen.state);
            self.state = seen.state as u8;
            self.entered = changed;
            self.flags &= !Self::UNSEEN;
        }
    }

    /// Files a gap of so many jiffies (0: none) in an unchanged state, under the timer that was `known`
    /// and before this refresh; false if more is to be noted than that, and then nothing was done.
    #[inline(always)]
    pub fn goes_on(&mut self, known: Timer, seen: Refresh, gap: u32, sink: &mut impl Sink) -> bool {
        let longest = |of: Timer| {
            let place = sink.opaque(of.place());
            self.max_gap.get(place).map_or(0, |it| *it)
        };
        // That it is armed was noted when it was first known.
        let is_other = known as u8 != seen.timer as u8;
        if is_other && longest(seen.timer) == 0 {
            return false;
        }
        if gap != 0 {
            let (micros, bucket) = sink.placed(gap);
            if bucket >= longest(known) as usize {
                return false;
            }
            sink.gap(known, micros, bucket);
        }
        self.refreshed = seen.refreshed;
        self.armed = seen.armed;
        self.timer = seen.timer as u8;
        true
    }

    /// The entry's state ends with the entry, at `end` (jiffies).
    #[inline(always)]
    pub fn leave(&self, outcome: Outcome, end: u32, sink: &mut impl Sink) {
        if self.flags & Self::UNSEEN == 0
            && let Some(state) = State::from_id(self.state as usize)
        {
            sink.left(state, outcome, jiffies::between(self.entered, end));
        }
    }

    /// Files the gap that a refresh has ended since the last look, and tells the timer that is
    /// armed now.
    #[inline(always)]
    fn refresh(&mut self, seen: &Seen, sink: &mut impl Sink) -> Timer {
        let jiffies = seen.refreshed.wrapping_sub(self.refreshed);
        if matches!(seen.timer, Timer::Unknown) {
            return Timer::Unknown;
        }
        if jiffies == 0 {
            // A second packet in the same jiffy may have armed another timer.
            self.armed = seen.armed;
            return seen.timer;
        }
        let known = Timer::from_id(self.timer as usize).unwrap_or(Timer::Unknown);
        let is_known = !matches!(known, Timer::Unknown);
        let went_back = jiffies > i32::MAX as u32;
        // The lookup for a packet removes what has expired, so no packet ends a gap longer than
        // what armed it; between the lookup and the refresh the clock may tick.
        let too_long = is_known && jiffies > self.armed.saturating_add(1);
        if went_back || too_long {
            // Not one refresh after the other: which of the two timers is not the one that armed
            // the entry is not known.
            if is_known {
                sink.unattributed(Cause::Inconsistent);
            }
            return Timer::Unknown;
        }
        self.refreshed = seen.refreshed;
        self.armed = seen.armed;
        if is_known {
            self.file(known, jiffies, sink);
        }
        seen.timer
    }

    #[inline(always)]
    fn file(&mut self, timer: Timer, jiffies: u32, sink: &mut impl Sink) {
        let (micros, bucket) = sink.placed(jiffies);
        sink.gap(timer, micros, bucket);
        if let Some(kept) = self.max_gap.get_mut(sink.opaque(timer.place()))
            && bucket >= *kept as usize
        {
            let from = (*kept as usize).checked_sub(1);
            *kept = bucket as u16 + 1;
            sink.max_gap(timer, from, bucket, micros);
        }
    }

    /// Notes that a timer was seen armed.
    #[inline(always)]
    fn armed_by(&mut self, timer: Timer, sink: &mut impl Sink) {
        if let Some(kept) = self.max_gap.get_mut(sink.opaque(timer.place()))
            && *kept == 0
            && !matches!(timer, Timer::Unknown)
        {
            *kept = 1;
            sink.max_gap(timer, None, 0, 0);
        }
    }
}

#[cfg(test)]
mod tests;
