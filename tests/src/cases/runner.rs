//! Running cases and saying how they went.

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

/// Runs the cases whose name contains one of the `filters`, or all if there are none, a line of output each.
#[must_use]
pub fn run(filters: &[String]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut places = Places::default();
    let wanted = |case: &&Case| {
        filters.is_empty() || filters.iter().any(|filter| case.name.contains(filter))
    };
    for case in super::all().iter().filter(wanted) {
        match decide(case, &mut places) {
            Ok(()) => {
                outcome.passed += 1;
                println!("case {} ... ok", case.name);
            }
            Err(why) => {
                outcome.failed += 1;
                println!("case {} ... FAILED ({why})", case.name);
            }
        }
    }
    println!("{} passed, {} failed", outcome.passed, outcome.failed);
    outcome
}

fn decide(case: &Case, places: &mut Places) -> anyhow::Result<()> {
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
