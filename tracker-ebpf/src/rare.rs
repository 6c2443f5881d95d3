//! Histograms that all CPUs share, since little falls into them.

use tracker_common::{
    Timer,
    histogram::BUCKETS,
    layout::{Histogram, Rare},
};

use crate::{asm, index, maps::RARE, tally};

#[inline(always)]
fn of(slot: u32) -> Option<&'static mut Rare> {
    // SAFETY: a map value lives as long as its map. All that is written is added by instructions that
    // nothing can come between, but for maxima.
    RARE.get_ptr_mut(slot).map(|rare| unsafe { &mut *rare })
}

/// Counts an entry that a timer let expire, and that returned so many jiffies after its last refresh.
#[inline(always)]
pub fn returned(slot: u32, timer: Timer, jiffies: u32) {
    if let Some(rare) = of(slot) {
        let id = index::masked::<{ Timer::SLOTS }>(timer.id(), jiffies);
        add(
            &mut rare.counts.returned[id],
            &mut rare.returned[id],
            jiffies,
        );
    }
}

/// Counts a living entry that a timer armed so many jiffies ago.
#[inline(always)]
pub fn idle(slot: u32, timer: Timer, jiffies: u32) {
    if let Some(rare) = of(slot) {
        let id = index::masked::<{ Timer::SLOTS }>(timer.id(), jiffies);
        add(&mut rare.counts.idle[id], &mut rare.idle[id], jiffies);
    }
}

#[inline(always)]
fn add(count: &mut u64, histogram: &mut Histogram, jiffies: u32) {
    let (micros, bucket) = tally::placed(jiffies);
    let bucket = asm::below::<{ BUCKETS as i32 }>(bucket as u64);
    // SAFETY: fields of a map's value, aligned; the bucket is in its array.
    unsafe {
        asm::add_u32(histogram.buckets.as_mut_ptr().add(bucket), 1);
        asm::add_u64(&raw mut histogram.sum_us, micros);
        asm::add_u64(count, 1);
    }
    if micros > histogram.max_us {
        histogram.max_us = micros;
    }
}
