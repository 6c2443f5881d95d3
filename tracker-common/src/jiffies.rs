//! Arithmetic on jiffies, which conntrack keeps as wrapping 32-bit numbers.

/// Jiffies from `now` until `timeout`; negative or 0 when it has passed.
///
/// The kernel decides expiry the same way (`nf_ct_expires`, `nf_ct_is_expired` in
/// `include/net/netfilter/nf_conntrack.h`).
#[inline(always)]
#[must_use]
#[expect(clippy::cast_possible_wrap, reason = "jiffies wrap, as in the kernel")]
pub const fn remaining(timeout: u32, now: u32) -> i32 {
    timeout.wrapping_sub(now) as i32
}

/// An entry whose timeout lies so far ahead has expired: its death is an expiry, whoever removes it.
#[inline(always)]
#[must_use]
pub const fn is_expired(remaining: i32) -> bool {
    remaining <= 0
}

/// By how many jiffies one moment may lie before another that should not come after it: two readings
/// of the clock, or an expiry that is rebuilt.
const DISORDER: u32 = 1 << 16;

/// Jiffies from one moment to a later one, as far as they can be told apart; 0 if it is a little
/// earlier.
#[inline(always)]
#[must_use]
pub const fn between(from: u32, to: u32) -> u32 {
    let jiffies = to.wrapping_sub(from);
    if jiffies > u32::MAX - DISORDER {
        0
    } else {
        jiffies
    }
}

/// Jiffies since the refresh that armed `armed` jiffies, given what remains of them.
///
/// `None` when the two do not fit together: something else wrote the timeout. One jiffy of
/// rounding is allowed, as the armed time and the entry are not read at the same instant.
#[inline(always)]
#[must_use]
pub const fn since_refresh(armed: u32, remaining: i32) -> Option<u32> {
    let since = armed as i64 - remaining as i64;
    if since < -1 {
        None
    } else if since < 0 {
        Some(0)
    } else {
        Some(since as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_wrap_of_jiffies_is_crossed() {
        assert_eq!(remaining(5, u32::MAX - 4), 10);
        assert_eq!(remaining(u32::MAX - 4, 5), -10);
    }

    #[test]
    fn an_entry_expires_at_its_timeout_not_after_it() {
        assert!(is_expired(remaining(100, 100)));
        assert!(!is_expired(remaining(101, 100)));
    }

    #[test]
    fn time_goes_on_across_the_wrap_and_not_backwards() {
        assert_eq!(between(u32::MAX - 1, 3), 5);
        assert_eq!(between(5, 4), 0);
        // 100 days at 250 Hz.
        assert_eq!(between(7, 7 + 2_160_000_000), 2_160_000_000);
    }

    #[test]
    fn a_timeout_beyond_the_armed_time_is_refused() {
        assert_eq!(since_refresh(30, 30), Some(0));
        assert_eq!(since_refresh(30, 31), Some(0));
        assert_eq!(since_refresh(30, 32), None);
    }

    proptest! {
        #[test]
        fn a_refresh_is_found_again(at: u32, armed in 0..1_u32 << 30, idle in 0..1_u32 << 30) {
            prop_assume!(idle <= armed);
            let timeout = at.wrapping_add(armed);
            let now = at.wrapping_add(idle);
            prop_assert_eq!(since_refresh(armed, remaining(timeout, now)), Some(idle));
        }
    }
}
