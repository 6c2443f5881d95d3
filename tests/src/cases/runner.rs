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

/// Runs the cases whose name contains one of the `filters`, or all if there are none, but not those whose name begins
/// with `without`; a line of output each.
#[must_use]
pub fn run(filters: &[String], without: Option<&str>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut places = Places::default();
    let wanted = |case: &&Case| {
        (filters.is_empty() || filters.iter().any(|filter| case.name.contains(filter)))
            && without.is_none_or(|prefix| !case.name.starts_with(prefix))
    };
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
