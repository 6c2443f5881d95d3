//! A distribution of durations, as the histograms of the kernel side bucket them.

use std::collections::BTreeMap;

use tracker_common::{
    histogram::{BUCKETS, highest, index},
    layout::Histogram,
};

/// Counts by bucket of [`tracker_common::histogram`], with exact sum and maximum.
///
/// Only buckets that hold something take memory: a watch has hundreds of distributions, and most
/// of them use a few dozen of the 1,248 buckets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distribution {
    buckets: BTreeMap<u16, u64>,
    /// Sum of the values, in µs; 0 where it is not kept (longest gaps).
    pub sum_us: u64,
    /// Largest value, in µs.
    pub max_us: u64,
}

impl Distribution {
    /// No values.
    pub const EMPTY: Self = Self {
        buckets: BTreeMap::new(),
        sum_us: 0,
        max_us: 0,
    };

    /// The totals that a source shows, where buckets may also have gone down.
    #[must_use]
    pub fn of(histogram: &Histogram) -> Self {
        // The CPUs are read one after the other: a count that moves between two buckets meanwhile
        // can be missing once, and leaves a sum just below zero.
        let present = |count: u32| count != 0 && count < u32::MAX - 0xffff;
        let buckets = (0_u16..)
            .zip(histogram.buckets)
            .filter(|&(_, count)| present(count))
            .map(|(bucket, count)| (bucket, u64::from(count)))
            .collect();
        Self {
            buckets,
            sum_us: histogram.sum_us,
            max_us: histogram.max_us,
        }
    }

    /// Takes in a source's new totals, and gives back what they add to the last ones.
    pub fn advance(&mut self, histogram: &Histogram) -> Self {
        let mut added = Self::default();
        for (bucket, now) in (0_u16..).zip(histogram.buckets) {
            if now == 0 {
                continue;
            }
            let total = self.buckets.entry(bucket).or_default();
            let difference = now.wrapping_sub(*total as u32);
            if difference != 0 {
                *total += u64::from(difference);
                added.buckets.insert(bucket, u64::from(difference));
            }
        }
        added.sum_us = histogram.sum_us.wrapping_sub(self.sum_us);
        self.sum_us = histogram.sum_us;
        added.max_us = if histogram.max_us > self.max_us {
            histogram.max_us
        } else {
            added
                .buckets
                .last_key_value()
                .map_or(0, |(&bucket, _)| upper(bucket))
        };
        added.max_us = added.max_us.min(histogram.max_us);
        self.max_us = self.max_us.max(histogram.max_us);
        added
    }

    /// Adds `count` values of `micros`.
    pub fn add(&mut self, micros: u64, count: u64) {
        if count > 0 {
            self.put(index(micros) as u16, count);
            self.sum_us = self.sum_us.wrapping_add(micros.wrapping_mul(count));
            self.max_us = self.max_us.max(micros);
        }
    }

    /// Adds `count` values to a bucket, leaving sum and maximum alone.
    pub(super) fn put(&mut self, bucket: u16, count: u64) {
        let total = self
            .buckets
            .entry(bucket.min(BUCKETS as u16 - 1))
            .or_default();
        *total = total.saturating_add(count);
    }

    /// Adds another distribution.
    pub fn merge(&mut self, other: &Self) {
        for (&bucket, &count) in &other.buckets {
            self.put(bucket, count);
        }
        self.sum_us = self.sum_us.wrapping_add(other.sum_us);
        self.max_us = self.max_us.max(other.max_us);
    }

