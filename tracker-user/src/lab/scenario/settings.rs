//! Settings of the router: timers, and the table's size.

use tracker_common::Timer;

use super::{Scenario, ScenarioError, Timeouts};
use crate::settings::{Assignment, Name};

/// Longest timer, in seconds.
const LONGEST: u64 = 10_000_000;
/// Entries or buckets, at most.
const LARGEST: u64 = 1 << 30;

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
    /// Plays under another setting than the file's. Scripts heed it: what they say of each packet is
    /// what the router makes of it under that setting.
    ///
    /// # Errors
    /// [`ScenarioError::Override`] where no packet of a scenario can arm the timer, or the lab does
    /// not play with this value.
    pub fn change(&mut self, to: Assignment) -> Result<(), ScenarioError> {
        let name = match to.name {
            Name::Timer(timer) => timer.name(),
            Name::Max => "max",
            Name::Buckets => "buckets",
        };
        self.set(name, to.value)
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
    fn settings_are_changed_once_or_again() {
        let mut scenario = Scenario::find("web-short").unwrap();
        for (text, seconds) in [
            ("tcp_timeout_time_wait=30", 30),
            ("net.netfilter.nf_conntrack_tcp_timeout_time_wait=50", 50),
        ] {
            scenario.change(text.parse().unwrap()).unwrap();
            assert_eq!(scenario.timeouts.seconds(Timer::TcpTimeWait), seconds);
            let sysctl = ("tcp_timeout_time_wait".to_owned(), seconds);
            assert_eq!(scenario.sysctls, [sysctl]);
        }
        scenario.change("max=5000".parse().unwrap()).unwrap();
        assert_eq!(scenario.max, Some(5_000));
    }

    #[test]
    fn what_the_lab_cannot_play_is_said_with_a_remedy() {
        let mut scenario = Scenario::find("dns").unwrap();
        for (text, what) in [
            (
                "generic_timeout=5",
                "no setting is named `generic_timeout`. Name",
            ),
            ("max=0", "0 for `max`. Give a number from 1"),
        ] {
            let refused = scenario.change(text.parse().unwrap()).unwrap_err();
            assert!(refused.to_string().starts_with(what), "{refused}");
        }
    }
}
