//! The quantiles that a histogram of samples must show.

use tracker_user::lab::truth::Samples;

use super::compare::{Want, Wants};

/// Width of a histogram's bucket, relative to its value.
const WIDTH: f64 = 0.032;

/// What a sample of less than a jiffy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zero {
    /// A sample like others.
    Counts,
    /// None: where one may have been less or more, it may be missing.
    IsNone,
}

/// How times are measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    /// Length of a jiffy in seconds.
    pub jiffy_s: f64,
    /// How far two clocks may differ, in jiffies.
    pub slack: u64,
}

/// Adds what a histogram of these samples must show below `path`.
pub fn want(samples: &Samples, zero: Zero, wants: &mut Wants, path: &str, measure: Measure) {
    let Measure { jiffy_s, slack } = measure;
    let certain = match zero {
        Zero::Counts => samples.clone(),
        Zero::IsNone => samples.only_certain(),
    };
    let count = match (certain.count(), samples.count()) {
        (low, high) if low == high => Want::Count(high),
        (low, high) => Want::Between(low as f64, high as f64),
    };
    wants.put(format!("{path}.count"), count);
    // Those that may be missing are the shortest.
    let highest = if certain.count() == 0 {
        samples
    } else {
        &certain
    };
    for (name, quantile) in [
        ("p50_s", 0.5),
        ("p90_s", 0.9),
        ("p99_s", 0.99),
        ("p999_s", 0.999),
        ("max_s", 1.0),
    ] {
        let path = format!("{path}.{name}");
        let want = match (samples.quantile(quantile), highest.quantile(quantile)) {
            (Some(low), Some(high)) => {
                let spare = slack as f64 * jiffy_s;
                let low = low.low as f64 * jiffy_s * (1.0 - WIDTH) - spare;
                let high = high.high as f64 * jiffy_s * (1.0 + WIDTH) + spare;
                Want::Between(low.max(0.0), high)
            }
            _ => Want::Nothing,
        };
        wants.put(path, want);
    }
}

#[cfg(test)]
mod tests {
    use tracker_user::lab::truth::Span;

    use super::*;

    const MEASURE: Measure = Measure {
        jiffy_s: 0.004,
        slack: 2,
    };

    #[test]
    fn no_samples_means_no_quantiles() {
        let mut wants = Wants::default();
        want(&Samples::default(), Zero::Counts, &mut wants, "x", MEASURE);
        assert_eq!(wants.get("x.max_s"), Some(&Want::Nothing));
        assert_eq!(wants.get("x.count"), Some(&Want::Count(0)));
    }

    #[test]
    fn a_gap_that_may_be_none_may_be_missing() {
        let mut samples = Samples::default();
        samples.add_many(Span { low: 0, high: 1 }, 9);
        samples.add(Span::exactly(1000));
        let mut wants = Wants::default();
        want(&samples, Zero::IsNone, &mut wants, "x", MEASURE);
        assert_eq!(wants.get("x.count"), Some(&Want::Between(1.0, 10.0)));
        assert_eq!(
            wants.get("x.p50_s"),
            Some(&Want::Between(0.0, 4.0 * 1.032 + 0.008))
        );
        want(&samples, Zero::Counts, &mut wants, "x", MEASURE);
        assert_eq!(wants.get("x.count"), Some(&Want::Count(10)));
    }
}
