//! What to do with one timer.

use tracker_common::Timer;

use super::{Action, Evidence, Setting, bound, harm, policy, raise, returns, round, scene::Scene};
use crate::units;

/// Head-room over the gaps that were seen.
const MARGIN: f64 = 1.25;
/// A watch must be this many times as long as a value that it is to justify: of longer gaps it
/// shows only some.
const WATCH: f64 = 3.0;
/// A timer is not lowered for less than this share of the mean entry count.
const WORTH: f64 = 0.01;

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
        .map_or_else(|| lower(scene, timer, current), Ok);
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
    Some(Setting {
        name: format!("net.netfilter.nf_conntrack_{}", timer.name()),
        current,
        recommended,
        action: Action::of(current, recommended),
        reason,
        evidence: stated(scene, timer, current, recommended),
        entries_saved: saved(scene.expiries(timer), current, recommended).round() as i64,
        is_timer: true,
    })
}

/// Entries that a change takes out of the table: every entry that expires stays in it for the
/// timeout after its last packet, so by Little's law N changes by rate × seconds.
pub fn saved(expiries_per_s: f64, current: u64, recommended: u64) -> f64 {
    expiries_per_s * (current as f64 - recommended as f64)
}

/// What speaks for a value. One that was found from the gaps themselves lies where chance left few of
/// them above it, so their share bounds nothing. That the share is not above `max_harm` is bounded
/// all the same: values are tried downwards until one fails, so that any false one would have to
/// get past the highest false one. A floor is no such value, it stood before anything was seen.
fn stated(scene: &Scene<'_>, timer: Timer, current: u64, seconds: u64) -> Evidence {
    let mut evidence = harm::evidence(scene, timer, seconds);
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
    let reason = scene.blocked.clone().or_else(|| {
        scene
            .changed(timer)
            .then(|| "it was changed during the watch, which mixes two values".to_owned())
    })?;
    Some(Verdict { seconds: 0, reason })
}

/// The lowest value that the evidence and the policy allow, or why there is none.
fn lower(scene: &Scene<'_>, timer: Timer, current: u64) -> Result<Verdict, String> {
    let max_harm = scene.request.max_harm;
    let gaps = scene.max_gaps(timer);
    let connections = gaps.count();
    if connections == 0 {
        return Err("no connection was seen under it".to_owned());
    }
    let floor = policy::floor(scene.request.policy, timer);
    if floor.seconds >= current {
        return Err(floor.why.to_owned());
    }
    // Harm of T is the share of connections with a resumed gap above T; all gaps up to the current
    // value were seen. T is the smallest value whose harm is bounded by max_harm with 95 %.
    let allowed = bound::most_hits(connections, max_harm)
        .and_then(|hits| hits.checked_sub(scene.lost.unsigned_abs()))
        .ok_or_else(|| needed(scene, connections))?;
    let longest = gaps.at_rank(connections - allowed.min(connections - 1));
    let spares = |us: u64| round::seconds_up(us as f64 / 1e6 * MARGIN).max(floor.seconds);
    let all = spares(longest);
    let port = harm::strictest(scene, timer).filter(|it| spares(it.0) > all);
    let candidate = port.map_or(all, |it| spares(it.0));
    if candidate >= current {
        return Err(match port {
            Some((_, namespace, it)) => harm::paused(scene, namespace, it, all.min(current)),
            None => format!(
                "gaps of up to {} are resumed under it",
                units::seconds(longest as f64 / 1e6)
            ),
        });
    }
    let watch = scene.all.longest;
    if watch < candidate as f64 * WATCH {
        return Err(format!(
            "the watch lasted {}: it takes {} to justify {}",
            units::seconds(watch),
            units::whole(candidate * WATCH as u64),
            units::whole(candidate)
        ));
    }
    worth(scene, timer, current, candidate)?;
    let candidate = hours(scene, timer, candidate, current)?;
    worth(scene, timer, current, candidate)?;
    let it = stated(scene, timer, current, candidate);
    let mut reason = format!(
        "{} of {} resumed after more than {}: harm at most {:.1e}",
        units::count(it.exceedances),
        units::plural(connections, "connection", "connections"),
        units::whole(candidate),
        it.harm_upper_95.unwrap_or(1.0)
    );
    if let Some((_, namespace, it)) = port {
        reason.push_str(&format!("; {}", harm::paused(scene, namespace, it, all)));
    }
    Ok(Verdict {
        seconds: candidate,
        reason,
    })
}

/// The lowest value from this one on that no hour of the day speaks against.
fn hours(scene: &Scene<'_>, timer: Timer, from: u64, current: u64) -> Result<u64, String> {
    let mut candidate = from;
    let mut why = String::new();
    while candidate < current {
        match harm::worst_hour(scene, timer, candidate) {
            Err(error) => return Err(format!("its hours cannot be judged: {error}")),
            Ok(None) => return Ok(candidate),
            Ok(Some(hour)) => why = hour,
        }
        candidate = round::seconds_up(candidate as f64 * MARGIN);
    }
    Err(why)
}

fn needed(scene: &Scene<'_>, connections: u64) -> String {
    let max_harm = scene.request.max_harm;
    // The rule of three is what people know; the exact number is a little below it.
    let needed = round_up(bound::trials_needed(max_harm));
    if connections >= needed {
        format!(
            "{} that went unseen may have been harmed",
            units::count(scene.lost.unsigned_abs())
        )
    } else {
        format!(
            "only {} seen: {} needed for {max_harm:e}",
            units::plural(connections, "connection", "connections"),
            units::count(needed)
        )
    }
}

/// Two digits, upwards.
fn round_up(number: u64) -> u64 {
    let step = 10_u64.pow(number.checked_ilog10().unwrap_or(0).saturating_sub(1));
    number.div_ceil(step) * step
}

/// Whether lowering saves enough to touch a running system for it.
fn worth(scene: &Scene<'_>, timer: Timer, current: u64, candidate: u64) -> Result<(), String> {
    let expired = scene.all.counters.timer_expired[timer.id()];
    let watch = scene.all.longest;
    if expired == 0 && watch < current as f64 {
        return Err(format!(
            "nothing expired under it in {}: only a watch longer than {} shows what it would save",
            units::seconds(watch),
            units::whole(current)
        ));
    }
    let gain = saved(scene.expiries(timer), current, candidate);
    if gain < (scene.all.course.mean() * WORTH).max(1.0) {
        return Err(if expired == 0 {
            "saves nothing here: nothing expired under it".to_owned()
        } else {
            format!(
                "saves little here: {} would save {}",
                units::whole(candidate),
                units::plural(gain.round() as u64, "entry", "entries")
            )
        });
    }
    Ok(())
}
