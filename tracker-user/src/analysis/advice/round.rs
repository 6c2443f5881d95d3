//! Numbers that a person would have written.

/// The next number of seconds that reads well: steps of 1 s up to 10 s, 5 s up to a minute, 10 s up
/// to five, 30 s up to ten, a minute up to an hour, then ten minutes.
#[must_use]
pub fn seconds_up(seconds: f64) -> u64 {
    let whole = seconds.max(1.0).ceil() as u64;
    let step = match whole {
        0..=10 => 1,
        11..=60 => 5,
        61..=300 => 10,
        301..=600 => 30,
        601..=3_600 => 60,
        _ => 600,
    };
    whole.div_ceil(step).saturating_mul(step)
}

/// Head-room over the gaps that were seen.
pub const MARGIN: f64 = 1.25;

/// The longest gap that a value spares with head-room, in µs.
#[must_use]
pub fn with_head_room(seconds: u64) -> u64 {
    (seconds as f64 * 1e6 / MARGIN) as u64
}

/// The next table size: a power of two if one lies within a tenth, else a multiple of 1,024.
#[must_use]
pub fn entries_up(entries: f64) -> u64 {
    let whole = entries.max(1.0).ceil().min(1e15) as u64;
    let power = whole.next_power_of_two();
    let multiple = whole.div_ceil(1_024) * 1_024;
    if power >= 1_024 && power - multiple <= multiple / 10 {
        power
    } else {
        multiple
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn readable_numbers() {
        for (given, read) in [
            (0.2, 1),
            (7.1, 8),
            (12.0, 15),
            (61.0, 70),
            (301.0, 330),
            (3_601.0, 4_200),
        ] {
            assert_eq!(seconds_up(given), read, "{given}");
        }
        for (given, read) in [
            (1.0, 1_024),
            (1_025.0, 2_048),
            (60_001.0, 65_536),
            (70_000.0, 70_656),
        ] {
            assert_eq!(entries_up(given), read, "{given}");
        }
    }

    proptest! {
        #[test]
        fn rounding_goes_up_and_not_far(value in 1.0..1e7) {
            let seconds = seconds_up(value) as f64;
            prop_assert!(seconds >= value && seconds <= value * 1.5 + 1.0);
            let entries = entries_up(value) as f64;
            prop_assert!(entries >= value && entries <= (value + 1_024.0) * 1.1);
        }
    }
}
