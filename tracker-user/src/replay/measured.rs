//! Times as they were measured, on their way from a recording's histogram to a scenario's.

use std::fmt;

use tracker_common::histogram::{index, lowest};

use crate::recording::Distribution;

/// Bins that do not overlap, ascending, with their weights; times in seconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Measured(Vec<Bin>);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Bin {
    from: f64,
    to: f64,
    weight: f64,
}

impl Bin {
    fn mean(&self) -> f64 {
        f64::midpoint(self.from, self.to)
    }

    /// The parts below and above a time.
    fn cut(self, at: f64) -> (Option<Self>, Option<Self>) {
        if self.to <= at {
            return (Some(self), None);
        }
        if self.from >= at {
            return (None, Some(self));
        }
        let below = self.weight * (at - self.from) / (self.to - self.from);
        let lower = Self {
            to: at,
            weight: below,
            ..self
        };
        let upper = Self {
            from: at,
            weight: self.weight - below,
            ..self
        };
        (Some(lower), Some(upper))
    }
}

/// Bins in an octave, as a file gives them: of times of a second or more, and of shorter ones, which no
/// timer tells apart.
const FINE: f64 = 16.0;
const COARSE: f64 = 2.0;

impl Measured {
    /// What a recording's distribution holds.
    pub fn of(distribution: &Distribution) -> Self {
        let bins = distribution.edges().map(|(edge_us, count)| Bin {
            from: lowest(index(edge_us)) as f64 / 1e6,
            to: edge_us as f64 / 1e6,
            weight: count as f64,
        });
        Self(bins.collect())
    }

    /// One time.
    pub fn point(time: f64, weight: f64) -> Self {
        Self(vec![Bin {
            from: time,
            to: time,
            weight,
        }])
    }

    pub fn weight(&self) -> f64 {
        self.0.iter().map(|bin| bin.weight).sum()
    }

    /// Weight times time, summed.
    pub fn sum(&self) -> f64 {
        self.0.iter().map(|bin| bin.weight * bin.mean()).sum()
    }

    /// 0 if there is nothing.
    pub fn mean(&self) -> f64 {
        let weight = self.weight();
        if weight > 0.0 {
            self.sum() / weight
        } else {
            0.0
        }
    }

    /// Those longer than a time.
    pub fn above(&self, time: f64) -> Self {
        let upper = self.0.iter().filter_map(|bin| bin.cut(time).1);
        Self(upper.collect())
    }

    /// Those shorter than a time.
    pub fn below(&self, time: f64) -> Self {
        let lower = self.0.iter().filter_map(|bin| bin.cut(time).0);
        Self(lower.collect())
    }

    /// The longest; 0 if there is none.
    pub fn highest(&self) -> f64 {
        let present = self.0.iter().rev().find(|bin| bin.weight > 0.0);
        present.map_or(0.0, |bin| bin.to)
    }

    /// So many times as long.
    pub fn scaled(&self, factor: f64) -> Self {
        let scaled = self.0.iter().map(|bin| Bin {
            from: bin.from * factor,
            to: bin.to * factor,
            weight: bin.weight,
        });
        Self(scaled.collect())
    }

    /// As long, but so many times as often.
    pub fn of_weight(&self, factor: f64) -> Self {
        let weighted = self.0.iter().map(|bin| Bin {
            weight: bin.weight * factor,
            ..*bin
        });
        Self(weighted.collect())
    }

    /// Takes out so many that ended by a timeout, which are no shorter than that, and gives what each
    /// of them lasted before.
    pub fn take_expired(&mut self, expired: f64, timeout: f64) -> Self {
        let may_be = |bin: &Bin| bin.to >= timeout;
        let eligible: f64 = self
            .0
            .iter()
            .filter(|bin| may_be(bin))
            .map(|it| it.weight)
            .sum();
        if eligible <= 0.0 || expired <= 0.0 {
            return Self::point(0.0, expired.max(0.0));
        }
        let share = (expired / eligible).min(1.0);
        let mut taken = Vec::new();
        for bin in self.0.iter_mut().filter(|bin| may_be(bin)) {
            taken.push(Bin {
                from: (bin.from - timeout).max(0.0),
                to: bin.to - timeout,
                weight: bin.weight * share,
            });
            bin.weight *= 1.0 - share;
        }
        Self(taken)
    }

    /// These and others.
    pub fn and(&self, others: &Self) -> Self {
        let mut bins = [self.0.as_slice(), others.0.as_slice()].concat();
        bins.retain(|bin| bin.weight > 0.0);
        bins.sort_by(|a, b| a.from.total_cmp(&b.from));
        Self(bins)
    }

