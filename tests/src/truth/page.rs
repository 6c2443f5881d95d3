//! The part of a report about one scope, on its way to being expected.

use super::compare::{Want, Wants};
use super::hist::Samples;
use super::ledger::Ledger;

/// Where the wishes about one scope go, and what they are measured by.
pub struct Page<'a> {
    /// All wishes.
    pub wants: &'a mut Wants,
    /// What the paths of this part begin with; it ends in a dot unless it is empty.
    pub at: &'a str,
    /// The truth.
    pub ledger: &'a Ledger,
    /// Length of the watch in seconds.
    pub duration_s: f64,
    /// The namespace whose settings this part shows, if they are one namespace's.
    pub settings: Option<&'a str>,
}

impl Page<'_> {
    /// Sets what a field of this part must hold.
    pub fn put(&mut self, path: &str, want: Want) {
        self.wants.put(format!("{}{path}", self.at), want);
    }

    /// Sets what a histogram of this part must show.
    pub fn samples(&mut self, path: &str, samples: &Samples) {
        let path = format!("{}{path}", self.at);
        samples.want(self.wants, &path, self.ledger.jiffy_s, self.ledger.slack);
    }

    /// A time in jiffies as seconds over `per`, with room for the histogram's width and a second of sampling.
    pub fn span(&self, low: u64, high: u64, per: f64) -> Want {
        let seconds = |jiffies: u64| jiffies as f64 * self.ledger.jiffy_s;
        Want::Between(
            seconds(low) * 0.95 / per - 0.05,
            seconds(high) * 1.05 / per + 0.05,
        )
    }
}
