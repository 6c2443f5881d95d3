//! Long gaps by destination port.

use super::PortKey;
use crate::{Timer, histogram};

/// Places for long gaps of a namespace; a power of two.
pub const GAP_PLACES: usize = 1 << 14;

/// Places that a key may be in, one after another.
pub const GAP_PROBES: usize = 8;

/// First bucket of what is a long gap: one of a second or more.
pub const LONG: usize = histogram::index(1_000_000);

/// Longest gaps of a namespace's entries, of those that had a long one: an open-addressed table, which all
/// CPUs count in.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gaps {
    /// The table.
    pub places: [GapPlace; GAP_PLACES],
}

/// A place in a table.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GapPlace {
    /// A packed [`GapKey`]; 0 while the place is free. It never changes once it is taken.
    pub key: u64,
    /// Entries, wrapping: one that has left the bucket may be seen to before another that enters it.
    pub count: u64,
}

/// Which entries are counted together: those with one destination port whose longest gap under a timer is
/// in one bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GapKey {
    /// Their port.
    pub port: PortKey,
    /// The timer.
    pub timer: Timer,
    /// The bucket, [`LONG`] or a higher one.
    pub bucket: u16,
}

impl GapKey {
    /// As one number, which is never 0: of a packed port, the id of a timer and a bucket.
    #[inline(always)]
    #[must_use]
    pub const fn packed(port: u64, timer: u8, bucket: u16) -> u64 {
        port | (timer as u64) << 32 | (bucket as u64) << 40
    }

    /// What was packed; `None` of 0.
    #[must_use]
    pub const fn unpacked(packed: u64) -> Option<Self> {
        match (
            PortKey::unpacked(packed),
            Timer::from_id((packed >> 32) as u8 as usize),
        ) {
            (Some(port), Some(timer)) => Some(Self {
                port,
                timer,
                bucket: (packed >> 40) as u16,
            }),
            _ => None,
        }
    }

    /// Where the search for a packed key begins (Fibonacci hashing).
    #[inline(always)]
    #[must_use]
    pub const fn place(packed: u64) -> usize {
        (packed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - GAP_PLACES.ilog2())) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::histogram::{BUCKETS, lowest};

    #[test]
    fn a_key_is_packed_whole() {
        let ports = [
            PortKey::OTHERS,
            PortKey {
                port: u16::MAX,
                proto: 1,
            },
        ];
        for port in ports {
            for timer in [Timer::TcpSynSent, Timer::Unknown] {
                let key = GapKey {
                    port,
                    timer,
                    bucket: BUCKETS as u16 - 1,
                };
                let packed = GapKey::packed(port.packed(), timer as u8, key.bucket);
                assert_eq!(GapKey::unpacked(packed), Some(key));
                assert!(GapKey::place(packed) < GAP_PLACES);
            }
        }
        assert_eq!(GapKey::unpacked(0), None);
    }

    #[test]
    fn a_long_gap_is_one_of_a_second_but_for_the_width_of_its_bucket() {
        assert!(lowest(LONG) <= 1_000_000 && 1_000_000 < lowest(LONG + 1));
    }
}
