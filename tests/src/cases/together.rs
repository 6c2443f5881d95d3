//! All that only makes traffic, in one watch: most of what a case takes is tracker's start.

use super::{Case, Kind, Measured, alone};
use crate::traffic::{Stage, TrafficError};

/// The case of this file.
pub fn cases() -> Vec<Case> {
    vec![alone("together", Measured::new(one_after_the_other))]
}

fn one_after_the_other(stage: &mut Stage) -> Result<(), TrafficError> {
    for case in super::all() {
        let Kind::Measured(Measured {
            joins: true,
            traffic,
            ..
        }) = case.kind
        else {
            continue;
        };
        traffic(stage).map_err(|error| TrafficError::Part {
            case: case.name,
            error: Box::new(error),
        })?;
    }
    Ok(())
}
