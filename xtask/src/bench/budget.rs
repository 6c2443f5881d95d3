//! The limits that watching must keep.

use super::native::Native;
use super::report::Report;

/// A limit, and what is held against it.
pub struct Budget {
    what: &'static str,
    unit: &'static str,
    limit: f64,
    /// None where it could not be measured.
    measured: fn(&Report, &Native) -> Option<f64>,
}

/// All of them. One on a case's instructions is measured by `report.added(CASE)`.
#[rustfmt::skip]
const BUDGETS: &[Budget] = &[
    limit("user space on an idle table, at an interval of 1 s", "% of a core", 1.0, |report, _| Some(report.user.idle.percent())),
    limit("resident memory on an idle table, at most", "MiB", 30.0, |report, _| Some(report.user.idle.peak_mib())),
    limit("start to the first interval recorded, on this machine", "s", 1.0, |_, native| native.seconds()),
];

const fn limit(
    what: &'static str,
    unit: &'static str,
    limit: f64,
    measured: fn(&Report, &Native) -> Option<f64>,
) -> Budget {
    Budget {
        what,
        unit,
        limit,
        measured,
    }
}

/// A budget and what was measured.
pub struct Judged {
    /// What is limited.
    pub what: &'static str,
    /// In which unit.
    pub unit: &'static str,
    /// The limit, which must not be reached.
    pub limit: f64,
    /// What it came to, if it could be measured.
    pub measured: Option<f64>,
}

impl Judged {
    /// Whether the limit is kept. What could not be measured passes none.
    pub fn is_kept(&self) -> bool {
        self.measured.is_none_or(|measured| measured < self.limit)
    }
}

/// Holds what was measured against the limits.
pub fn judge(report: &Report, native: &Native) -> Vec<Judged> {
    BUDGETS
        .iter()
        .map(|budget| Judged {
            what: budget.what,
            unit: budget.unit,
            limit: budget.limit,
            measured: (budget.measured)(report, native),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(measured: Option<f64>) -> Judged {
        Judged {
            what: "",
            unit: "",
            limit: 1.0,
            measured,
        }
    }

    #[test]
    fn a_limit_must_not_be_reached() {
        assert!(judged(Some(0.99)).is_kept());
        assert!(!judged(Some(1.0)).is_kept());
        assert!(!judged(Some(f64::NAN)).is_kept());
        assert!(judged(None).is_kept());
    }
}