    /// Values held.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets
            .values()
            .fold(0, |sum: u64, &count| sum.saturating_add(count))
    }

    /// Nothing held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Upper edges of the buckets that hold something, in µs, ascending, with their counts. No
    /// edge lies above the largest value.
    pub fn edges(&self) -> impl DoubleEndedIterator<Item = (u64, u64)> {
        self.buckets
            .iter()
            .map(|(&bucket, &count)| (upper(bucket).min(self.max_us), count))
    }

    /// The value that a share `q` of all values does not exceed, in µs: an upper edge, so never
    /// too small. 0 when empty.
    #[must_use]
    pub fn quantile_us(&self, q: f64) -> u64 {
        let count = self.count();
        let rank = ((q.clamp(0.0, 1.0) * count as f64).ceil() as u64).clamp(1, count.max(1));
        self.at_rank(rank)
    }

    /// The value of this rank (1 is the smallest), in µs, as an upper edge.
    #[must_use]
    pub fn at_rank(&self, rank: u64) -> u64 {
        let mut seen = 0_u64;
        for (edge, count) in self.edges() {
            seen = seen.saturating_add(count);
            if seen >= rank {
                return edge;
            }
        }
        self.max_us
    }

    /// Values that may exceed `micros`: those of every bucket whose upper edge does.
    #[must_use]
    pub fn exceeding(&self, micros: u64) -> u64 {
        self.edges()
            .rev()
            .take_while(|&(edge, _)| edge > micros)
            .fold(0, |sum: u64, (_, count)| sum.saturating_add(count))
    }

    /// Buckets that hold something, with their counts.
    pub(super) fn buckets(&self) -> impl Iterator<Item = (u16, u64)> {
        self.buckets.iter().map(|(&bucket, &count)| (bucket, count))
    }
}

fn upper(bucket: u16) -> u64 {
    highest(usize::from(bucket))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_distribution_answers_zero() {
        let empty = Distribution::default();
        assert_eq!(
            (empty.count(), empty.quantile_us(0.99), empty.exceeding(0)),
            (0, 0, 0)
        );
    }

    #[test]
    fn quantiles_are_upper_edges_and_end_at_the_maximum() {
        let mut it = Distribution::default();
        it.add(1_000, 99);
        it.add(1_000_000, 1);
        assert!((1_000..1_032).contains(&it.quantile_us(0.5)));
        assert!((1_000..1_032).contains(&it.quantile_us(0.99)));
        assert_eq!(it.quantile_us(1.0), 1_000_000);
        assert_eq!(it.exceeding(2_000), 1);
        assert_eq!(it.exceeding(1_000_000), 0);
    }

    #[test]
    fn differences_survive_the_wrapping_of_a_bucket() {
        let mut total = Distribution::default();
        let mut shown = Box::new(Histogram::ZERO);
        shown.buckets[7] = u32::MAX;
        shown.max_us = 7;
        total.advance(&shown);
        shown.buckets[7] = 4;
        let added = total.advance(&shown);
        assert_eq!(added.count(), 5);
        assert_eq!(total.count(), u64::from(u32::MAX) + 5);
    }

    #[test]
    fn a_bucket_below_zero_is_taken_as_empty() {
        let mut shown = Box::new(Histogram::ZERO);
        shown.buckets[3] = u32::MAX;
        shown.buckets[9] = 2;
        assert_eq!(Distribution::of(&shown).count(), 2);
    }

    proptest! {
        #[test]
        fn differences_add_up_to_the_total(
            values in prop::collection::vec(prop::collection::vec(0_u64..1 << 44, 0..20), 1..8),
        ) {
            let mut shown = Box::new(Histogram::ZERO);
            let mut total = Distribution::default();
            let mut summed = Distribution::default();
            for interval in values {
                for value in interval {
                    shown.add(value);
                }
                summed.merge(&total.advance(&shown));
            }
            prop_assert_eq!(&summed, &total);
            prop_assert_eq!(total, Distribution::of(&shown));
        }

        #[test]
        fn quantiles_grow_with_their_share(
            values in prop::collection::vec(0_u64..1 << 43, 1..50), a in 0.0..1.0, b in 0.0..1.0,
        ) {
            let mut it = Distribution::default();
            for value in &values {
                it.add(*value, 1);
            }
            let (low, high) = if a < b { (a, b) } else { (b, a) };
            prop_assert!(it.quantile_us(low) <= it.quantile_us(high));
            prop_assert!(it.quantile_us(1.0) == *values.iter().max().unwrap());
            prop_assert_eq!(it.exceeding(it.quantile_us(1.0)), 0);
        }
    }
}
