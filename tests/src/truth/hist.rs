//! Samples in jiffies, and the quantiles that a histogram of them must show.

use super::compare::{Want, Wants};

/// Width of a histogram's bucket, relative to its value.
const WIDTH: f64 = 0.032;

/// Samples, each known to lie between two jiffies.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Samples {
    low: Vec<u64>,
    high: Vec<u64>,
}

impl Samples {
    /// Adds a sample that is known exactly.
    pub fn add(&mut self, value: u64) {
        self.add_range(value, value);
    }

    /// Adds a sample that is known to lie in a range.
    pub fn add_range(&mut self, low: u64, high: u64) {
        self.low.push(low);
        self.high.push(high);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.low.len() as u64
    }

    /// Sum of all, at least and at most.
    #[must_use]
    pub fn sum(&self) -> (u64, u64) {
        (self.low.iter().sum(), self.high.iter().sum())
    }

    /// Adds what a histogram of these samples must show below `path`.
    pub fn want(&self, wants: &mut Wants, path: &str, jiffy_s: f64, slack: u64) {
        wants.put(format!("{path}.count"), Want::Count(self.count()));
        let mut low = self.low.clone();
        let mut high = self.high.clone();
        low.sort_unstable();
        high.sort_unstable();
        for (name, quantile) in [
            ("p50_s", 0.5),
            ("p90_s", 0.9),
            ("p99_s", 0.99),
            ("p999_s", 0.999),
            ("max_s", 1.0),
        ] {
            let path = format!("{path}.{name}");
            let want = match (at(&low, quantile), at(&high, quantile)) {
                (Some(low), Some(high)) => {
                    let spare = slack as f64 * jiffy_s;
                    let low = low as f64 * jiffy_s * (1.0 - WIDTH) - spare;
                    Want::Between(low.max(0.0), high as f64 * jiffy_s * (1.0 + WIDTH) + spare)
                }
                _ => Want::Nothing,
            };
            wants.put(path, want);
        }
    }
}

/// The smallest sample that at least this share of all does not exceed.
fn at(sorted: &[u64], quantile: f64) -> Option<u64> {
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples() {
        let sorted: Vec<u64> = (1..=10).collect();
        assert_eq!(at(&sorted, 0.5), Some(5));
        assert_eq!(at(&sorted, 0.99), Some(10));
        assert_eq!(at(&[], 0.5), None);
    }

    #[test]
    fn no_samples_means_no_quantiles() {
        let mut wants = Wants::default();
        Samples::default().want(&mut wants, "x", 0.004, 2);
        assert_eq!(wants.get("x.max_s"), Some(&Want::Nothing));
        assert_eq!(wants.get("x.count"), Some(&Want::Count(0)));
    }
}
