//! The live line of a watch, on a terminal.

use std::{io::IsTerminal, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{source::Sample, units};

/// A bar over the length of the watch, or a spinner where that is open; nothing off a terminal.
pub struct Live {
    bar: ProgressBar,
    last: Option<Totals>,
}

#[derive(Clone, Copy)]
struct Totals {
    at: Duration,
    inserted: u64,
    destroyed: u64,
}

impl Live {
    /// For a watch of this length.
    pub fn new(length: Option<Duration>) -> Self {
        let bar = if !std::io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else if let Some(length) = length {
            ProgressBar::new(length.as_secs().max(1))
                .with_style(style("{bar:20} {pos}/{len} s  {msg}"))
        } else {
            ProgressBar::new_spinner().with_style(style("{spinner} {elapsed}  {msg}"))
        };
        Self { bar, last: None }
    }

    /// Shows a sample.
    pub fn show(&mut self, sample: &Sample) {
        let sum = |of: fn(&tracker_common::layout::Counters) -> u64| {
            sample
                .namespaces
                .iter()
                .map(|namespace| of(&namespace.counters))
                .sum::<u64>()
        };
        let now = Totals {
            at: sample.at,
            inserted: sum(tracker_common::layout::Counters::inserted),
            destroyed: sum(tracker_common::layout::Counters::destroyed),
        };
        let last = self.last.replace(now).unwrap_or(Totals {
            at: Duration::ZERO,
            inserted: 0,
            destroyed: 0,
        });
        let seconds = (now.at.saturating_sub(last.at)).as_secs_f64().max(1e-3);
        let per_second = |now: u64, last: u64| {
            units::rate(Duration::from_secs(now.saturating_sub(last)).as_secs_f64() / seconds)
        };
        let tables = || {
            sample
                .namespaces
                .iter()
                .filter_map(|namespace| namespace.table)
        };
        let count: u64 = tables().map(|table| table.count).sum();
        let max = tables().map(|table| table.max).max().unwrap_or(0);
        let losses: u64 = sample.losses.count.iter().sum();
        self.bar.set_position(now.at.as_secs());
        self.bar.set_message(format!(
            "{}/{} entries  {} inserts  {} deaths  {} losses",
            units::count(count),
            units::count(max),
            per_second(now.inserted, last.inserted),
            per_second(now.destroyed, last.destroyed),
            units::count(losses),
        ));
    }

    /// Clears the line.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

/// Style of a line; the template is one of this program's own.
pub fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
