//! Rates that change from time to time, as they were measured somewhere.

use std::sync::Arc;
use std::time::Duration;

use super::arrival::check_rate;

/// Shortest time that one rate lasts.
const SHORTEST: Duration = Duration::from_secs(1);

/// One rate after the other, each as long, and then from the first one on again.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Course {
    rates: Arc<[f64]>,
    /// How long each lasts, in seconds.
    every: f64,
}

impl Course {
    pub fn new(rates: Vec<f64>, every: Duration) -> Result<Self, String> {
        if every < SHORTEST {
            return Err("rates that change more often than once in 1s".to_owned());
        }
        let mut above = rates.iter().filter(|rate| **rate != 0.0).peekable();
        if above.peek().is_none() {
            return Err("no rate above 0".to_owned());
        }
        above.try_for_each(|rate| check_rate(*rate))?;
        Ok(Self {
            rates: rates.into(),
            every: every.as_secs_f64(),
        })
    }

    /// The mean of its rates.
    pub fn rate(&self) -> f64 {
        self.rates.iter().sum::<f64>() / self.rates.len() as f64
    }

    pub fn faster(&self, factor: f64) -> Self {
        Self {
            rates: self.rates.iter().map(|rate| rate * factor).collect(),
            every: self.every,
        }
    }

    /// Arrivals up to a time, on average.
    pub fn mean(&self, time: Duration) -> f64 {
        let time = time.as_secs_f64();
        let begun = libm::floor(time / self.every);
        let count = self.rates.len() as f64;
        let rounds = libm::floor(begun / count);
        let rest = ((begun - rounds * count) as usize).min(self.rates.len() - 1);
        let sum = |rates: &[f64]| rates.iter().sum::<f64>();
        let whole = rounds * sum(&self.rates) + sum(&self.rates[..rest]);
        whole * self.every + self.rates[rest] * (time - begun * self.every)
    }

    /// When, after `at` in seconds, so many more have arrived on average; `None` if that is not before
    /// the end.
    pub fn after(&self, at: f64, more: f64, end: Duration) -> Option<f64> {
        let (mut at, mut left) = (at, more);
        let mut place = libm::floor(at / self.every);
        while at < end.as_secs_f64() {
            let rate = self.rates[place as usize % self.rates.len()];
            let until = (place + 1.0) * self.every;
            if left <= rate * (until - at) {
                return Some(at + left / rate);
            }
            left -= rate * (until - at);
            (at, place) = (until, place + 1.0);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_arrives_adds_up_over_its_rounds() {
        let seconds = Duration::from_secs;
        let course = Course::new(vec![100.0, 0.0, 10.5], seconds(10)).unwrap();
        for (time, arrived) in [
            (0, 0.0),
            (5, 500.0),
            (15, 1000.0),
            (30, 1105.0),
            (65, 2710.0),
        ] {
            assert!(
                (course.mean(seconds(time)) - arrived).abs() < 1e-6,
                "{time}"
            );
        }
        let after = |more| course.after(0.0, more, seconds(100));
        assert_eq!(after(1000.0), Some(10.0));
        assert_eq!(after(1105.0 + 500.0), Some(35.0));
        assert_eq!(after(1e6), None);
    }
}
