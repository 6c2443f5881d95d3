//! What a timer cut: entries that expired under it, and whose connection went on.
//!
//! The gap of such a connection is known from its return. Of the gaps that nobody saw the end of,
//! Kaplan and Meier's estimator ("Nonparametric estimation from incomplete observations", 1958)
//! takes what they tell: they were at least so long.
//!
//! Not every return is of the same connection: a client that asks often gives a port to another question sooner
//! or later. That happens as often long after the expiry as soon after it, while a connection that pauses goes on
//! soon; so what comes back late tells how much of what comes back soon is chance.

use tracker_common::{Timer, layout::HistogramId};

use super::{bound, harm, policy, round, scene::Scene};
use crate::{recording::Distribution, settings, units};

/// Returns that may be chance.
const FEW: u64 = 3;
/// Head-room over the gaps that were seen.
const MARGIN: f64 = 1.25;

/// How sure it must be that returns are more than chance.
const CONFIDENCE: f64 = 0.99;

/// The value that would have spared the connections that returned, and why; `None` if too few did
/// for it to matter, or if they may be others.
pub fn raise(scene: &Scene<'_>, timer: Timer, current: u64) -> Option<(u64, String)> {
    let returns = scene.all.histogram(HistogramId::Return(timer));
    let expired = scene.all.counters.timer_expired[timer.id()];
    let most = most(timer, current);
    let beyond = returns.exceeding(scene.limit_us(most));
    let within = returns.count() - beyond;
    let ages = Ages {
        timeout: current as f64,
        limit: most as f64,
        watch: scene.all.longest,
        expired: expired as f64,
    };
    let cut = ages.more_than_chance(within, beyond)?;
    let connections = scene.max_gaps(timer).count().max(within);
    let spared = harm::allowed(connections, scene.request.max_harm);
    if cut <= spared.max(FEW - 1) {
        return None;
    }
    let longest = returns.at_rank(within - spared) as f64 / 1e6;
    let seconds = round::seconds_up(longest * MARGIN).min(most);
    if seconds <= current {
        return None;
    }
    let reason = format!(
        "{} of {} came back after up to {}: it cuts living ones; {} of all gaps are longer than it",
        units::count(cut),
        units::plural(expired.max(cut), "that expired", "that expired"),
        units::seconds(longest),
        units::percent(outlasting(scene, timer)),
    );
    Some((seconds, reason))
}

/// How long after their last packet, in seconds, entries can be seen to return: after the timeout, and before the
/// watch ends, which began at any time before.
struct Ages {
    timeout: f64,
    /// Who returns before this counts as cut.
    limit: f64,
    watch: f64,
    /// Entries that expired.
    expired: f64,
}

impl Ages {
    /// How many of those that returned within the limit did not by chance, given how many returned beyond it; `None`
    /// if all of them may have.
    fn more_than_chance(&self, within: u64, beyond: u64) -> Option<u64> {
        let end = self.watch - self.timeout;
        let limit = self.limit - self.timeout;
        if within == 0 || limit <= 0.0 || end <= limit {
            return None;
        }
        let chance = self.chance(end, limit, beyond as f64)?;
        let (soon, late) = (
            share(chance, end, 0.0, limit),
            share(chance, end, limit, end),
        );
        let returned = within.saturating_add(beyond);
        if bound::lower(within, returned, CONFIDENCE) <= soon / (soon + late) {
            return None;
        }
        let by_chance = beyond as f64 * soon / late;
        Some(within.saturating_sub(by_chance.round() as u64))
    }

    /// The chance of a return in a second that makes so many return beyond the limit; `None` if none does, since so
    /// many are given again that it is not the entries that return.
    fn chance(&self, end: f64, limit: f64, beyond: f64) -> Option<f64> {
        // From none that returns to most that do.
        let (mut low, mut high) = (1e-9 / end, 1.0 / end);
        let many = |chance: f64| self.expired * share(chance, end, limit, end);
        if many(high) < beyond {
            return None;
        }
        for _ in 0..60 {
            let middle = f64::midpoint(low, high);
            if many(middle) < beyond {
                low = middle;
            } else {
                high = middle;
            }
        }
        Some(high)
    }
}

/// Share of the entries, expired at any time of a watch that could see them for `end` seconds, that return by a
/// chance of so much a second, `from` to `to` seconds after the expiry: the integral of (end - x) / end × chance ×
/// exp(-chance x), within a thousandth of it, by the midpoints of slices.
fn share(chance: f64, end: f64, from: f64, to: f64) -> f64 {
    const SLICES: u32 = 64;
    let width = (to - from) / f64::from(SLICES);
    let at = |slice| from + (f64::from(slice) + 0.5) * width;
    let of = |x: f64| (end - x) / end * chance * f64::exp(-chance * x);
    (0..SLICES).map(|slice| of(at(slice)) * width).sum()
}

/// The highest value that returns alone justify: what a standard or the kernel's default asks, or
/// twice what it is now.
fn most(timer: Timer, current: u64) -> u64 {
    let standard = policy::standard(timer).map_or(0, |it| it.floor.seconds);
    let doubled = current.saturating_mul(2);
    standard.max(settings::default_seconds(timer)).max(doubled)
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

    const AGES: Ages = Ages {
        timeout: 30.0,
        limit: 120.0,
        watch: 900.0,
        expired: 8_000.0,
    };

    #[test]
    fn the_share_that_returns_is_its_integral() {
        // Without an end of the watch it would be exp(-from chance) - exp(-to chance).
        let (chance, end) = (1.0 / 3_000.0, 1e9);
        let exact = f64::exp(-90.0 * chance) - f64::exp(-900.0 * chance);
        assert!((share(chance, end, 90.0, 900.0) / exact - 1.0).abs() < 1e-3);
        // Of a chance that uses up nobody, it is that of a triangle.
        let triangle = 1e-9 * 870.0 / 2.0;
        assert!((share(1e-9, 870.0, 0.0, 870.0) / triangle - 1.0).abs() < 1e-3);
    }

    #[test]
    fn ports_that_are_given_again_are_chance() {
        // Of all ages at which one of them can come back, a fifth are within the limit.
        assert_eq!(AGES.more_than_chance(167, 687), None);
        assert_eq!(AGES.more_than_chance(0, 0), None);
        assert_eq!(AGES.more_than_chance(1, 0), None);
        // A connection that goes on in the middle of them is told from them.
        let cut = AGES.more_than_chance(270, 687).unwrap();
        assert!((88..=98).contains(&cut), "{cut}");
        assert_eq!(AGES.more_than_chance(8, 0), Some(8));
        // Who always finds its port taken tells nothing.
        assert_eq!(AGES.more_than_chance(2_000, 6_000), None);
    }

    #[test]
    fn a_watch_that_shows_nothing_else_tells_no_chance() {
        for watch in [10.0, 100.0, 120.0] {
            let short = Ages { watch, ..AGES };
            assert_eq!(short.more_than_chance(1_000, 0), None);
        }
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
