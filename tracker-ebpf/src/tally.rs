//! Where findings are counted.

use tracker_common::{
    Cause, Loss, Proto, Reason, State, Timer,
    histogram::{self, BUCKETS},
    layout::{Bank, Histogram},
    record::{Outcome, Sink},
};

use crate::{
    asm, config, index,
    maps::{self, LOSSES},
    strata::News,
};

/// Counts a loss.
#[inline(always)]
pub fn loss(loss: Loss) {
    if let Some(losses) = LOSSES.get_ptr_mut(maps::cpu()) {
        // SAFETY: a counter of this CPU's value, aligned.
        unsafe { asm::add_u64(&raw mut (*losses).count[loss.id()], 1) };
    }
}

/// Times that a loss was counted on this CPU.
#[inline(always)]
pub fn losses(loss: Loss) -> u64 {
    LOSSES
        .get(maps::cpu())
        .map_or(0, |losses| losses.count[loss.id()])
}

/// Microseconds in so many jiffies.
#[inline(always)]
pub fn micros(jiffies: u32) -> u64 {
    of_tick(jiffies, config::TICK.load())
}

/// [`micros`], where a jiffy has so many 1/1024 µs.
#[inline(always)]
fn of_tick(jiffies: u32, tick: u32) -> u64 {
    (u64::from(jiffies) * u64::from(tick)) >> 10
}

/// So many jiffies in microseconds, and the bucket that they fall into.
#[inline(always)]
pub fn placed(jiffies: u32) -> (u64, usize) {
    placed_at(jiffies, config::TICK.load())
}

/// [`placed`], where a jiffy has so many 1/1024 µs.
#[inline(always)]
fn placed_at(jiffies: u32, tick: u32) -> (u64, usize) {
    let micros = of_tick(jiffies, tick);
    let bucket = config::bucket_of(jiffies).unwrap_or_else(|| histogram::index(micros));
    (micros, bucket)
}

/// Counts in a [`Bank`].
///
/// `SHARED`: the program may be interrupted by another one on this CPU, so it counts by instructions
/// that cannot be. `KNOWN`: ids are few, or numbers of which the verifier knows nothing.
pub struct Tally<'a, const SHARED: bool, const KNOWN: bool> {
    bank: &'a mut Bank,
    /// What is to be noted by port.
    pub news: News,
    /// Any number, of which the verifier knows nothing.
    noise: u32,
}

/// Of programs that no other one interrupts: softirqs are off where they are called, but for the hooks that
/// are second choice, and on a kernel with real-time preemption.
pub type Alone<'a> = Tally<'a, false, false>;
/// The same, with ids that need no hiding.
pub type Known<'a> = Tally<'a, false, true>;
/// Of programs that may be interrupted.
pub type Shared<'a> = Tally<'a, true, false>;
/// The same, with ids that need no hiding.
pub type SharedKnown<'a> = Tally<'a, true, true>;

impl<'a, const SHARED: bool, const KNOWN: bool> Tally<'a, SHARED, KNOWN> {
    /// Counts in this bank.
    #[inline(always)]
    pub fn new(bank: &'a mut Bank) -> Self {
        Self {
            noise: bank.epoch,
            news: News::NONE,
            bank,
        }
    }

    #[inline(always)]
    fn count(counter: &mut u64) {
        Self::add(counter, 1);
    }

    #[inline(always)]
    fn add(counter: &mut u64, by: u64) {
        if SHARED {
            // SAFETY: a counter of a map, aligned.
            unsafe { asm::add_u64(counter, by) };
        } else {
            *counter = counter.wrapping_add(by);
        }
    }

    #[inline(always)]
    fn bucket(histogram: &mut Histogram, index: usize, by: u32) {
        let index = asm::below::<{ BUCKETS as i32 }>(index as u64);
        // SAFETY: in the array.
        let bucket = unsafe { &mut *histogram.buckets.as_mut_ptr().add(index) };
        if SHARED {
            // SAFETY: a bucket of a map, aligned.
            unsafe { asm::add_u32(bucket, by) };
        } else {
            *bucket = bucket.wrapping_add(by);
        }
    }

    #[inline(always)]
    fn value(histogram: &mut Histogram, micros: u64, bucket: usize) {
        Self::add(&mut histogram.sum_us, micros);
        if micros > histogram.max_us {
            histogram.max_us = micros;
        }
        Self::bucket(histogram, bucket, 1);
    }

    #[inline(always)]
    fn masked<const N: usize>(&self, id: usize) -> usize {
        if KNOWN {
            asm::hidden(id as u64) as usize & (N - 1)
        } else {
            index::masked::<N>(id, self.noise)
        }
    }

    /// Counts an insert.
    #[inline(always)]
    pub fn insert(&mut self, proto: Proto, pickup: bool) {
        let id = self.masked::<{ Proto::SLOTS }>(proto.id());
        Self::count(&mut self.bank.counters.inserts[id]);
        if pickup {
            Self::count(&mut self.bank.counters.pickups[id]);
        }
    }

    /// Counts an insert by the first packet of a connection, with all that goes with it.
    #[inline(always)]
    pub fn begun(&mut self, proto: Proto) {
        let id = self.masked::<{ Proto::SLOTS }>(proto.id());
        Self::count(&mut self.bank.usual.begun[id]);
    }

