//! Running cases and saying how they went.

use anyhow::{Result, bail};

use super::limit::{self, within};
use super::places::Places;
use super::{Case, Kind, measured};

/// How many cases passed and failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed.
    pub failed: usize,
}

/// Which cases are wanted.
#[derive(Debug, Default, Clone)]
pub struct Choice {
    /// Those whose name contains one of these; if there are none, all that do not run in the watch of others;
    pub filters: Vec<String>,
    /// but only those whose name begins with this,
    pub only: Option<String>,
    /// and with none of these.
    pub without: Vec<String>,
}

impl Choice {
    /// One that runs in the watch of others does not run alone unless it is asked for.
    fn wants(&self, case: &Case) -> bool {
        self.takes(case.name) && !(case.joins() && self.filters.is_empty())
    }

    fn takes(&self, name: &str) -> bool {
        let begins = |prefix: &String| name.starts_with(prefix);
        (self.filters.is_empty() || self.filters.iter().any(|filter| name.contains(filter)))
            && self.only.iter().all(begins)
            && !self.without.iter().any(begins)
    }
}

/// Runs the cases that are wanted; a line of output each.
#[must_use]
pub fn run(choice: &Choice) -> Outcome {
    let mut outcome = Outcome::default();
    let mut places = Places::default();
    let wanted = |case: &&Case| choice.wants(case);
    for case in super::all().iter().filter(wanted) {
        match in_time(case, &mut places, outcome) {
            Ok(()) => {
                outcome.passed += 1;
                println!("case {} ... ok", case.name);
            }
            Err(why) => {
                outcome.failed += 1;
                println!("case {} ... FAILED ({why:#})", case.name);
            }
        }
    }
    println!("{} passed, {} failed", outcome.passed, outcome.failed);
    outcome
}

/// Decides a case within its time. One that cannot be ended ends the run.
fn in_time(case: &Case, places: &mut Places, before: Outcome) -> Result<()> {
    let hopeless = || {
        println!("case {} ... FAILED (it hangs)", case.name);
        println!("{} passed, {} failed", before.passed, before.failed + 1);
    };
    let (decided, in_time) = within(limit::CASE, hopeless, || decide(case, places));
    if in_time {
        return decided;
    }
    let late = format!("it took more than {} s", limit::CASE.time.as_secs());
    match decided {
        Ok(()) => bail!(late),
        Err(why) => Err(why.context(late)),
    }
}

fn decide(case: &Case, places: &mut Places) -> Result<()> {
    match &case.kind {
        Kind::Measured(measured) => {
            let result = measured::run(case.name, measured, places);
            if result.is_err() {
                // Whatever went wrong is not to reach the next case.
                places.clear();
            }
            result.map_err(Into::into)
        }
        Kind::Free(free) => {
            places.clear();
            free()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_with_others_runs_alone_if_it_is_asked_for() {
        let runs = |filters: &[&str]| -> Vec<&str> {
            let choice = Choice {
                filters: filters.iter().map(|&it| it.to_owned()).collect(),
                ..Choice::default()
            };
            let all = super::super::all();
            let wanted = all.iter().filter(|case| choice.wants(case));
            wanted.map(|case| case.name).collect()
        };
        assert_eq!(runs(&["udp_stream"]), ["udp_stream"]);
        assert_eq!(runs(&["together"]), ["together"]);
        let usual = runs(&[]);
        assert!(usual.contains(&"together") && !usual.contains(&"udp_stream"));
    }

    #[test]
    fn a_choice_is_by_parts_and_beginnings_of_names() {
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let mut choice = Choice::default();
        assert!(choice.takes("udp_expiry"));
        choice.filters = words(&["udp", "tcp"]);
        assert!(choice.takes("flood_udp") && choice.takes("udp_expiry") && !choice.takes("icmp"));
        choice.only = Some("flood_".to_owned());
        assert!(choice.takes("flood_udp") && !choice.takes("udp_expiry"));
        choice.without = words(&["no", "flood_u"]);
        assert!(choice.takes("flood_tcp") && !choice.takes("flood_udp"));
    }
}
