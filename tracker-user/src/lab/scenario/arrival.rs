//! When connections begin.

use std::time::Duration;

use serde::Deserialize;

use super::course::Course;
use super::spread::Time;
use crate::lab::random::Chance;

/// Highest rate, in connections a second.
const FASTEST: f64 = 1e8;

/// How connections arrive, as a file gives it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    rate: Option<f64>,
    spacing: Option<Spacing>,
    day: Option<Time>,
    night: Option<f64>,
    burst: Option<u32>,
    every: Option<Time>,
    rates: Option<Vec<f64>>,
}

/// How the times between arrivals vary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Spacing {
    /// As if nobody knew of the others: a Poisson process.
    Random,
    Constant,
}

/// How connections arrive.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Arrival {
    kind: Kind,
    day: Option<Day>,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Random {
        rate: f64,
    },
    Constant {
        rate: f64,
    },
    Bursts {
        size: u32,
        every: Duration,
    },
    Once {
        size: u32,
    },
    /// At random times.
    Course(Course),
}

/// The rate goes up and down: at the beginning and the end of a day it is a share of its height.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Day {
    length: Duration,
    night: f64,
}

impl TryFrom<Raw> for Arrival {
    type Error = String;

    fn try_from(raw: Raw) -> Result<Self, String> {
        let kind = match raw {
            Raw {
                rate: Some(rate),
                burst: None,
                every: None,
                rates: None,
                spacing,
                ..
            } => {
                check_rate(rate)?;
                match spacing {
                    Some(Spacing::Constant) => Kind::Constant { rate },
                    Some(Spacing::Random) | None => Kind::Random { rate },
                }
            }
            Raw {
                rate: None,
                spacing: None,
                burst: Some(size),
                every,
                rates: None,
                ..
            } => match every {
                _ if size == 0 => return Err("a burst of none".to_owned()),
                Some(Time(every)) if every < Duration::from_millis(1) => {
                    return Err("bursts closer than 1ms".to_owned());
                }
                Some(Time(every)) => Kind::Bursts { size, every },
                None => Kind::Once { size },
            },
            Raw {
                rate: None,
                spacing: None,
                burst: None,
                every: Some(Time(every)),
                rates: Some(rates),
                ..
            } => Kind::Course(Course::new(rates, every)?),
            _ => {
                let what = "either `rate`, or `burst`, or `rates` and `every` belong here";
                return Err(what.to_owned());
            }
        };
        let day = match (raw.day, raw.night) {
            (None, None) => None,
            (Some(Time(length)), night) => {
                let night = night.unwrap_or(0.0);
                if length < Duration::from_millis(1) || !(0.0..=1.0).contains(&night) {
                    return Err("a day without length, or a night not from 0 to 1".to_owned());
                }
                if !matches!(kind, Kind::Random { .. }) {
                    return Err("a day goes with random spacing only".to_owned());
                }
                Some(Day { length, night })
            }
            (None, Some(_)) => return Err("a night without a `day`".to_owned()),
        };
        Ok(Self { kind, day })
    }
}

/// A rate that can be asked for.
pub fn check_rate(rate: f64) -> Result<(), String> {
    if rate > 0.0 && rate <= FASTEST {
        return Ok(());
    }
    Err(format!(
        "a rate of {rate} is not above 0 and up to {FASTEST}"
    ))
}

impl Arrival {
    /// Connections a second, at most on average; none of a single burst.
    #[must_use]
    pub fn rate(&self) -> f64 {
        match &self.kind {
            Kind::Random { rate } | Kind::Constant { rate } => *rate,
            Kind::Bursts { size, every } => f64::from(*size) / every.as_secs_f64(),
            Kind::Once { .. } => 0.0,
            Kind::Course(course) => course.rate(),
        }
    }

    /// More connections than come in a time, as good as certainly.
    #[must_use]
    pub fn bound(&self, time: Duration) -> f64 {
        let random = |mean: f64| mean + 8.0 * libm::sqrt(mean) + 10.0;
        match &self.kind {
            Kind::Once { size } => f64::from(*size),
            Kind::Bursts { size, .. } => self.rate() * time.as_secs_f64() + f64::from(*size),
            Kind::Constant { .. } => self.rate() * time.as_secs_f64() + 1.0,
            Kind::Random { .. } => random(self.rate() * time.as_secs_f64()),
            Kind::Course(course) => random(course.mean(time)),
        }
    }

    /// The same, so many times as fast.
    #[must_use]
    pub fn faster(&self, factor: f64) -> Self {
        let kind = match self.kind {
            Kind::Random { rate } => Kind::Random {
                rate: rate * factor,
            },
            Kind::Course(ref course) => Kind::Course(course.faster(factor)),
            Kind::Constant { rate } => Kind::Constant {
                rate: rate * factor,
            },
            Kind::Bursts { size, every } => Kind::Bursts {
                size,
                every: Duration::try_from_secs_f64(every.as_secs_f64() / factor)
                    .unwrap_or(Duration::MAX)
                    .max(Duration::from_nanos(1)),
            },
            Kind::Once { size } => Kind::Once { size },
        };
        let day = self.day;
        Self { kind, day }
    }

    /// The times of the arrivals before an end.
    pub fn times(self, chance: Chance, end: Duration) -> Times {
        Times {
            arrival: self,
            chance,
            end,
            at: 0.0,
            number: 0,
        }
    }
}

