//! Where findings are counted.

use tracker_common::{
    Cause, Loss, Proto, Reason, State, Timer, histogram,
    layout::{Counters, Histogram, HistogramId},
    record::{Outcome, Sink},
};

use crate::{
    asm, config,
    index::{self, masked},
    maps::{self, COUNTERS, HISTOGRAMS, LOSSES},
};

/// Counts a loss.
#[inline(always)]
pub fn loss(loss: Loss) {
    if let Some(losses) = LOSSES.get_ptr_mut(maps::cpu()) {
        // SAFETY: this CPU's value; a program that interrupts this one may lose one count.
        unsafe { (*losses).count[loss.id()] += 1 };
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
    u64::from(jiffies) * u64::from(config::TICK.load()) >> 10
}

/// The counters and histograms of one namespace on this CPU.
///
/// `SHARED`: the program may be interrupted by another one on this CPU, so it counts by instructions
/// that cannot be.
pub struct Tally<const SHARED: bool> {
    counters: &'static mut Counters,
    /// Index of this CPU's value of the first histogram.
    first: u32,
}

/// Of programs that run with interrupts by other programs held off.
pub type Alone = Tally<false>;
/// Of programs that may be interrupted.
pub type Shared = Tally<true>;

impl<const SHARED: bool> Tally<SHARED> {
    /// Those in a slot.
    #[inline(always)]
    pub fn of(slot: u32) -> Option<Self> {
        let cpu = maps::cpu();
        let counters = COUNTERS.get_ptr_mut(slot * config::CPUS.load() + cpu)?;
        // SAFETY: this CPU's value, which lives as long as the map.
        Some(Self {
            counters: unsafe { &mut *counters },
            first: slot * HistogramId::COUNT as u32 * config::CPUS.load() + cpu,
        })
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
        if let Some(bucket) = histogram.buckets.get_mut(index) {
            if SHARED {
                // SAFETY: a bucket of a map, aligned.
                unsafe { asm::add_u32(bucket, by) };
            } else {
                *bucket = bucket.wrapping_add(by);
            }
        }
    }

    #[inline(always)]
    fn histogram(&self, id: HistogramId) -> Option<&'static mut Histogram> {
        let index = self.first + id.place() as u32 * config::CPUS.load();
        // SAFETY: this CPU's value, which lives as long as the map.
        HISTOGRAMS
            .get_ptr_mut(index)
            .map(|histogram| unsafe { &mut *histogram })
    }

    #[inline(always)]
    fn value(&self, id: HistogramId, micros: u64, bucket: usize) {
        if let Some(histogram) = self.histogram(id) {
            Self::add(&mut histogram.sum_us, micros);
            if micros > histogram.max_us {
                histogram.max_us = micros;
            }
            Self::bucket(histogram, index::opaque(bucket, self.first), 1);
        }
    }

    /// Counts an insert.
    #[inline(always)]
    pub fn insert(&mut self, proto: Proto, pickup: bool) {
        let id = masked::<{ Proto::SLOTS }>(proto.id(), self.first);
        Self::count(&mut self.counters.inserts[id]);
        if pickup {
            Self::count(&mut self.counters.pickups[id]);
        }
    }

    /// Counts a death.
    #[inline(always)]
    pub fn death(&mut self, state: State, reason: Reason) {
        Self::count(
            &mut self.counters.deaths[masked::<{ State::SLOTS }>(state.id(), self.first)]
                [masked::<{ Reason::SLOTS }>(reason.id(), self.first)],
        );
    }

    /// Counts an expiry that was removed so many jiffies late.
    #[inline(always)]
    pub fn expiry(&mut self, timer: Timer, overdue: u32) {
        Self::count(
            &mut self.counters.timer_expired[masked::<{ Timer::SLOTS }>(timer.id(), self.first)],
        );
        let micros = self.micros(overdue);
        self.value(HistogramId::Overdue, micros, histogram::index(micros));
    }

    /// Counts a lifetime.
    #[inline(always)]
    pub fn lifetime(&self, jiffies: u32) {
        let micros = micros(jiffies);
        self.value(HistogramId::Lifetime, micros, histogram::index(micros));
    }

    /// Counts what a living entry has spent in its state.
    #[inline(always)]
    pub fn living(&mut self, state: State, micros: u64) {
        Self::add(
            &mut self.counters.live_us[masked::<{ State::SLOTS }>(state.id(), self.first)],
            micros,
        );
    }
}

impl<const SHARED: bool> Sink for Tally<SHARED> {
    #[inline(always)]
    fn entered(&mut self, state: State) {
        Self::count(&mut self.counters.entered[masked::<{ State::SLOTS }>(state.id(), self.first)]);
    }

    #[inline(always)]
    fn left(&mut self, state: State, outcome: Outcome, jiffies: u32) {
        let id = masked::<{ State::SLOTS }>(state.id(), self.first);
        Self::count(match outcome {
            Outcome::MovedOn => &mut self.counters.moved_on[id],
            Outcome::Expired => &mut self.counters.expired[id],
            Outcome::Killed => &mut self.counters.killed[id],
        });
        let micros = self.micros(jiffies);
        self.value(
            HistogramId::Residency(state),
            micros,
            histogram::index(micros),
        );
    }

    #[inline(always)]
    fn gap(&mut self, timer: Timer, micros: u64, bucket: usize) {
        Self::count(&mut self.counters.gaps[masked::<{ Timer::SLOTS }>(timer.id(), self.first)]);
        self.value(HistogramId::Gap(timer), micros, bucket);
    }

    #[inline(always)]
    fn max_gap(&mut self, timer: Timer, from: Option<usize>, to: usize, micros: u64) {
        let Some(from) = from else {
            Self::count(
                &mut self.counters.connections[masked::<{ Timer::SLOTS }>(timer.id(), self.first)],
            );
            return;
        };
        if let Some(histogram) = self.histogram(HistogramId::MaxGap(timer)) {
            if micros > histogram.max_us {
                histogram.max_us = micros;
            }
            // Nobody is counted in the first bucket: it holds whoever is in no other.
            if from != 0 {
                Self::bucket(histogram, index::opaque(from, self.first), u32::MAX);
            }
            Self::bucket(histogram, index::opaque(to, self.first), 1);
        }
    }

    #[inline(always)]
    fn unattributed(&mut self, cause: Cause) {
        Self::count(&mut self.counters.causes[masked::<{ Cause::SLOTS }>(cause.id(), self.first)]);
    }

    #[inline(always)]
    fn micros(&self, jiffies: u32) -> u64 {
        micros(jiffies)
    }

    #[inline(always)]
    fn opaque(&self, index: usize) -> usize {
        index::opaque(index, self.first)
    }
}
