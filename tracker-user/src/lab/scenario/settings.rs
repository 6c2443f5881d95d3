//! Settings of the router: timers, and the table's size.

use std::str::FromStr;

use tracker_common::Timer;

use super::{Scenario, ScenarioError, Timeouts};

/// Longest timer, in seconds.
const LONGEST: u64 = 10_000_000;
/// Entries or buckets, at most.
const LARGEST: u64 = 1 << 30;
/// What a sysctl's full name has before a setting's.
const PREFIXES: [&str; 2] = ["net.netfilter.", "nf_conntrack_"];

/// A setting that is to be another than the scenario's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Name of a timer's sysctl, `max` or `buckets`, with or without its prefixes.
    pub name: String,
    /// Seconds, or a number of entries or buckets.
    pub value: u64,
}

impl FromStr for Set {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=');
        let set = parts.and_then(|(name, value)| {
            Some(Self {
                name: name.trim().to_owned(),
                value: value.trim().parse().ok()?,
            })
        });
        set.ok_or_else(|| {
            "give KEY=VALUE with a whole number, such as tcp_timeout_time_wait=30".to_owned()
        })
    }
}

/// The part of a setting that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Name,
    Value,
}

/// Why a setting cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub part: Part,
    pub what: String,
    pub remedy: String,
}

impl Refused {
    /// No such number.
    pub fn value(name: &str, number: impl std::fmt::Display) -> Self {
        Self {
            part: Part::Value,
            what: format!("{number} for `{name}`"),
            remedy: format!("Give a number from 1 to {}", most(name)),
        }
    }
}

fn most(name: &str) -> u64 {
    match name {
        "max" | "buckets" => LARGEST,
        _ => LONGEST,
    }
}

impl Scenario {
    /// Plays under other settings than the file's. Scripts heed them: what they say of each packet
    /// is what the router makes of it under them.
    ///
    /// # Errors
    /// [`ScenarioError::Override`] where there is no such setting or it cannot have that value.
    pub fn change(&mut self, set: &Set) -> Result<(), ScenarioError> {
        let mut name = set.name.as_str();
        for prefix in PREFIXES {
            name = name.strip_prefix(prefix).unwrap_or(name);
        }
        self.set(name, set.value)
            .map_err(|refused| ScenarioError::Override {
                what: refused.what,
                remedy: refused.remedy,
            })
    }

    pub(super) fn set(&mut self, name: &str, number: u64) -> Result<(), Refused> {
        if !(1..=most(name)).contains(&number) {
            return Err(Refused::value(name, number));
        }
        let known = Timer::from_name(name).filter(|timer| Timeouts::default().has(*timer));
        match (name, known) {
            ("max", _) => self.max = Some(number),
            ("buckets", _) => self.buckets = Some(number),
            (_, Some(timer)) => {
                self.timeouts.set(timer, number as u32);
                self.sysctls.retain(|(before, _)| before != name);
                self.sysctls.push((name.to_owned(), number));
            }
            (_, None) => {
                return Err(Refused {
                    part: Part::Name,
                    what: format!("no setting is named `{name}`"),
                    remedy: "Name `max`, `buckets`, or a timer of TCP, UDP or ICMP as \
                             `udp_timeout` is named"
                        .to_owned(),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_named_as_short_or_long_as_one_likes() {
        let mut scenario = Scenario::find("web-short").unwrap();
        for (name, seconds) in [
            ("tcp_timeout_time_wait", 30),
            ("nf_conntrack_tcp_timeout_time_wait", 40),
            ("net.netfilter.nf_conntrack_tcp_timeout_time_wait", 50),
        ] {
            let set: Set = format!("{name}={seconds}").parse().unwrap();
            scenario.change(&set).unwrap();
            assert_eq!(scenario.timeouts.seconds(Timer::TcpTimeWait), seconds);
            let sysctl = ("tcp_timeout_time_wait".to_owned(), seconds);
            assert_eq!(scenario.sysctls, [sysctl]);
        }
        scenario.change(&"max=5000".parse().unwrap()).unwrap();
        assert_eq!(scenario.max, Some(5_000));
    }

    #[test]
    fn what_cannot_be_set_is_said_with_a_remedy() {
        assert!("udp_timeout".parse::<Set>().is_err());
        assert!("udp_timeout=soon".parse::<Set>().is_err());
        let mut scenario = Scenario::find("dns").unwrap();
        for (text, what) in [
            ("udp_timeout=0", "0 for `udp_timeout`. Give a number from 1"),
            ("udp_timout=5", "no setting is named `udp_timout`. Name"),
            ("generic_timeout=5", "no setting is named `generic_timeout`"),
            ("max=99999999999", "99999999999 for `max`"),
        ] {
            let refused = scenario.change(&text.parse().unwrap()).unwrap_err();
            assert!(refused.to_string().starts_with(what), "{refused}");
        }
    }
}
