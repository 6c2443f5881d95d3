//! The part of a report about one scope, on its way to being expected.

use std::collections::BTreeMap;

use tracker_user::lab::truth::{Samples, Span};

use super::compare::{Want, Wants};
use super::hist::{self, Measure, Zero};
use super::ledger::Name;

/// Where the wishes about one scope go, and what they are measured by.
pub struct Page<'a> {
    /// All wishes.
    pub wants: &'a mut Wants,
    /// What the paths of this part begin with; it ends in a dot unless it is empty.
    pub at: &'a str,
    /// How times are measured.
    pub measure: Measure,
    /// Length of the watch in seconds.
    pub duration_s: f64,
    /// The timers' settings that this part shows, if they are one namespace's.
    pub settings: Option<&'a BTreeMap<Name, u64>>,
}

impl Page<'_> {
    /// Sets what a field of this part must hold.
    pub fn put(&mut self, path: &str, want: Want) {
        self.wants.put(format!("{}{path}", self.at), want);
    }

    /// Sets what a histogram of this part must show.
    pub fn samples(&mut self, path: &str, samples: &Samples, zero: Zero) {
        let path = format!("{}{path}", self.at);
        hist::want(samples, zero, self.wants, &path, self.measure);
    }

    /// Allows a histogram of this part to show whatever it does.
    pub fn anything(&mut self, path: &str) {
        for field in hist::FIELDS {
            self.put(&format!("{path}.{field}"), Want::Anything);
        }
    }

    /// A time in jiffies as seconds over `per`, with room for the histogram's width and a second of sampling.
    pub fn span(&self, span: Span, per: f64) -> Want {
        let seconds = |jiffies: u64| jiffies as f64 * self.measure.jiffy_s;
        Want::Between(
            seconds(span.low) * 0.95 / per - 0.05,
            seconds(span.high) * 1.05 / per + 0.05,
        )
    }
}
