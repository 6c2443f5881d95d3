//! What a timer cut: entries that expired under it, and whose connection went on.
//!
//! The gap of such a connection is known from its return. Of the gaps that nobody saw the end of,
//! Kaplan and Meier's estimator ("Nonparametric estimation from incomplete observations", 1958)
//! takes what they tell: they were at least so long.

use tracker_common::{Timer, grave, layout::HistogramId};

use super::{
    Outlasting, harm, policy,
    reuse::{Graves, more_than_chance},
    round,
    scene::Scene,
};
use crate::{recording::Distribution, settings, units};

/// Returns that may be chance.
const FEW: u64 = 3;

/// How many connections the timer is seen to have cut, by their return within [`most`] after their last packet;
/// `None` if that cannot be seen.
pub fn cut(scene: &Scene<'_>, timer: Timer, current: u64) -> Option<u64> {
    if !grave::may_cut(timer) {
        return None;
    }
    let most = most(timer, current);
    if timer.is_tcp() {
        // Who is picked up in the middle of a connection is no other one. Where that is not allowed, nobody is.
        let returns = within(
            scene.all.histogram(HistogramId::Return(timer)),
            current,
            most,
        );
        return (returns > 0 || !scene.is_strict()).then_some(returns);
    }
    let mut graves = Vec::new();
    let (mut soon, mut late) = (0, 0);
    for watch in scene.watches(timer) {
        let Some(it) = Graves::of(&watch, timer, current, most) else {
            continue;
        };
        let returns = watch.histogram(HistogramId::Return(timer));
        soon += within(returns, current, most);
        late += returns.exceeding(micros(most));
        graves.push(it);
    }
    (!graves.is_empty()).then(|| more_than_chance(&graves, soon, late).unwrap_or(0))
}

/// The value that would have spared the connections that were cut, and why; `None` if too few were for it to
/// matter.
pub fn raise(scene: &Scene<'_>, timer: Timer, current: u64) -> Option<(u64, String)> {
    let cut = cut(scene, timer, current)?;
    let returns = scene.all.histogram(HistogramId::Return(timer));
    let most = most(timer, current);
    let within = within(returns, current, most);
    let connections = scene.max_gaps(timer).count().max(within);
    let spared = harm::allowed(connections, scene.request.max_harm);
    if cut <= spared.max(FEW - 1) {
        return None;
    }
    let earlier = returns.count() - within - returns.exceeding(micros(most));
    let longest = returns.at_rank(earlier + within - spared.min(within - 1)) as f64 / 1e6;
    let seconds = round::seconds_up(longest * round::MARGIN).min(most);
    if seconds <= current {
        return None;
    }
    let beyond = outlasting(scene, timer, current)?;
    let reason = format!(
        "{} of {} that expired came back after up to {}: it cuts living ones; between {} and {} of all gaps are longer than it",
        units::count(cut),
        units::count(beyond.expired.max(cut)),
        units::seconds(longest),
        units::percent(beyond.least),
        units::percent(beyond.most),
    );
    Some((seconds, reason))
}

/// Between which shares of the gaps under a timer are longer than it and end with another packet: of those that it
/// ended some came back, and of the others nobody knows. `None` if it ended none, or if nobody can be seen to come
/// back.
pub fn outlasting(scene: &Scene<'_>, timer: Timer, current: u64) -> Option<Outlasting> {
    let expired = scene.expired_at(timer, current);
    if expired == 0 {
        return None;
    }
    let returned = cut(scene, timer, current)?.min(expired);
    let resumed = scene.set_to(timer, current, HistogramId::Gap(timer));
    let idle = scene.set_to(timer, current, HistogramId::Idle(timer));
    let most = survival(&resumed, &idle, expired);
    // Millionths are exact enough, and a program that reads them back reads the same.
    let share = |it: f64| (it * 1e6).round() / 1e6;
    Some(Outlasting {
        expired,
        returned,
        least: share(most * returned as f64 / expired as f64),
        most: share(most),
    })
}

/// How many gaps are longer than one value, or as long, and not longer than another.
fn within(gaps: &Distribution, from: u64, to: u64) -> u64 {
    let longer = gaps.exceeding(micros(from).saturating_sub(1));
    longer - gaps.exceeding(micros(to)).min(longer)
}

const fn micros(seconds: u64) -> u64 {
    seconds.saturating_mul(1_000_000)
}

/// The highest value that returns alone justify: what a standard or the kernel's default asks, or
/// twice what it is now.
pub fn most(timer: Timer, current: u64) -> u64 {
    let standard = policy::standard(timer).map_or(0, |it| it.floor.seconds);
    let doubled = current.saturating_mul(2);
    standard.max(settings::default_seconds(timer)).max(doubled)
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

    #[test]
    fn gaps_are_counted_between_two_values() {
        let gaps = of(&[(10, 1), (30, 2), (60, 4), (300, 8)]);
        assert_eq!(within(&gaps, 30, 120), 6);
        assert_eq!(within(&gaps, 400, 500), 0);
    }
}
