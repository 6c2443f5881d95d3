//! The quantiles that a histogram of samples must show.

use tracker_user::lab::truth::{Samples, Span};

use super::compare::{Want, Wants};

/// Width of a histogram's bucket, relative to its value.
const WIDTH: f64 = 0.032;
/// Of so many gaps that are no longer than clocks may differ one may be none: the kernel may defer a packet until its
/// sender has looked at the clock again.
const DEFERRED: u64 = 500;

/// What a sample of less than a jiffy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zero {
    /// A sample like others.
    Counts,
    /// None: where one may have been less or more, it may be missing.
    IsNone,
    /// None, and so is one of less than a second.
    BelowASecondIsNone,
}

/// What a report says of a histogram.
pub const FIELDS: [&str; 6] = ["count", "p50_s", "p90_s", "p99_s", "p999_s", "max_s"];

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
    let second = (1.0 / jiffy_s).round() as u64;
    let (certain, samples) = match zero {
        Zero::Counts => (samples.clone(), samples.clone()),
        Zero::IsNone => (samples.only_certain(), samples.clone()),
        Zero::BelowASecondIsNone => (
            filtered(samples, |span| span.low >= second + slack),
            filtered(samples, |span| span.high + slack >= second),
        ),
    };
    let short = match zero {
        Zero::IsNone => filtered(&certain, |span| span.low <= slack).count(),
        _ => 0,
    };
    let least = certain.count() - short.div_ceil(DEFERRED);
    let count = match (least, samples.count()) {
        (low, high) if low == high => Want::Count(high),
        (low, high) => Want::Between(low as f64, high as f64),
    };
    wants.put(format!("{path}.count"), count);
    // Those that may be missing are the shortest.
    let highest = if certain.count() == 0 {
        &samples
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
                let least = if certain.count() == 0 { 0 } else { low.low };
                let low = least as f64 * jiffy_s * (1.0 - WIDTH) - spare;
                let high = high.high as f64 * jiffy_s * (1.0 + WIDTH) + spare;
                Want::Between(low.max(0.0), high)
            }
            _ => Want::Nothing,
        };
        wants.put(path, want);
    }
}

fn filtered(samples: &Samples, is_meant: impl Fn(&Span) -> bool) -> Samples {
    let mut kept = Samples::default();
    for (span, count) in samples.iter().filter(|(span, _)| is_meant(span)) {
        kept.add_many(span, count);
    }
    kept
}

#[cfg(test)]
mod tests {
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
        let mut short = Samples::default();
        short.add_many(Span::exactly(2), 501);
        short.add_many(Span::exactly(3), 1000);
        want(&short, Zero::IsNone, &mut wants, "x", MEASURE);
        assert_eq!(wants.get("x.count"), Some(&Want::Between(1499.0, 1501.0)));
        // A second has 250 jiffies.
        samples.add(Span::exactly(249));
        let zero = Zero::BelowASecondIsNone;
        want(&samples, zero, &mut wants, "x", MEASURE);
        assert_eq!(wants.get("x.count"), Some(&Want::Between(1.0, 2.0)));
    }
}
