//! Distributions as bytes: HdrHistogram's V2 format, in µs with three digits.
//!
//! Written and read straight from and to the few buckets that hold something: going through an
//! `hdrhistogram::Histogram` would walk 35,000 counters each time, and hold 280 kB. The tests
//! compare with that crate, byte for byte.
//!
//! A bucket is written as its highest value. Three digits are finer than the buckets, so reading
//! gives exactly the same buckets back, and any HdrHistogram tool reads the bytes as well.

use integer_encoding::VarInt;
use tracker_common::histogram::{BUCKETS, highest, index};

use super::Distribution;

/// The V2 format's mark.
const COOKIE: u32 = 0x1c84_9313;
/// Three significant digits take 2,048 sub-buckets, of which half are new in each octave.
const HALF_BITS: u32 = 10;
const HALF: u64 = 1 << HALF_BITS;
/// Below this, HdrHistogram's integers are ordinary LEB128, and no count gets near it.
const LARGEST_COUNT: u64 = 1 << 54;

/// The distribution's buckets as V2 bytes.
pub fn encode(distribution: &Distribution) -> Vec<u8> {
    let mut counts = Vec::new();
    let mut next = 0;
    for (bucket, count) in distribution.buckets().filter(|&(_, count)| count > 0) {
        let place = place(highest(usize::from(bucket)));
        match place - next {
            0 => {}
            1 => put(&mut counts, 0),
            zeros => put(&mut counts, -zeros.cast_signed()),
        }
        put(&mut counts, count.min(LARGEST_COUNT).cast_signed());
        next = place + 1;
    }
    if counts.is_empty() {
        // As the crate writes it: the count of the value 0.
        put(&mut counts, 0);
    }
    let mut bytes = header(counts.len() as u32).to_vec();
    bytes.extend(counts);
    bytes
}

/// The distribution in V2 bytes; `None` when they are not what [`encode`] writes.
pub fn decode(bytes: &[u8], sum_us: u64, max_us: u64) -> Option<Distribution> {
    let (head, mut counts) = bytes.split_first_chunk()?;
    if *head != header(u32::try_from(counts.len()).ok()?) {
        return None;
    }
    let mut distribution = Distribution::default();
    (distribution.sum_us, distribution.max_us) = (sum_us, max_us);
    let mut next = 0_u64;
    while !counts.is_empty() {
        let (count, length) = i64::decode_var(counts)?;
        counts = counts.get(length..)?;
        if count > 0 {
            let bucket = index(lowest(next));
            distribution.put(u16::try_from(bucket).ok()?, count.unsigned_abs());
        }
        next = next.checked_add(if count < 0 { count.unsigned_abs() } else { 1 })?;
        if next > place(highest(BUCKETS - 1)) + 1 {
            return None;
        }
    }
    Some(distribution)
}

/// Mark, length of the counts, offset (0), digits (3), lowest and highest value, ratio (1).
fn header(length: u32) -> [u8; 40] {
    let mut bytes = [0; 40];
    bytes[..4].copy_from_slice(&COOKIE.to_be_bytes());
    bytes[4..8].copy_from_slice(&length.to_be_bytes());
    bytes[12..16].copy_from_slice(&3_u32.to_be_bytes());
    bytes[16..24].copy_from_slice(&1_u64.to_be_bytes());
    bytes[24..32].copy_from_slice(&highest(BUCKETS - 1).to_be_bytes());
    bytes[32..].copy_from_slice(&1_f64.to_be_bytes());
    bytes
}

/// Place of a value among HdrHistogram's counts.
const fn place(value: u64) -> u64 {
    let octave = (u64::BITS - (value | (2 * HALF - 1)).leading_zeros() - HALF_BITS - 1) as u64;
    octave * HALF + (value >> octave)
}

/// Smallest value of a place.
const fn lowest(place: u64) -> u64 {
    let octave = (place >> HALF_BITS).saturating_sub(1);
    (place - octave * HALF) << octave
}

/// Appends a zigzag integer of variable length.
fn put(bytes: &mut Vec<u8>, value: i64) {
    bytes.extend(value.encode_var_vec());
}

#[cfg(test)]
mod tests {
    use super::*;
    use hdrhistogram::{
        Histogram,
        serialization::{Deserializer, Serializer as _, V2Serializer},
    };
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
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn hdrhistogram_writes_the_same_bytes_and_reads_them(
            values in prop::collection::vec(0_u64..1 << 44, 0..60), times in 1_u64..1 << 40,
        ) {
            let mut it = Distribution::default();
            let mut theirs = Histogram::<u64>::new_with_bounds(1, highest(BUCKETS - 1), 3).unwrap();
            for &value in &values {
                it.add(value, times);
                theirs.record_n(highest(index(value)), times).unwrap();
            }
            let mut bytes = Vec::new();
            V2Serializer::new().serialize(&theirs, &mut bytes).unwrap();
            prop_assert_eq!(&encode(&it), &bytes);
            let read: Histogram<u64> = Deserializer::new().deserialize(&mut &*bytes).unwrap();
            prop_assert_eq!(read.len(), it.count());
        }
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
