//! Numbers and times that vary, as a scenario's file gives them.

use std::marker::PhantomData;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use super::bins::Bins;
use crate::lab::random::Chance;

/// What a spread is made of.
pub trait Unit: 'static {
    /// What a single value is called in errors.
    const NAME: &'static str;
    /// Most that it may be.
    const MOST: f64;

    /// From text.
    fn parse(text: &str) -> Option<f64>;
}

/// Times, in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds;

/// Counted things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number;

impl Unit for Seconds {
    const NAME: &'static str = "a time such as \"20ms\" or \"1m 30s\", or a number of seconds";
    const MOST: f64 = 100.0 * 86_400.0;

    fn parse(text: &str) -> Option<f64> {
        let time = humantime::parse_duration(text).ok()?;
        Some(time.as_secs_f64())
    }
}

impl Unit for Number {
    const NAME: &'static str = "a number";
    const MOST: f64 = 1e6;

    fn parse(_: &str) -> Option<f64> {
        None
    }
}

/// A value, or how it is distributed. Drawn values stay within the unit's range.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread<U> {
    shape: Shape,
    most: f64,
    unit: PhantomData<U>,
}

#[derive(Clone, Debug, PartialEq)]
enum Shape {
    Constant(f64),
    Uniform { from: f64, to: f64 },
    Exponential { mean: f64 },
    Lognormal { median: f64, sigma: f64 },
    Pareto { least: f64, shape: f64 },
    Histogram(Bins),
}

impl<U: Unit> Spread<U> {
    /// Always the same value.
    #[must_use]
    pub const fn constant(value: f64) -> Self {
        Self {
            shape: Shape::Constant(value),
            most: U::MOST,
            unit: PhantomData,
        }
    }

    /// The greatest value that it is meant to have; none if it is open-ended.
    pub(crate) fn highest(&self) -> Option<f64> {
        match &self.shape {
            Shape::Constant(value) | Shape::Uniform { to: value, .. } => Some(*value),
            Shape::Histogram(bins) => Some(bins.highest()),
            _ => (self.most < U::MOST).then_some(self.most),
        }
    }

    fn draw_value(&self, chance: &mut Chance) -> f64 {
        let value = match self.shape {
            Shape::Histogram(ref bins) => bins.at(chance.unit()),
            Shape::Constant(value) => value,
            Shape::Uniform { from, to } => from + (to - from) * chance.unit(),
            Shape::Exponential { mean } => mean * chance.exponential(),
            Shape::Lognormal { median, sigma } => median * libm::exp(sigma * chance.normal()),
            Shape::Pareto { least, shape } => least * libm::pow(1.0 - chance.unit(), -1.0 / shape),
        };
        value.clamp(0.0, self.most)
    }
}

impl Spread<Seconds> {
    /// A time, to the microsecond.
    pub fn draw(&self, chance: &mut Chance) -> Duration {
        Duration::from_micros(libm::round(self.draw_value(chance) * 1e6) as u64)
    }
}

impl Spread<Number> {
    /// A whole number.
    pub fn draw(&self, chance: &mut Chance) -> u32 {
        libm::round(self.draw_value(chance)) as u32
    }
}

/// A single value of a unit.
struct Value<U>(f64, PhantomData<U>);

impl<'de, U: Unit> Deserialize<'de> for Value<U> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor(PhantomData))
    }
}

struct ValueVisitor<U>(PhantomData<U>);

impl<U: Unit> de::Visitor<'_> for ValueVisitor<U> {
    type Value = Value<U>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(U::NAME)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value<U>, E> {
        self.visit_f64(value as f64)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value<U>, E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value<U>, E> {
        if (0.0..=U::MOST).contains(&value) {
            Ok(Value(value, PhantomData))
        } else {
            Err(E::custom(format!("{value} is not from 0 to {}", U::MOST)))
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value<U>, E> {
        let wrong = || E::invalid_value(de::Unexpected::Str(text), &self);
        let value = U::parse(text).ok_or_else(wrong)?;
        self.visit_f64(value)
    }
}

/// A distribution, as a table with one key.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[serde(bound(deserialize = ""))]
enum Named<U: Unit> {
    Uniform([Value<U>; 2]),
    Exponential(Value<U>),
    Lognormal {
        median: Value<U>,
        sigma: f64,
        most: Option<Value<U>>,
    },
    Pareto {
        least: Value<U>,
        shape: f64,
        most: Option<Value<U>>,
    },
    Histogram(Vec<(Value<U>, f64)>),
}

impl<U: Unit> Named<U> {
    fn spread<E: de::Error>(self) -> Result<Spread<U>, E> {
        let (shape, most) = match self {
            Self::Uniform([from, to]) => {
                if from.0 > to.0 {
                    return Err(E::custom("its first value is greater than its second"));
                }
                (
                    Shape::Uniform {
                        from: from.0,
                        to: to.0,
                    },
                    None,
                )
            }
            Self::Exponential(mean) => (Shape::Exponential { mean: mean.0 }, None),
            Self::Lognormal {
                median,
                sigma,
                most,
            } => {
                let median = median.0;
                in_range("sigma", sigma, 0.0, 10.0)?;
                (Shape::Lognormal { median, sigma }, most)
            }
            Self::Pareto { least, shape, most } => {
                let least = least.0;
                in_range("shape", shape, 0.05, 100.0)?;
                (Shape::Pareto { least, shape }, most)
            }
            Self::Histogram(rows) => {
                let rows = rows.iter().map(|(value, weight)| (value.0, *weight));
                (Shape::Histogram(Bins::new(rows).map_err(E::custom)?), None)
            }
        };
        Ok(Spread {
            shape,
            most: most.map_or(U::MOST, |most| most.0),
            unit: PhantomData,
        })
    }
}

fn in_range<E: de::Error>(name: &str, value: f64, low: f64, high: f64) -> Result<(), E> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(E::custom(format!(
        "a {name} of {value} is not from {low} to {high}"
    )))
}

impl<'de, U: Unit> Deserialize<'de> for Spread<U> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpreadVisitor(PhantomData))
    }
}

