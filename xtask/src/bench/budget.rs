//! The limits that watching must keep.

use super::native::Native;
use super::report::{Cost, Report};

/// The kernel that the limits on instructions are about.
pub const KERNEL: &str = "6.12";

/// What a limit is about, and so where it can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// What watching adds to the work of the kernel [`KERNEL`].
    Instructions,
    /// tracker's own process, on any kernel.
    Process,
    /// tracker's start, on a machine that lets itself be observed.
    Start,
    /// Advice on a long recording, on this machine.
    Advice,
}

/// A limit, and what is held against it.
pub struct Budget {
    about: About,
    what: &'static str,
    unit: &'static str,
    limit: f64,
    /// None where it was not measured.
    measured: fn(&Report, &Native) -> Option<f64>,
}

/// All of them.
#[rustfmt::skip]
const BUDGETS: &[Budget] = &[
    instructions("a UDP flow of one packet: insert, packet, natural death", 1150.0, |report, _| dearest(report, LIFE, BEST)),
    instructions("a further packet of a UDP flow in the same tick, at most", 300.0, |report, _| dearest(report, UDP, BEST)),
    instructions("a further packet of a TCP connection in the same tick", 300.0, |report, _| dearest(report, TCP, BEST)),
    instructions("a packet of a UDP flow after a pause, at most", 400.0, |report, _| dearest(report, UDP_LATER, BEST)),
    instructions("a packet of a TCP connection after a pause", 450.0, |report, _| dearest(report, TCP_LATER, BEST)),
    instructions("a UDP flow of one packet, by kprobes", 1900.0, |report, _| dearest(report, LIFE, KPROBES)),
    instructions("a further packet of a UDP flow in the same tick, at most, by kprobes", 600.0, |report, _| dearest(report, UDP, KPROBES)),
    instructions("a further packet of a TCP connection in the same tick, by kprobes", 600.0, |report, _| dearest(report, TCP, KPROBES)),
    instructions("a packet of a UDP flow after a pause, at most, by kprobes", 650.0, |report, _| dearest(report, UDP_LATER, KPROBES)),
    instructions("a packet of a TCP connection after a pause, by kprobes", 700.0, |report, _| dearest(report, TCP_LATER, KPROBES)),
    limit(About::Process, "user space on an idle table, at an interval of 1 s", "% of a core", 1.0, |report, _| Some(report.user.as_ref()?.idle.percent())),
    limit(About::Process, "resident memory on an idle table, at most", "MiB", 30.0, |report, _| Some(report.user.as_ref()?.idle.peak_mib())),
    limit(About::Start, "start to the first interval recorded, on this machine", "s", 1.0, |_, native| native.seconds()),
];

const LIFE: &[&str] = &["udp-life"];
const UDP: &[&str] = &["udp-packet", "udp-stream"];
const UDP_LATER: &[&str] = &["udp-packet-later", "udp-stream-later"];
const TCP: &[&str] = &["tcp-packet"];
const TCP_LATER: &[&str] = &["tcp-packet-later"];
const BEST: Added = |cost| Some(cost.added());
const KPROBES: Added = Cost::added_by_kprobes;

type Added = fn(&Cost) -> Option<f64>;

/// The most that watching adds to one of these cases; none unless it is known of each.
fn dearest(report: &Report, cases: &[&str], added: Added) -> Option<f64> {
    let all = cases.iter().map(|case| added(report.cost(case)?));
    let all = all.collect::<Option<Vec<f64>>>()?;
    // Not `f64::max`, which would pass over what is no number.
    all.into_iter().max_by(f64::total_cmp)
}

const fn instructions(
    what: &'static str,
    most: f64,
    measured: fn(&Report, &Native) -> Option<f64>,
) -> Budget {
    limit(About::Instructions, what, "instructions", most, measured)
}

const fn limit(
    about: About,
    what: &'static str,
    unit: &'static str,
    limit: f64,
    measured: fn(&Report, &Native) -> Option<f64>,
) -> Budget {
    Budget {
        about,
        what,
        unit,
        limit,
        measured,
    }
}

/// A budget and what was measured.
pub struct Judged {
    /// What it is about.
    pub about: About,
    /// What is limited.
    pub what: &'static str,
    /// In which unit.
    pub unit: &'static str,
    /// The limit, which must not be reached.
    pub limit: f64,
    /// What it came to, if it could be measured.
    pub measured: Option<f64>,
}

/// What is to be said of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is below its limit.
    Kept,
    /// It is not.
    Exceeded,
    /// It was not measured where it had to be.
    Missing,
    /// It cannot be measured on this machine.
    Unknown,
}

impl Judged {
    /// The verdict. Only a start may be refused by a machine.
    pub fn verdict(&self) -> Verdict {
        match self.measured {
            Some(measured) if measured < self.limit => Verdict::Kept,
            Some(_) => Verdict::Exceeded,
            None if self.about == About::Start => Verdict::Unknown,
            None => Verdict::Missing,
        }
    }

    /// Whether it stands in nobody's way.
    pub fn is_kept(&self) -> bool {
        matches!(self.verdict(), Verdict::Kept | Verdict::Unknown)
    }
}

/// Holds what was measured against the limits on these things.
pub fn judge(report: &Report, native: &Native, about: &[About]) -> Vec<Judged> {
    BUDGETS
        .iter()
        .filter(|budget| about.contains(&budget.about))
        .map(|budget| Judged {
            about: budget.about,
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

    fn judged(about: About, measured: Option<f64>) -> Judged {
        Judged {
            about,
            what: "",
            unit: "",
            limit: 1.0,
            measured,
        }
    }

    #[test]
    fn a_limit_must_not_be_reached() {
        let process = |measured| judged(About::Process, Some(measured)).verdict();
        assert_eq!(process(0.99), Verdict::Kept);
        assert_eq!(process(1.0), Verdict::Exceeded);
        assert_eq!(process(f64::NAN), Verdict::Exceeded);
    }

    #[test]
    fn what_was_not_measured_keeps_no_limit() {
        let missing = judged(About::Instructions, None);
        assert!(missing.verdict() == Verdict::Missing && !missing.is_kept());
        assert!(judged(About::Start, None).is_kept());
    }

    #[test]
    fn the_dearest_case_counts() {
        let cost = |name: &str, tracker, kprobes| Cost {
            name: name.to_owned(),
            what: String::new(),
            per: String::new(),
            unobserved: 100.0,
            tracker,
            kprobes,
        };
        let report = Report {
            costs: vec![
                cost("udp-packet", 150.0, Some(400.0)),
                cost("udp-stream", 350.0, None),
            ],
            whole: Vec::new(),
            flood: None,
            programs: Vec::new(),
            user: None,
        };
        assert_eq!(dearest(&report, UDP, BEST), Some(250.0));
        assert_eq!(dearest(&report, UDP, KPROBES), None);
        assert_eq!(dearest(&report, TCP, BEST), None);
    }
}
