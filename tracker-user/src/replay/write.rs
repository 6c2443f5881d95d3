//! A scenario's file.

use std::fmt::{self, Write};

use tracker_common::{Proto, Timer};

use super::{
    course::Course,
    kind::{Arrivals, Kind, Step},
    length::Length,
};
use crate::proof::scaled;

/// What a file is made of.
#[derive(Debug)]
pub struct File<'a> {
    pub description: String,
    /// Timers, `max` and `buckets`.
    pub settings: Vec<(String, u64)>,
    pub course: &'a Course,
    pub length: &'a Length,
    pub kinds: &'a [Kind],
    /// Share of the connections that are played.
    pub scale: f64,
    /// Share of the connections that a plan may cut.
    pub max_harm: f64,
    /// Timers that the play tells nothing about, and why.
    pub untested: Vec<(Timer, String)>,
}

/// Client's ports, as a scenario has them.
const CLIENT_PORTS: f64 = 64_512.0;
/// Clients, at least.
const FEWEST_CLIENTS: f64 = 20.0;

impl fmt::Display for File<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "description = {}", quoted(&self.description))?;
        writeln!(f, "duration = {}", self.length.all.as_secs())?;
        writeln!(f, "\n[settings]")?;
        for (name, value) in &self.settings {
            let value = match name.as_str() {
                "max" | "buckets" => scaled(*value, self.scale),
                _ => *value,
            };
            writeln!(f, "{name} = {value}")?;
        }
        self.proof(f)?;
        self.kinds
            .iter()
            .try_for_each(|kind| self.population(f, kind))
    }
}

/// Samples of the entry count in a proof.
const SAMPLES: u64 = 300;
/// Times between them in seconds, none of them a minute's part: that is when the kernel collects.
const INTERVALS: [u64; 10] = [1, 7, 11, 13, 17, 19, 23, 29, 37, 47];

impl File<'_> {
    fn proof(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warm_up = self.length.warm_up.as_secs();
        let wanted = self.length.all.as_secs().saturating_sub(warm_up) / SAMPLES;
        let interval = INTERVALS.iter().find(|it| **it >= wanted);
        let interval = interval.copied().unwrap_or(wanted | 1);
        writeln!(f, "\n[proof]\nwarm_up = {warm_up}\ninterval = {interval}")?;
        writeln!(f, "max_harm = {}", self.max_harm)?;
        if self.scale < 1.0 {
            writeln!(f, "share = {}", self.scale)?;
        }
        if let Some(mean) = self.course.mean {
            writeln!(f, "recorded = {:.1}", mean * self.scale)?;
        }
        if self.untested.is_empty() {
            return Ok(());
        }
        writeln!(f, "\n[proof.untested]")?;
        self.untested
            .iter()
            .try_for_each(|(timer, why)| writeln!(f, "{} = {}", timer.name(), quoted(why)))
    }

    /// Connections of a kind that are played.
    pub fn count(&self, kind: &Kind) -> f64 {
        self.scale
            * match kind.arrivals {
                Arrivals::Course(count) => count * self.course.share,
                Arrivals::AtStart(count) => count,
            }
    }

    fn population(&self, f: &mut fmt::Formatter<'_>, kind: &Kind) -> fmt::Result {
        let (proto, family) = match kind.proto {
            Proto::Icmpv6 => ("icmp", "family = \"ipv6\"\n"),
            proto => (proto.name(), ""),
        };
        let count = self.count(kind);
        let ports = kind.ports.len().max(1) as f64;
        let tuples = CLIENT_PORTS / self.kinds.len() as f64 * ports;
        // Twice as many tuples as connections leave room for chance.
        let clients = (2.0 * count / tuples).ceil().max(FEWEST_CLIENTS);
        writeln!(f, "\n[[population]]\nname = {}", quoted(&kind.name))?;
        write!(f, "proto = \"{proto}\"\n{family}arrival = ")?;
        match kind.arrivals {
            Arrivals::Course(_) => self.course(f, count)?,
            Arrivals::AtStart(_) => writeln!(f, "{{ burst = {} }}", count.max(1.0).round())?,
        }
        writeln!(f, "clients = {clients}")?;
        match kind.ports.as_slice() {
            [] => {}
            [port] => writeln!(f, "ports = {port}")?,
            ports => writeln!(f, "ports = {ports:?}")?,
        }
        writeln!(f, "rtt = \"2ms\"\nscript = [")?;
        steps(f, &kind.script, 1)?;
        writeln!(f, "]")
    }

    fn course(&self, f: &mut fmt::Formatter<'_>, count: f64) -> fmt::Result {
        let mean = count / self.course.length.as_secs_f64();
        match self.course.factors.as_slice() {
            [_] => writeln!(f, "{{ rate = {} }}", rate(mean)),
            factors => {
                let rates: Vec<f64> = factors.iter().map(|factor| rate(mean * factor)).collect();
                let every = self.course.every.as_secs();
                writeln!(f, "{{ rates = {rates:?}, every = {every} }}")
            }
        }
    }
}

/// Steps, each on a line of its own.
fn steps(f: &mut fmt::Formatter<'_>, script: &[Step], depth: usize) -> fmt::Result {
    let indent = "    ".repeat(depth);
    for step in script {
        f.write_str(&indent)?;
        match step {
            Step::Plain(text) => f.write_str(text)?,
            Step::Pause(spread) => write!(f, "{{ pause = {spread} }}")?,
            Step::Talk {
                lasts,
                pause,
                answered,
            } => {
                let answered = if *answered { "" } else { ", answered = false" };
                write!(
                    f,
                    "{{ talk = {{ lasts = {lasts}, pause = {pause}{answered} }} }}"
                )?;
            }
            Step::Choose(ways) => {
                f.write_str("{ choose = [\n")?;
                for (weight, script) in ways {
                    let weight = significant(*weight);
                    writeln!(f, "{indent}    {{ weight = {weight}, script = [")?;
                    steps(f, script, depth + 2)?;
                    writeln!(f, "{indent}    ] }},")?;
                }
                write!(f, "{indent}] }}")?;
            }
        }
        f.write_str(",\n")?;
    }
    Ok(())
}

/// Connections a second.
fn rate(value: f64) -> f64 {
    significant(value)
}

/// With six digits.
fn significant(value: f64) -> f64 {
    if value <= 0.0 {
        return 0.0;
    }
    let digits = libm::pow(10.0, 5.0 - libm::floor(libm::log10(value)));
    libm::round(value * digits) / digits
}

/// A basic string of TOML.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            control if control.is_control() => {
                // Writing to a string does not fail.
                let _ = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_strings_safe() {
        assert_eq!(significant(123_456.789), 123_457.0);
        assert_eq!(significant(0.001_234_567_8), 0.001_234_57);
        assert_eq!(significant(0.0), 0.0);
        assert_eq!(quoted("a\"b\\\n"), "\"a\\\"b\\\\\\u000A\"");
    }
}