struct SpreadVisitor<U>(PhantomData<U>);

impl<'de, U: Unit> de::Visitor<'de> for SpreadVisitor<U> {
    type Value = Spread<U>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, or a distribution of them", U::NAME)
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Self::Value, E> {
        self.visit_f64(value as f64)
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Self::Value, E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Self::Value, E> {
        let value = ValueVisitor::<U>(PhantomData).visit_f64(value)?;
        Ok(Spread::constant(value.0))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        let value = ValueVisitor::<U>(PhantomData).visit_str(text)?;
        Ok(Spread::constant(value.0))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let map = de::value::MapAccessDeserializer::new(map);
        Named::<U>::deserialize(map)?.spread()
    }
}

/// A time of fixed length.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Time(pub Duration);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = Value::<Seconds>::deserialize(deserializer)?;
        Ok(Self(Duration::from_secs_f64(seconds.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    #[serde(bound(deserialize = ""))]
    struct Row<U: Unit> {
        x: Spread<U>,
    }

    fn spread<U: Unit>(text: &str) -> Result<Spread<U>, String> {
        let row: Result<Row<U>, _> = toml::from_str(&format!("x = {text}"));
        row.map(|row| row.x).map_err(|error| error.to_string())
    }

    #[test]
    fn a_time_is_written_in_words_or_seconds() {
        let mut chance = Chance::new(0, 0, 0);
        let mut draw = |text| spread::<Seconds>(text).unwrap().draw(&mut chance);
        assert_eq!(draw("'1m 30s'"), Duration::from_secs(90));
        assert_eq!(draw("0.25"), Duration::from_millis(250));
        let drawn = draw("{ uniform = ['1s', '2s'] }");
        assert!(drawn >= Duration::from_secs(1) && drawn <= Duration::from_secs(2));
        assert!(draw("{ pareto = { least = '1s', shape = 0.1, most = '3s' } }").as_secs() <= 3);
    }

    #[test]
    fn distributions_have_their_medians() {
        let mut chance = Chance::new(5, 0, 0);
        let mut median = |text| {
            let spread = spread::<Number>(text).unwrap();
            let mut drawn: Vec<u32> = (0..10_001).map(|_| spread.draw(&mut chance)).collect();
            drawn.sort_unstable();
            drawn[5000]
        };
        assert!((970..=1030).contains(&median("{ lognormal = { median = 1000, sigma = 0.5 } }")));
        assert!((660..=730).contains(&median("{ exponential = 1000 }")));
        // 2^(1/2) times the least.
        assert!((1380..=1450).contains(&median("{ pareto = { least = 1000, shape = 2.0 } }")));
        assert!((485..=515).contains(&median("{ uniform = [0, 1000] }")));
        let bins = "{ histogram = [[100, 1], [900, 0], [1100, 2], [9000, 1]] }";
        assert!((985..=1015).contains(&median(bins)));
    }

    #[test]
    fn a_histogram_is_drawn_by_its_weights() {
        let spread = spread::<Seconds>("{ histogram = [[5, 1], [60, 0], [60, 2], ['90s', 1]] }");
        let spread = spread.unwrap();
        let mut chance = Chance::new(3, 0, 0);
        let drawn: Vec<f64> = (0..10_000)
            .map(|_| spread.draw(&mut chance).as_secs_f64())
            .collect();
        let share = |is: fn(f64) -> bool| drawn.iter().filter(|it| is(**it)).count();
        assert!((2_350..2_650).contains(&share(|it| it <= 5.0)));
        assert_eq!(share(|it| it > 5.0 && it < 60.0), 0);
        assert!((4_850..5_150).contains(&share(|it| it == 60.0)));
        assert!((2_350..2_650).contains(&share(|it| it > 60.0)));
        assert_eq!(spread.highest(), Some(90.0));
    }

    #[test]
    fn what_is_no_value_is_refused() {
        for text in [
            "'soon'",
            "-1",
            "nan",
            "inf",
            "true",
            "[1]",
            "{ uniform = ['2s', '1s'] }",
            "{ uniform = ['2s'] }",
            "{ gamma = 1 }",
            "{ lognormal = { median = 1, sigma = -1.0 } }",
            "{ pareto = { least = 1, shape = 0.0 } }",
            "{ pareto = { least = 1, shape = 1.0, best = 2 } }",
            "{ histogram = [] }",
            "{ histogram = [[1, 0]] }",
            "{ histogram = [[1, -1]] }",
            "{ histogram = [[2, 1], [1, 1]] }",
            "{}",
        ] {
            assert!(spread::<Seconds>(text).is_err(), "{text}");
        }
        assert!(spread::<Number>("'1s'").is_err());
    }
}