    /// Counts a death.
    #[inline(always)]
    pub fn death(&mut self, state: State, reason: Reason) {
        let row = self.masked::<{ State::SLOTS }>(state.id());
        let column = self.masked::<{ Reason::SLOTS }>(reason.id());
        Self::count(&mut self.bank.counters.deaths[row][column]);
    }

    /// Counts an expiry that was removed so many jiffies late.
    #[inline(always)]
    pub fn expiry(&mut self, timer: Timer, overdue: u32) {
        let id = self.masked::<{ Timer::SLOTS }>(timer.id());
        Self::count(&mut self.bank.counters.timer_expired[id]);
        let (micros, bucket) = self.placed(overdue);
        Self::value(&mut self.bank.overdue, micros, bucket);
    }

    /// Counts the death of an entry that ran out of time: ids of its state and of the timer that armed
    /// it, its life and its stay in the state in jiffies, and how many jiffies late it was removed. Gives
    /// the life in µs.
    #[inline(always)]
    pub fn ran_out(&mut self, state: u8, timer: u8, life: u32, stay: u32, overdue: u32) -> u64 {
        let state = self.masked::<{ State::SLOTS }>(state as usize);
        let timer = self.masked::<{ Timer::SLOTS }>(timer as usize);
        Self::count(&mut self.bank.usual.ran_out[state][timer]);
        let tick = config::TICK.load();
        let (life_us, in_life) = placed_at(life, tick);
        // Many never leave the state that they begin in.
        let (stay_us, in_stay) = if stay == life {
            (life_us, in_life)
        } else {
            placed_at(stay, tick)
        };
        let (overdue_us, in_overdue) = placed_at(overdue, tick);
        Self::value(&mut self.bank.lifetime, life_us, in_life);
        Self::value(&mut self.bank.residency[state], stay_us, in_stay);
        Self::value(&mut self.bank.overdue, overdue_us, in_overdue);
        life_us
    }

    /// Counts a lifetime.
    #[inline(always)]
    pub fn lifetime(&mut self, jiffies: u32) {
        let (micros, bucket) = self.placed(jiffies);
        Self::value(&mut self.bank.lifetime, micros, bucket);
    }

    /// Counts what a living entry has spent in its state.
    #[inline(always)]
    pub fn living(&mut self, state: State, micros: u64) {
        let id = self.masked::<{ State::SLOTS }>(state.id());
        Self::add(&mut self.bank.counters.live_us[id], micros);
    }
}

impl<const SHARED: bool, const KNOWN: bool> Sink for Tally<'_, SHARED, KNOWN> {
    #[inline(always)]
    fn entered(&mut self, state: State) {
        let id = self.masked::<{ State::SLOTS }>(state.id());
        Self::count(&mut self.bank.counters.entered[id]);
    }

    #[inline(always)]
    fn left(&mut self, state: State, outcome: Outcome, jiffies: u32) {
        let id = self.masked::<{ State::SLOTS }>(state.id());
        Self::count(match outcome {
            Outcome::MovedOn => &mut self.bank.counters.moved_on[id],
            Outcome::Expired => &mut self.bank.counters.expired[id],
            Outcome::Killed => &mut self.bank.counters.killed[id],
        });
        let (micros, bucket) = self.placed(jiffies);
        Self::value(&mut self.bank.residency[id], micros, bucket);
    }

    #[inline(always)]
    fn gap(&mut self, timer: Timer, micros: u64, bucket: usize) {
        let id = self.masked::<{ Timer::SLOTS }>(timer.id());
        Self::count(&mut self.bank.counters.gaps[id]);
        Self::value(&mut self.bank.gap[id], micros, bucket);
    }

    #[inline(always)]
    fn max_gap(&mut self, timer: Timer, from: Option<usize>, to: usize, micros: u64) {
        let id = self.masked::<{ Timer::SLOTS }>(timer.id());
        let Some(from) = from else {
            self.news.armed(timer);
            Self::count(&mut self.bank.counters.connections[id]);
            return;
        };
        self.news.raised(timer, from, to);
        let histogram = &mut self.bank.max_gap[id];
        if micros > histogram.max_us {
            histogram.max_us = micros;
        }
        // Nobody is counted in the first bucket: it holds whoever is in no other.
        if from != 0 {
            Self::bucket(histogram, from, u32::MAX);
        }
        Self::bucket(histogram, to, 1);
    }

    #[inline(always)]
    fn unattributed(&mut self, cause: Cause) {
        let id = self.masked::<{ Cause::SLOTS }>(cause.id());
        Self::count(&mut self.bank.counters.causes[id]);
    }

    #[inline(always)]
    fn placed(&self, jiffies: u32) -> (u64, usize) {
        let (micros, bucket) = placed(jiffies);
        // However it was found, what follows is verified once.
        let bucket = if KNOWN { bucket } else { self.opaque(bucket) };
        (micros, bucket)
    }

    #[inline(always)]
    fn opaque(&self, index: usize) -> usize {
        if KNOWN {
            asm::hidden(index as u64) as usize
        } else {
            index::opaque(index, self.noise)
        }
    }
}
