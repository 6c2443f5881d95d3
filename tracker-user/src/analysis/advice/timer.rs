//! What to do with one timer.

use tracker_common::Timer;

use super::{Action, Evidence, Setting, harm, lower, policy, raise, returns, scene::Scene};
use crate::{analysis::forecast::Trial, settings::Name};

/// A value, and why.
pub struct Verdict {
    /// The value; 0 is the one that is set.
    pub seconds: u64,
    /// Why, in one clause.
    pub reason: String,
}

/// What to do with a timer; `None` if its value is not known.
pub fn decide(scene: &Scene<'_>, timer: Timer) -> Option<Setting> {
    let current = scene.current(timer).filter(|_| timer.has_sysctl())?;
    let verdict = blocked(scene, timer)
        .or_else(|| raise::verdict(scene, timer, current))
        .map_or_else(|| lower::verdict(scene, timer, current), Ok);
    let (recommended, reason) = match verdict {
        Ok(it) => (it.seconds, it.reason),
        Err(reason) => (current, reason),
    };
    // A verdict without a value of its own keeps the current one.
    let recommended = if recommended == 0 {
        current
    } else {
        recommended
    };
    let action = Action::of(current, recommended);
    let trial = Trial {
        name: Name::Timer(timer),
        value: recommended,
        only: Some(action),
    };
    Some(Setting {
        name: format!("net.netfilter.nf_conntrack_{}", timer.name()),
        current,
        recommended,
        action,
        reason,
        evidence: stated(scene, timer, recommended),
        occupancy: scene.occupancy.get(&timer).copied(),
        entries_saved: scene.saved(timer, trial).round() as i64,
        is_timer: true,
    })
}

/// What speaks for a value. One that was found from the gaps themselves lies where chance left few of
/// them above it, so their share bounds nothing. That the share is not above `max_harm` is bounded
/// all the same: values are tried upwards until one holds, and any false one would have to hold
/// where all lower ones, which cut more, did not. A floor is no such value, it stood before anything was seen.
pub fn stated(scene: &Scene<'_>, timer: Timer, seconds: u64) -> Evidence {
    let mut evidence = harm::evidence(scene, timer, seconds);
    let current = scene.current(timer).unwrap_or(seconds);
    evidence.outlasting = returns::outlasting(scene, timer, current);
    let found = seconds < current && seconds > policy::floor(scene.request.policy, timer).seconds;
    if found {
        let least = scene.request.max_harm;
        evidence.harm_upper_95 = evidence.harm_upper_95.map(|it| it.max(least));
    }
    evidence
}

/// Nothing may be concluded.
fn blocked(scene: &Scene<'_>, timer: Timer) -> Option<Verdict> {
    let reason = scene.blocked.clone().or_else(|| scene.mixed(timer))?;
    Some(Verdict { seconds: 0, reason })
}