    /// How many there were in all, of those that began during a watch, if these also ended in it: the
    /// longer one is, the less likely that is. What follows it until its end takes `more`.
    pub fn begun(&self, more: f64, watch: f64) -> Self {
        /// Few that ended say little of how many there are that last nearly as long as the watch.
        const MOST: f64 = 10.0;
        let begun = self.0.iter().map(|bin| {
            let left = (watch - more - bin.mean()).max(watch / MOST);
            let weight = bin.weight * watch / left;
            Bin { weight, ..*bin }
        });
        Self(begun.collect())
    }

    /// Neighbours joined to as many bins as a file is to have.
    fn joined(&self) -> Vec<Bin> {
        let octave = |bin: &Bin| {
            let place = libm::log2(bin.to.max(1e-3));
            let of = if bin.to < 1.0 { COARSE } else { FINE };
            (bin.to >= 1.0, libm::floor(place * of) as i64)
        };
        let mut joined: Vec<Bin> = Vec::new();
        for bin in self.0.iter().filter(|bin| bin.weight > 0.0) {
            match joined.last_mut() {
                Some(last)
                    if last.to > bin.from || octave(last) == octave(bin) && last.from < last.to =>
                {
                    last.to = last.to.max(bin.to);
                    last.weight += bin.weight;
                }
                _ => joined.push(*bin),
            }
        }
        joined
    }
}

/// As a scenario's file has it.
impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = self.joined();
        match joined.as_slice() {
            [] => return f.write_str("0"),
            [bin] if bin.to - bin.from < 1e-3 => return write!(f, "{}", time(bin.to)),
            _ => {}
        }
        f.write_str("{ histogram = [")?;
        let mut end = 0.0;
        let mut comma = "";
        for bin in &joined {
            if bin.from > end {
                write!(f, "{comma}[{}, 0]", time(bin.from))?;
                comma = ", ";
            }
            write!(f, "{comma}[{}, {}]", time(bin.to), number(bin.weight))?;
            comma = ", ";
            end = bin.to;
        }
        f.write_str("] }")
    }
}

/// A time in seconds, to the millisecond, and no longer than a scenario's may be.
pub fn time(seconds: f64) -> f64 {
    const LONGEST: f64 = 100.0 * 86_400.0;
    libm::round(seconds.min(LONGEST) * 1e3) / 1e3
}

/// A number with about four digits.
pub fn number(value: f64) -> f64 {
    let digits = if value >= 100.0 { 1.0 } else { 1e4 };
    libm::round(value * digits) / digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(times: &[(u64, u64)]) -> Measured {
        let mut distribution = Distribution::default();
        for &(seconds, count) in times {
            distribution.add(seconds * 1_000_000, count);
        }
        Measured::of(&distribution)
    }

    #[test]
    fn what_expired_is_told_from_what_ended() {
        let mut lasted = measured(&[(1, 50), (130, 20), (200, 30)]);
        let silent = lasted.take_expired(20.0, 120.0);
        assert!((lasted.weight() - 80.0).abs() < 1e-9);
        assert!((silent.weight() - 20.0).abs() < 1e-9);
        // 10 s and 80 s, as often as 130 s and 200 s.
        assert!(
            (silent.sum() - 20.0 * 52.0).abs() < 60.0,
            "{}",
            silent.sum()
        );
        assert_eq!(
            measured(&[]).take_expired(3.0, 30.0),
            Measured::point(0.0, 3.0)
        );
    }

    #[test]
    fn what_takes_long_ends_less_often_in_a_watch() {
        let begun = measured(&[(10, 99), (500, 50)]).begun(0.0, 1000.0);
        assert!((begun.below(20.0).weight() - 100.0).abs() < 0.1);
        assert!((begun.above(20.0).weight() - 100.0).abs() < 2.0);
        assert!((measured(&[(400, 10)]).begun(550.0, 1000.0).weight() - 100.0).abs() < 1e-6);
    }

    #[test]
    fn a_file_has_the_same_weights() {
        let text = measured(&[(1, 5), (60, 7)]).to_string();
        let expected = "{ histogram = [[0.999, 0], [1.016, 5], [59.769, 0], [60, 7]] }";
        assert_eq!(text, expected);
        assert_eq!(measured(&[]).to_string(), "0");
        assert_eq!(Measured::point(12.0, 3.0).to_string(), "12");
    }
}
