//! Buckets of the log-linear histograms: 32 to an octave, so at most 3.2 % wide.
//!
//! Values are microseconds from 0 to about 100 days. Below 32 µs each value has a bucket of its
//! own; from there on each octave `[2^e, 2^(e+1))` is cut into 32 equal buckets.

/// Sub-buckets to an octave, as a power of two.
const SUB_BITS: u32 = 5;
const SUB: usize = 1 << SUB_BITS;
/// Highest octave: values up to 2^43 µs, 101 days.
const TOP: u32 = 42;

/// Buckets in a histogram.
pub const BUCKETS: usize = (TOP - SUB_BITS + 2) as usize * SUB;

/// Bucket of a value in µs. Values beyond the range fall into the last bucket.
#[inline(always)]
#[must_use]
pub const fn index(micros: u64) -> usize {
    if micros < SUB as u64 {
        return micros as usize;
    }
    let octave = 63 - micros.leading_zeros();
    if octave > TOP {
        return BUCKETS - 1;
    }
    let shift = octave - SUB_BITS;
    // The leading one bit of `micros >> shift` is worth SUB: it completes the octave's base.
    shift as usize * SUB + (micros >> shift) as usize
}

/// So many jiffies from 0 on have their bucket in a table: 131 s at 250 Hz.
pub const PLACED: usize = 1 << 15;

/// Smallest value of a bucket, in µs.
#[must_use]
pub const fn lowest(index: usize) -> u64 {
    let octave = index / SUB;
    if octave < 2 {
        return index as u64;
    }
    ((SUB + index % SUB) as u64) << (octave - 1)
}

/// Largest value of a bucket, in µs.
#[must_use]
pub const fn highest(index: usize) -> u64 {
    lowest(index + 1) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_buckets_join_without_gap_or_overlap() {
        for i in 0..BUCKETS {
            assert_eq!(index(lowest(i)), i);
            assert_eq!(index(highest(i)), i);
            if i > 0 {
                assert_eq!(lowest(i), highest(i - 1) + 1);
            }
        }
    }

    #[test]
    fn a_hundred_days_fit_and_more_is_clamped() {
        assert!(index(100 * 86_400 * 1_000_000) < BUCKETS - 1);
        assert_eq!(index(u64::MAX), BUCKETS - 1);
        assert_eq!(index(1 << 43), BUCKETS - 1);
    }

    proptest! {
        #[test]
        fn a_bucket_is_at_most_3_2_percent_wide(micros in 32_u64..1 << 43) {
            let i = index(micros);
            prop_assert!(lowest(i) <= micros && micros <= highest(i));
            prop_assert!((highest(i) - lowest(i)) as f64 <= 0.032 * micros as f64);
        }

        #[test]
        fn order_is_kept(a: u64, b: u64) {
            prop_assert_eq!(a <= b || index(a) >= index(b), true);
        }
    }
}