/// Times of arrivals, in their order.
#[derive(Clone, Debug)]
pub struct Times {
    arrival: Arrival,
    chance: Chance,
    end: Duration,
    /// Of the last one, in seconds.
    at: f64,
    number: u64,
}

impl Iterator for Times {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let number = self.number;
        self.number += 1;
        let at = match self.arrival.kind {
            Kind::Once { size } => (number < size.into()).then_some(Duration::ZERO)?,
            Kind::Bursts { size, every } => {
                every.saturating_mul(u32::try_from(number / u64::from(size)).ok()?)
            }
            Kind::Constant { rate } => nanos(number as f64 / rate),
            Kind::Random { rate } => loop {
                self.at += self.chance.exponential() / rate;
                let at = nanos(self.at);
                let Some(day) = self.arrival.day else {
                    break at;
                };
                // Of the arrivals at the height of the day, so many stay.
                if at >= self.end || self.chance.unit() < day.share(self.at) {
                    break at;
                }
            },
            Kind::Course(ref course) => {
                let hazard = self.chance.exponential();
                self.at = course.after(self.at, hazard, self.end)?;
                nanos(self.at)
            }
        };
        (at < self.end).then_some(at)
    }
}

impl Day {
    fn share(&self, at: f64) -> f64 {
        let angle = core::f64::consts::TAU * at / self.length.as_secs_f64();
        let height = (1.0 - libm::cos(angle)) / 2.0;
        self.night + (1.0 - self.night) * height
    }
}

fn nanos(seconds: f64) -> Duration {
    Duration::from_nanos(libm::round(seconds * 1e9) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(text: &str, until: u64) -> Vec<Duration> {
        #[derive(Deserialize)]
        struct Row {
            x: Arrival,
        }
        let row: Row = toml::from_str(&format!("x = {text}")).unwrap();
        let until = Duration::from_secs(until);
        let times = row.x.clone().times(Chance::new(3, 0, 0), until);
        let times: Vec<_> = times.take(100_000).collect();
        assert!(times.is_sorted());
        assert!(times.len() as f64 <= row.x.bound(until));
        times
    }

    #[test]
    fn a_rate_is_kept() {
        let random = times("{ rate = 50 }", 200).len();
        assert!((9_600..10_400).contains(&random), "{random}");
        assert_eq!(times("{ rate = 50, spacing = 'constant' }", 2).len(), 100);
        assert_eq!(times("{ burst = 7, every = '10s' }", 21).len(), 21);
        assert_eq!(times("{ burst = 7 }", 21), [Duration::ZERO; 7]);
    }

    #[test]
    fn at_night_there_is_less() {
        let times = times("{ rate = 100, day = '100s', night = 0.1 }", 100);
        let between = |low, high| {
            let span = Duration::from_secs(low)..Duration::from_secs(high);
            times.iter().filter(|at| span.contains(at)).count()
        };
        assert!(4 * between(0, 10) < between(45, 55));
        assert!(4 * between(90, 100) < between(45, 55));
    }

    #[test]
    fn a_course_goes_from_rate_to_rate_and_begins_again() {
        let text = "{ rates = [100, 0, 10.5], every = '10s' }";
        let times = times(text, 70);
        let between = |low, high| {
            let span = Duration::from_secs(low)..Duration::from_secs(high);
            times.iter().filter(|at| span.contains(at)).count()
        };
        for high in [0, 30, 60] {
            assert!((880..1120).contains(&between(high, high + 10)), "{high}");
        }
        assert_eq!(between(10, 20) + between(40, 50), 0);
        assert!((60..160).contains(&between(20, 30)));
    }

    #[test]
    fn the_slowest_come_to_their_end() {
        assert_eq!(times("{ rates = [1e-300, 0], every = '1s' }", 100), []);
        assert_eq!(times("{ rate = 5e-324, day = '1s' }", 100), []);
        assert_eq!(
            times("{ rate = 1e-300, spacing = 'constant' }", 100).len(),
            1
        );
        let slow = Arrival::try_from(Raw {
            rate: None,
            spacing: None,
            day: None,
            night: None,
            burst: Some(2),
            every: Some(Time(Duration::from_secs(1))),
            rates: None,
        });
        let slow = slow.unwrap().faster(1e-300);
        let times = slow.times(Chance::new(3, 0, 0), Duration::from_secs(100));
        assert_eq!(times.count(), 2);
    }

    #[test]
    fn contradictions_are_refused() {
        for text in [
            "{}",
            "{ rate = 0 }",
            "{ rate = 1, burst = 2 }",
            "{ burst = 0 }",
            "{ burst = 1, every = 0 }",
            "{ burst = 1, day = '1s' }",
            "{ rate = 1, night = 0.5 }",
            "{ rate = 1, day = '1h', night = 2 }",
            "{ rate = 1, spacing = 'even' }",
            "{ rates = [1, 2] }",
            "{ rates = [], every = '1s' }",
            "{ rates = [0], every = '1s' }",
            "{ rates = [-1, 1], every = '1s' }",
            "{ rates = [1], every = '1ms' }",
            "{ rates = [1], every = '1s', rate = 1 }",
            "{ rates = [1], every = '1s', night = 0.5 }",
            "{ rates = [1], every = '1s', day = '1m' }",
        ] {
            #[derive(Debug, Deserialize)]
            #[expect(dead_code, reason = "only whether it is refused counts")]
            struct Row {
                x: Arrival,
            }
            assert!(
                toml::from_str::<Row>(&format!("x = {text}")).is_err(),
                "{text}"
            );
        }
    }
}
