//! The floods, one after another.

use std::{thread, time::Duration};

use super::{
    BenchError, Options, Report, Row,
    flood::{Hears, SEED, flood},
    native::Native,
    observer::Observer,
    programs::{self, Program},
};
use crate::{
    kernel::{self, Root},
    lab::{
        control::Control,
        net::{Change, NetError, Tool, tool},
        scenario::Scenario,
    },
    source::ebpf::statistics,
};

/// Length of the flood that is not measured.
const WARM_UP: Duration = Duration::from_secs(1);
/// Why a flood that was broken off, or not begun, is not among those that were measured.
const INTERRUPTED: &str = "the bench was interrupted. Run it again";

/// Sends the flood under each observer. Whoever waits for it is told which one is next. Asked to
/// stop, it tells what was measured until then.
///
/// # Errors
/// [`BenchError`]. An observer that this machine lacks or refuses is left out, and no error.
pub fn run(
    options: &Options,
    control: &Control,
    tell: impl FnMut(&str),
) -> Result<Report, BenchError> {
    let mut tell = Tell {
        tell,
        size: String::new(),
    };
    let scenario = Scenario::find(&options.scenario)?;
    // What comes with the first packets only, such as the loading of modules, is nobody's cost.
    tell.next("a short one before, to warm up");
    let short = Options {
        duration: Some(options.duration.unwrap_or(WARM_UP).min(WARM_UP)),
        ..options.clone()
    };
    let hears = Hears {
        told: |change: &Change| tell.size(change),
        look: || (),
    };
    flood(&Observer::Nobody, &scenario, &short, control, hears)?;
    let mut rows = Vec::new();
    for observer in observers(tool("conntrack")) {
        rows.push(match observer {
            Ok(observer) => measured(&observer, &scenario, options, control, &mut tell)?,
            Err(left_out) => left_out,
        });
    }
    let watches = |row: &Row| row.observer == Observer::Tracker.name() && row.spent.is_some();
    let programs = if rows.iter().any(watches) && !control.is_stopped() {
        tell.next("tracker profile, with the kernel's statistics of its programs");
        by_program(&scenario, options, control, &mut tell)
    } else {
        Vec::new()
    };
    let native = if control.is_stopped() {
        Native::left_out(INTERRUPTED)
    } else {
        Native::time()
    };
    let machine = kernel::machine::Machine::read(&Root::machine()).ok();
    let mut report = Report {
        schema_version: 1,
        scenario: scenario.name.clone(),
        seed: SEED,
        kernel: machine.map_or_else(String::new, |machine| machine.release),
        cpus: thread::available_parallelism().map_or(1, usize::from),
        interrupted: control.is_stopped(),
        observers: rows,
        programs,
        native,
    };
    report.compare();
    Ok(report)
}

/// Tells whoever waits.
struct Tell<F> {
    tell: F,
    /// What was said about the table's size.
    size: String,
}

impl<F: FnMut(&str)> Tell<F> {
    fn next(&mut self, what: &str) {
        (self.tell)(what);
    }

    /// Each flood changes the size anew, mostly as the one before.
    fn size(&mut self, change: &Change) {
        let size = format!("until the flood ends, {change}");
        if size != self.size {
            (self.tell)(&size);
            self.size = size;
        }
    }
}

/// Who is to watch, and the row of whoever cannot.
fn observers(conntrack: Result<Tool, NetError>) -> [Result<Observer, Row>; 4] {
    let conntrack = conntrack
        .map(Observer::Conntrack)
        .map_err(|error| Row::left_out(Observer::CONNTRACK, &error));
    [
        Ok(Observer::Nobody),
        Ok(Observer::Tracker),
        conntrack,
        Ok(Observer::Listener),
    ]
}

fn measured(
    observer: &Observer,
    scenario: &Scenario,
    options: &Options,
    control: &Control,
    tell: &mut Tell<impl FnMut(&str)>,
) -> Result<Row, BenchError> {
    let name = observer.name();
    if control.is_stopped() {
        return Ok(Row::left_out(name, &INTERRUPTED));
    }
    tell.next(name);
    let hears = Hears {
        told: |change: &Change| tell.size(change),
        look: || (),
    };
    match flood(observer, scenario, options, control, hears) {
        // A part of it compares with nothing.
        _ if control.is_stopped() => Ok(Row::left_out(name, &INTERRUPTED)),
        Ok(spent) => Ok(Row::measured(name, spent)),
        Err(error) if error.is_about_the_observer() => Ok(Row::left_out(name, &error)),
        Err(error) => Err(error),
    }
}

/// A flood with the kernel's statistics of tracker's programs, which cost something themselves.
/// None where it does not keep them, or tracker does not watch a second time.
fn by_program(
    scenario: &Scenario,
    options: &Options,
    control: &Control,
    tell: &mut Tell<impl FnMut(&str)>,
) -> Vec<Program> {
    let Ok(kept) = statistics::keep() else {
        return Vec::new();
    };
    let before = programs::there();
    let mut ran = Vec::new();
    let hears = Hears {
        told: |change: &Change| tell.size(change),
        look: || ran = programs::since(&before),
    };
    let done = flood(&Observer::Tracker, scenario, options, control, hears);
    drop(kept);
    if done.is_err() || control.is_stopped() {
        ran.clear();
    }
    ran
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_conntrack_its_row_says_so_and_what_to_do() {
        let planned = observers(Err(NetError::Missing("conntrack")));
        let names: Vec<&str> = planned
            .iter()
            .map(|it| match it {
                Ok(observer) => observer.name(),
                Err(row) => row.observer.as_str(),
            })
            .collect();
        assert_eq!(
            names,
            [
                "nobody",
                "tracker profile",
                "conntrack -E",
                "counting listener"
            ]
        );
        let row = planned[2].as_ref().unwrap_err();
        let why = row.left_out.as_deref().unwrap();
        assert!(
            why.starts_with("conntrack is not here. Install it"),
            "{why}"
        );
        assert!(row.spent.is_none());
    }

    #[test]
    fn one_that_was_stopped_before_it_began_measures_nothing() {
        let control = Control::default();
        control.stop();
        let options = Options {
            scenario: "dns".to_owned(),
            duration: None,
            rate: None,
        };
        let scenario = Scenario::find("dns").unwrap();
        let mut tell = Tell {
            tell: |next: &str| panic!("{next} began"),
            size: String::new(),
        };
        let row = measured(&Observer::Tracker, &scenario, &options, &control, &mut tell);
        let row = row.unwrap();
        assert_eq!(row.left_out.as_deref(), Some(INTERRUPTED));
    }
}
