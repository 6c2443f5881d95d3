//! Where findings are counted.

use tracker_common::{
    Cause, Loss, Proto, Reason, State, Timer, histogram,
    layout::{Counters, Histogram, HistogramId},
    record::{Outcome, Sink},
};

use crate::{
    config,
    index::{self, masked},
    maps::{self, COUNTERS, HISTOGRAMS, LOSSES},
};

/// Counts a loss.
#[inline(always)]
pub fn loss(loss: Loss) {
    if let Some(losses) = LOSSES.get_ptr_mut(maps::cpu()) {
        // SAFETY: this CPU's value; a program that interrupts this one may lose one count.
        unsafe { (*losses).count[masked::<{ Loss::SLOTS }>(loss.id())] += 1 };
    }
}

/// Times that a loss was counted on this CPU.
#[inline(always)]
pub fn losses(loss: Loss) -> u64 {
    LOSSES.get(maps::cpu()).map_or(0, |losses| {
        losses.count[masked::<{ Loss::SLOTS }>(loss.id())]
    })
}

/// The counters and histograms of one namespace on this CPU.
pub struct Tally {
    counters: &'static mut Counters,
    /// Index of this CPU's value of the first histogram.
    first: u32,
}

impl Tally {
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
    fn histogram(&self, id: HistogramId) -> Option<&'static mut Histogram> {
        let index = self.first + id.place() as u32 * config::CPUS.load();
        // SAFETY: this CPU's value, which lives as long as the map.
        HISTOGRAMS
            .get_ptr_mut(index)
            .map(|histogram| unsafe { &mut *histogram })
    }

    #[inline(always)]
    fn add(&self, id: HistogramId, micros: u64) {
        if let Some(histogram) = self.histogram(id) {
            histogram.add_at(micros, index::opaque(histogram::index(micros)));
        }
    }

    /// Counts an insert.
    #[inline(always)]
    pub fn insert(&mut self, proto: Proto, pickup: bool) {
        let id = masked::<{ Proto::SLOTS }>(proto.id());
        self.counters.inserts[id] += 1;
        if pickup {
            self.counters.pickups[id] += 1;
        }
    }

    /// Counts a death.
    #[inline(always)]
    pub fn death(&mut self, state: State, reason: Reason) {
        self.counters.deaths[masked::<{ State::SLOTS }>(state.id())]
            [masked::<{ Reason::SLOTS }>(reason.id())] += 1;
    }

    /// Counts an expiry that was removed so many microseconds late.
    #[inline(always)]
    pub fn expiry(&mut self, timer: Timer, overdue_us: u64) {
        self.counters.timer_expired[masked::<{ Timer::SLOTS }>(timer.id())] += 1;
        self.add(HistogramId::Overdue, overdue_us);
    }

    /// Counts a lifetime.
    #[inline(always)]
    pub fn lifetime(&self, micros: u64) {
        self.add(HistogramId::Lifetime, micros);
    }

    /// Counts what a living entry has spent in its state.
    #[inline(always)]
    pub fn living(&mut self, state: State, micros: u64) {
        self.counters.live_us[masked::<{ State::SLOTS }>(state.id())] += micros;
    }
}

impl Sink for Tally {
    #[inline(always)]
    fn entered(&mut self, state: State) {
        self.counters.entered[masked::<{ State::SLOTS }>(state.id())] += 1;
    }

    #[inline(always)]
    fn left(&mut self, state: State, outcome: Outcome, jiffies: u64) {
        let id = masked::<{ State::SLOTS }>(state.id());
        match outcome {
            Outcome::MovedOn => self.counters.moved_on[id] += 1,
            Outcome::Expired => self.counters.expired[id] += 1,
            Outcome::Killed => self.counters.killed[id] += 1,
        }
        self.add(HistogramId::Residency(state), self.micros(jiffies));
    }

    #[inline(always)]
    fn gap(&mut self, timer: Timer, micros: u64, bucket: usize) {
        self.counters.gaps[masked::<{ Timer::SLOTS }>(timer.id())] += 1;
        if let Some(histogram) = self.histogram(HistogramId::Gap(timer)) {
            histogram.add_at(micros, index::opaque(bucket));
        }
    }

    #[inline(always)]
    fn max_gap(&mut self, timer: Timer, from: Option<usize>, to: usize, micros: u64) {
        if from.is_none() {
            self.counters.connections[masked::<{ Timer::SLOTS }>(timer.id())] += 1;
        }
        if let Some(histogram) = self.histogram(HistogramId::MaxGap(timer)) {
            // Out of range is none: a choice here is one that 5.10's verifier loses track of.
            let from = Some(index::opaque(from.unwrap_or(histogram::BUCKETS)));
            histogram.raise(from, index::opaque(to), micros);
        }
    }

    #[inline(always)]
    fn unattributed(&mut self, cause: Cause) {
        self.counters.causes[masked::<{ Cause::SLOTS }>(cause.id())] += 1;
    }

    #[inline(always)]
    fn micros(&self, jiffies: u64) -> u64 {
        jiffies * u64::from(config::TICK_NS.load()) / 1000
    }

    #[inline(always)]
    fn opaque(&self, index: usize) -> usize {
        index::opaque(index)
    }
}
