//! What the entry count becomes under other settings.
//!
//! An entry that expires leaves the table a timeout after its last packet, so a timer that is
//! shorter by Δ lets each of them expire Δ earlier: at a time t those are missing that were to expire
//! between t and t + Δ. They are looked up in the course of the watch, interval by interval, so that
//! a peak loses what expired around it and not what expires on average. Expired entries lie in the
//! table until the kernel's collector comes, and how often it comes follows the timeouts
//! (`collector`).
//!
//! Left out is what is of second order: entries that a shorter timer cuts and that begin again, and
//! those that a longer one lets resume.

mod collector;
mod cumulative;
mod scope;
mod trial;

#[cfg(test)]
mod tests;

use tracker_common::{State, layout::HistogramId};

use super::{Observed, advice::Predicted};
use crate::recording::{NamespaceRecord, Recording};
use collector::Collector;
use scope::{Counts, Figures, Scope};
pub use trial::Trial;

/// The entry count now, and as it becomes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// All namespaces together as they were seen.
    pub now: Predicted,
    /// The same under the other settings.
    pub then: Predicted,
    /// The largest namespace now: mean and peak.
    pub largest_now: (f64, u64),
    /// The largest namespace under the other settings.
    pub largest_then: (f64, u64),
}

/// What becomes of the entry count under these trials; what is not named stays as it is. Sizes of
/// the table make no difference as long as the count fits.
#[must_use]
pub fn forecast(recordings: &[Recording], trials: &[Trial]) -> Forecast {
    let mut all = Counts::default();
    let mut largest: Option<Counts> = None;
    let (mut little, mut expiries, mut overdue) = (0.0, 0.0, (0.0, 0.0));
    for recording in recordings {
        let observed = Observed::recording(recording);
        let now = Collector::now(recording, &observed);
        let then = now.under(recording, &observed, trials);
        let namespaces: Vec<&NamespaceRecord> = recording.namespaces.iter().collect();
        all.append(Scope::new(recording, &namespaces, trials).counts(&now, &then));
        for namespace in &recording.namespaces {
            let counts = Scope::new(recording, &[namespace], trials).counts(&now, &then);
            let peak = counts.then().peak;
            if largest.as_ref().is_none_or(|it| it.then().peak < peak) {
                largest = Some(counts);
            }
        }
        little += little_mean(&observed) * observed.seconds;
        let expired = observed.histogram(HistogramId::Overdue).count() as f64;
        expiries += expired;
        overdue.0 += now.lag() * expired;
        overdue.1 += then.lag() * expired;
    }
    let largest = largest.unwrap_or_default();
    let little = little / all.seconds().max(f64::MIN_POSITIVE);
    let (now, then) = (all.now(), all.then());
    let predicted = |counts: Figures, overdue: f64| Predicted {
        count_mean: counts.mean,
        count_p99: counts.p99.ceil() as u64,
        count_peak: counts.peak.ceil() as u64,
        overdue_s: overdue / expiries.max(1.0),
        // What it misses of the one it misses of the other: entries older than the watch.
        little_mean: little * counts.mean / now.mean.max(f64::MIN_POSITIVE),
    };
    let short = |it: Figures| (it.mean, it.peak.ceil() as u64);
    Forecast {
        now: predicted(now, overdue.0),
        then: predicted(then, overdue.1),
        largest_now: short(largest.now()),
        largest_then: short(largest.then()),
    }
}

/// Mean entry count by Little's law: the time that entries were seen to spend in the table, also
/// after their expiry, over the time watched.
pub fn little_mean(observed: &Observed) -> f64 {
    let spent = |state: &State| {
        let residency = observed.histogram(HistogramId::Residency(*state));
        let living = observed.counters.live_us[state.id()];
        residency.sum_us.saturating_add(living)
    };
    let overdue = observed.histogram(HistogramId::Overdue).sum_us;
    let spent_us = State::ALL
        .iter()
        .map(spent)
        .fold(overdue, u64::saturating_add);
    observed.rate(spent_us) / 1e6
}
