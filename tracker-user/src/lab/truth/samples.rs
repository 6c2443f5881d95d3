//! Spans of time in jiffies, each known to lie between two.

use std::collections::BTreeMap;

/// A number of jiffies that is known to lie between two, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// At least.
    pub low: u64,
    /// At most.
    pub high: u64,
}

impl Span {
    /// One that is known exactly.
    #[must_use]
    pub const fn exactly(jiffies: u64) -> Self {
        Self {
            low: jiffies,
            high: jiffies,
        }
    }

    /// The time from one moment to a later one.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self {
            low: self.low.saturating_sub(earlier.high),
            high: self.high.saturating_sub(earlier.low),
        }
    }

    /// The longer of two.
    #[must_use]
    pub fn longer(self, other: Self) -> Self {
        Self {
            low: self.low.max(other.low),
            high: self.high.max(other.high),
        }
    }
}

/// Many spans, of which equal ones are counted: the memory does not grow with their number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Samples(BTreeMap<Span, u64>);

impl Samples {
    /// Adds one.
    pub fn add(&mut self, span: Span) {
        self.add_many(span, 1);
    }

    /// Adds one so many times.
    pub fn add_many(&mut self, span: Span, times: u64) {
        if times > 0 {
            *self.0.entry(span).or_default() += times;
        }
    }

    /// Each one with how often there is it, the shorter ones first.
    pub fn iter(&self) -> impl Iterator<Item = (Span, u64)> {
        self.0.iter().map(|(span, count)| (*span, *count))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// How many are certainly longer than nothing.
    #[must_use]
    pub fn certain(&self) -> u64 {
        let certain = self.iter().filter(|(span, _)| span.low > 0);
        certain.map(|(_, count)| count).sum()
    }

    /// Sum of all, at least and at most.
    #[must_use]
    pub fn sum(&self) -> Span {
        let mut sum = Span::default();
        for (span, count) in self.iter() {
            sum.low += span.low * count;
            sum.high += span.high * count;
        }
        sum
    }

    /// The smallest one that at least this share of all does not exceed, at least and at most.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Option<Span> {
        let mut highs: Vec<(u64, u64)> = self.iter().map(|(span, n)| (span.high, n)).collect();
        highs.sort_unstable();
        let lows = self.iter().map(|(span, n)| (span.low, n));
        let rank = ((quantile * self.count() as f64).ceil() as u64).max(1);
        Some(Span {
            low: at(lows, rank)?,
            high: at(highs.into_iter(), rank)?,
        })
    }

    /// Those that are certainly longer than nothing.
    #[must_use]
    pub fn only_certain(&self) -> Self {
        let certain = self.iter().filter(|(span, _)| span.low > 0);
        Self(certain.collect())
    }
}

/// The value at a rank, counted from 1, of values in their order.
fn at(sorted: impl Iterator<Item = (u64, u64)>, rank: u64) -> Option<u64> {
    let mut before = 0;
    for (value, count) in sorted {
        before += count;
        if before >= rank {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples() {
        let mut samples = Samples::default();
        for value in 1..=10 {
            samples.add(Span::exactly(value));
        }
        assert_eq!(samples.quantile(0.5), Some(Span::exactly(5)));
        assert_eq!(samples.quantile(0.99), Some(Span::exactly(10)));
        assert_eq!(Samples::default().quantile(0.5), None);
    }

    #[test]
    fn both_ends_of_spans_are_put_in_order() {
        let mut samples = Samples::default();
        samples.add(Span { low: 0, high: 9 });
        samples.add(Span { low: 3, high: 4 });
        assert_eq!(samples.quantile(0.5), Some(Span { low: 0, high: 4 }));
        assert_eq!(samples.quantile(1.0), Some(Span { low: 3, high: 9 }));
        assert_eq!(samples.sum(), Span { low: 3, high: 13 });
        assert_eq!((samples.count(), samples.certain()), (2, 1));
    }

    #[test]
    fn equal_ones_take_no_room() {
        let mut samples = Samples::default();
        for _ in 0..1000 {
            samples.add(Span::exactly(7));
        }
        assert_eq!(
            samples.iter().collect::<Vec<_>>(),
            [(Span::exactly(7), 1000)]
        );
    }
}
