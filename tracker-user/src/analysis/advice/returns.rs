//! What a timer cut: entries that expired under it, and whose connection went on.
//!
//! The gap of such a connection is known from its return. Of the gaps that nobody saw the end of,
//! Kaplan and Meier's estimator ("Nonparametric estimation from incomplete observations", 1958)
//! takes what they tell: they were at least so long.

use tracker_common::{Timer, layout::HistogramId};

use super::{harm, policy, round, scene::Scene};
use crate::{recording::Distribution, units};

/// Returns that may be chance.
const FEW: u64 = 3;
/// Head-room over the gaps that were seen.
const MARGIN: f64 = 1.25;

/// The value that would have spared the connections that returned, and why; `None` if too few did
/// for it to matter.
pub fn raise(scene: &Scene<'_>, timer: Timer, current: u64) -> Option<(u64, String)> {
    let returns = scene.all.histogram(HistogramId::Return(timer));
    let returned = returns.count();
    let connections = scene.max_gaps(timer).count().max(returned);
    let spared = harm::allowed(connections, scene.request.max_harm);
    if returned <= spared.max(FEW - 1) {
        return None;
    }
    let longest = returns.at_rank(returned - spared) as f64 / 1e6;
    let wanted = round::seconds_up(longest * MARGIN);
    let seconds = wanted.min(most(timer, current));
    if seconds <= current {
        return None;
    }
    let expired = scene.all.counters.timer_expired[timer.id()];
    let reason = format!(
        "{} of {} came back after up to {}: it cuts living ones; {} of all gaps are longer than it",
        units::count(returned),
        units::plural(expired.max(returned), "that expired", "that expired"),
        units::seconds(longest),
        units::percent(outlasting(scene, timer)),
    );
    Some((seconds, reason))
}

/// The highest value that returns alone justify: what a standard or the kernel's default asks, or
/// twice what it is now.
fn most(timer: Timer, current: u64) -> u64 {
    let standard = policy::standard(timer).map_or(0, |it| it.floor.seconds);
    let doubled = current.saturating_mul(2);
    standard.max(policy::default(timer)).max(doubled)
}

/// Share of the gaps under a timer that are longer than the timer.
pub fn outlasting(scene: &Scene<'_>, timer: Timer) -> f64 {
    let resumed = scene.all.histogram(HistogramId::Gap(timer));
    let idle = scene.all.histogram(HistogramId::Idle(timer));
    survival(resumed, idle, scene.all.counters.timer_expired[timer.id()])
}

/// Share of gaps that are longer than the longest that can be seen: of those that end, those that
/// were `idle` when the watch ended, and those that reached the timeout.
fn survival(resumed: &Distribution, idle: &Distribution, expired: u64) -> f64 {
    let mut waiting = idle.edges().peekable();
    let mut at_risk = resumed
        .count()
        .saturating_add(idle.count())
        .saturating_add(expired) as f64;
    let mut share = 1.0;
    for (edge, ended) in resumed.edges() {
        while let Some((_, left)) = waiting.next_if(|&(at, _)| at < edge) {
            at_risk -= left as f64;
        }
        let ended = ended as f64;
        share *= 1.0 - (ended / at_risk.max(1.0)).min(1.0);
        at_risk -= ended;
    }
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[(u64, u64)]) -> Distribution {
        let mut it = Distribution::default();
        for &(seconds, count) in values {
            it.add(seconds * 1_000_000, count);
        }
        it
    }

    #[test]
    fn without_idle_ones_it_is_the_share_that_expired() {
        let share = survival(&of(&[(1, 60), (5, 20)]), &Distribution::default(), 20);
        assert!((share - 0.2).abs() < 1e-9, "{share}");
        let nothing = Distribution::default();
        assert!((survival(&nothing, &nothing, 5) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn idle_ones_count_as_long_as_they_were_watched() {
        // Kaplan and Meier by hand: of 10, 4 end at 1 s; 2 are left after 2 s; of the 4 others 2 end
        // at 5 s: (1 - 4/10) × (1 - 2/4).
        let share = survival(&of(&[(1, 4), (5, 2)]), &of(&[(2, 2)]), 2);
        assert!((share - 0.3).abs() < 1e-9, "{share}");
    }
}
