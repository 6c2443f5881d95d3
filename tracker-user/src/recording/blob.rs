//! Distributions as bytes: HdrHistogram's V2 format, in µs with two digits.
//!
//! A bucket is written as its highest value. Two digits (1 %) are finer than the buckets (3.2 %),
//! so reading gives exactly the same buckets back, and any HdrHistogram tool reads the bytes as
//! well. A third digit would tell nothing more and make the histogram that is walked for each blob
//! eight times as long.

use std::{cell::RefCell, ops::Range};

use hdrhistogram::{
    Histogram,
    serialization::{Deserializer, Serializer as _, V2Serializer},
};
use tracker_common::histogram::{BUCKETS, highest, index};

use super::Distribution;

/// Significant digits.
const DIGITS: u8 = 2;

/// Where the V2 format keeps digits, bounds and ratio, after its mark, length and offset.
const BOUNDS: Range<usize> = 12..40;

/// What [`BOUNDS`] holds.
fn bounds() -> [u8; 28] {
    let mut bytes = [0; 28];
    bytes[..4].copy_from_slice(&u32::from(DIGITS).to_be_bytes());
    bytes[4..12].copy_from_slice(&1_u64.to_be_bytes());
    bytes[12..20].copy_from_slice(&highest(BUCKETS - 1).to_be_bytes());
    bytes[20..].copy_from_slice(&1_f64.to_be_bytes());
    bytes
}

/// What encoding needs: 40 kB, so there is one for a thread.
struct Encoder {
    histogram: Histogram<u64>,
    serializer: V2Serializer,
}

impl Encoder {
    fn new() -> Self {
        let histogram = Histogram::new_with_bounds(1, highest(BUCKETS - 1), DIGITS)
            .expect("the bounds are constants that the crate accepts");
        Self {
            histogram,
            serializer: V2Serializer::new(),
        }
    }
}

thread_local! {
    static ENCODER: RefCell<Encoder> = RefCell::new(Encoder::new());
}

/// The distribution's buckets as V2 bytes.
pub fn encode(distribution: &Distribution) -> Vec<u8> {
    ENCODER.with_borrow_mut(
        |Encoder {
             histogram,
             serializer,
         }| {
            histogram.reset();
            for (bucket, count) in distribution.buckets() {
                histogram.saturating_record_n(highest(usize::from(bucket)), count);
            }
            let mut bytes = Vec::new();
            // Writing to memory does not fail.
            let _ = serializer.serialize(histogram, &mut bytes);
            bytes
        },
    )
}

/// The distribution in V2 bytes; `None` when they are not what [`encode`] writes.
pub fn decode(mut bytes: &[u8], sum_us: u64, max_us: u64) -> Option<Distribution> {
    // Other bounds would be read as well, into a histogram of whatever size they ask for.
    if bytes.get(BOUNDS)? != bounds() {
        return None;
    }
    let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut bytes).ok()?;
    if !bytes.is_empty() {
        return None;
    }
    let mut distribution = Distribution::default();
    (distribution.sum_us, distribution.max_us) = (sum_us, max_us);
    for value in histogram.iter_recorded() {
        let bucket = u16::try_from(index(value.value_iterated_to())).ok()?;
        distribution.put(bucket, value.count_at_value());
    }
    Some(distribution)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u64]) -> Distribution {
        let mut it = Distribution::default();
        for &value in values {
            it.add(value, 1);
        }
        it
    }

    #[test]
    fn every_bucket_comes_back_as_itself() {
        let mut all = Distribution::default();
        for bucket in 0..BUCKETS as u16 {
            all.put(bucket, u64::from(bucket) + 1);
        }
        assert_eq!(decode(&encode(&all), 0, 0), Some(all));
        let empty = Distribution::default();
        assert_eq!(decode(&encode(&empty), 0, 0), Some(empty));
    }

    #[test]
    fn other_bytes_are_refused() {
        let bytes = encode(&of(&[30_000_000]));
        assert!(decode(&bytes[..bytes.len() - 1], 0, 0).is_none());
        assert!(decode(&[], 0, 0).is_none());
        let mut huge = bytes;
        huge[4] = 0xff;
        assert!(decode(&huge, 0, 0).is_none());
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(values in prop::collection::vec(0_u64..1 << 44, 0..60)) {
            let it = of(&values);
            prop_assert_eq!(decode(&encode(&it), it.sum_us, it.max_us), Some(it));
        }

        #[test]
        fn damaged_bytes_never_panic(
            values in prop::collection::vec(0_u64..1 << 43, 1..30),
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        ) {
            let mut bytes = encode(&of(&values));
            for (at, byte) in damage {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let _ = decode(&bytes, 0, 0);
        }
    }
}
