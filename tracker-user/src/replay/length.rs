//! How long a recording is played, and which timers' changes that is long enough for.

use std::time::Duration;

use tracker_common::Timer;

use super::{LONGEST, seen::Seen};
use crate::lab::scenario::Timeouts;

/// Warm-up, at most, unless a duration is asked for.
const MOST_WARM_UP: f64 = 4.0 * 3600.0;
/// Warm-up that timers need which do not change.
const USUAL_WARM_UP: f64 = 1800.0;
/// What is compared, at least.
const LEAST_COMPARED: f64 = 600.0;

/// How long a play is.
#[derive(Clone, Debug, PartialEq)]
pub struct Length {
    /// In all.
    pub all: Duration,
    /// Until the table is as full as it stays.
    pub warm_up: Duration,
    /// Timers whose changes it is too short for, and why.
    pub untested: Vec<(Timer, String)>,
}

/// Seconds until entries that run out under a timer of so many seconds leave the table as fast as they
/// come: it runs out, and the kernel's collector comes by.
fn settled(timer: f64) -> f64 {
    timer * 1.05 + 130.0
}

/// Seconds of a play whose warm-up takes so long.
fn with_warm_up(warm_up: f64) -> f64 {
    warm_up * 1.5
}

impl Length {
    /// Of a watch, if these timers are to become so long; no longer than is wanted.
    pub fn of(seen: &Seen<'_>, wanted: Option<Duration>, changes: &[(Timer, u64)]) -> Self {
        let wanted = wanted.map(|it| it.as_secs_f64().min(1e8));
        let most = wanted.map_or(MOST_WARM_UP, |all| all / with_warm_up(1.0));
        let mut warm_up: f64 = match wanted {
            Some(all) => (all / 3.0).min(USUAL_WARM_UP),
            None => (seen.watch / 3.0).min(USUAL_WARM_UP),
        };
        let mut untested = Vec::new();
        let known = Timeouts::default();
        for &(timer, seconds) in changes.iter().filter(|it| known.has(it.0)) {
            let settled = settled(seen.timeout(timer).max(seconds as f64));
            if settled <= most {
                warm_up = warm_up.max(settled);
            } else {
                let hours = (with_warm_up(settled) / 3600.0).ceil();
                untested.push((timer, format!("it takes --duration {hours}h")));
            }
        }
        let all = wanted.unwrap_or_else(|| {
            let left = (LONGEST.as_secs_f64() - warm_up).max(warm_up / 2.0);
            warm_up + seen.watch.min(left).max(LEAST_COMPARED)
        });
        let whole = |seconds: f64| Duration::from_secs(seconds.ceil() as u64);
        Self {
            all: whole(all.max(1.0)),
            warm_up: whole(warm_up),
            untested,
        }
    }

    /// Middle of what is compared, in seconds from the beginning.
    pub fn middle(&self) -> f64 {
        (self.all + self.warm_up).as_secs_f64() / 2.0
    }
}
