//! What size the table should have.

use tracker_common::{Timer, layout::HistogramId};

use super::{
    Action, Evidence, Predicted, Setting, TablePlan, Warning, flood, memory::Budget, round,
    scene::Scene,
};
use crate::{
    analysis::{
        Observed,
        forecast::{Trial, forecast},
    },
    settings::Name,
    source::{Statistic, Table},
    units,
};

/// Standard deviations of head-room above the mean.
const SIGMAS: f64 = 4.5;
/// The kernel collects harder from 95 % on; the peak shall stay below this share.
const FULL: f64 = 0.8;
/// A flood's half-open entries may take this share on top; the rest is early drop's to handle.
const FLOOD: f64 = 0.25;
/// Longest scale at which bursts are looked for, in seconds.
const LONGEST_WINDOW: f64 = 60.0;

/// The table, its two settings, and what to expect.
pub struct Sized {
    pub table: TablePlan,
    pub settings: Vec<Setting>,
    pub predicted: Predicted,
    pub little_mean: f64,
    pub warnings: Vec<Warning>,
}

/// Sizes the table for what is left after these timers have changed.
pub fn size(scene: &Scene<'_>, timers: &[(Timer, Setting)]) -> Sized {
    let forecast = forecast(scene.recordings, &trials(timers));
    let needed = |largest| round::entries_up(needed(scene, timers, largest));
    let (needed, today) = (needed(forecast.largest_then), needed(forecast.largest_now));
    let budget = Budget::of(scene);
    let (peak, largest) = (forecast.then.count_peak, forecast.largest_then.1);
    let seen = scene.largest.table.or(scene.all.table);
    let (settings, max, buckets) = match seen {
        Some(seen) => sized(
            scene,
            seen,
            &Needed {
                then: needed,
                today,
            },
            &budget,
        ),
        None => (Vec::new(), needed, needed),
    };
    let table = TablePlan {
        max,
        buckets,
        memory_bytes: budget.full(max, buckets),
        largest_peak: largest,
        memory_peak_bytes: budget.table(peak, buckets),
        current_max: seen.map(|it| it.max),
        current_buckets: seen.map(|it| it.buckets),
        current_memory_bytes: seen.and_then(|it| budget.full(it.max, it.buckets)),
        needed,
        chain_mean: chain(peak, buckets),
        flood: seen.map_or_else(Vec::new, |seen| {
            let room = |max, peak, counts: &Predicted| flood::Room {
                max,
                peak,
                overdue_s: counts.overdue_s,
            };
            let before = room(seen.max, forecast.largest_now.1, &forecast.now);
            flood::rates(timers, &before, &room(max, largest, &forecast.then))
        }),
    };
    Sized {
        warnings: warnings(scene, &table, &budget),
        table,
        settings,
        predicted: forecast.then,
        little_mean: forecast.now.little_mean,
    }
}

/// What the timers' settings change.
fn trials(timers: &[(Timer, Setting)]) -> Vec<Trial> {
    let trial = |(timer, setting): &(Timer, Setting)| Trial {
        name: Name::Timer(*timer),
        value: setting.recommended,
        only: Some(setting.action),
    };
    timers.iter().map(trial).collect()
}

fn warnings(scene: &Scene<'_>, table: &TablePlan, budget: &Budget) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let taken = budget.table(table.needed, table.needed);
    if table.current_max.is_some() && taken.max(table.memory_peak_bytes) > budget.bytes {
        warnings.push(Warning::Memory {
            needed: taken.max(table.memory_peak_bytes),
            given: budget.bytes,
        });
    }
    if table.current_buckets.is_some_and(|it| it != table.buckets) {
        warnings.push(Warning::ResizeStalls);
    }
    if scene.recordings.iter().any(|it| it.namespaces.len() > 1) {
        warnings.push(Warning::GlobalMax);
    }
    warnings
}

/// Entries that the largest namespace needs.
struct Needed {
    /// Once the timers have had effect.
    then: u64,
    /// Until then.
    today: u64,
}

/// The two settings, and the sizes that they set.
fn sized(
    scene: &Scene<'_>,
    current: Table,
    needed: &Needed,
    budget: &Budget,
) -> (Vec<Setting>, u64, u64) {
    let (max, why_max) = match &scene.blocked {
        Some(why) => (current.max, why.clone()),
        None => choose_max(current.max, needed, scene.is_full(), budget),
    };
    let (buckets, why_buckets) = match &scene.blocked {
        Some(why) => (current.buckets, why.clone()),
        None => {
            // An unlimited table, or one that is larger than memory, gets as many as can be filled.
            let filled = max.min(budget.entries).max(needed.then);
            let too_long = scene.counted(Statistic::ChainTooLong);
            choose_buckets(current.buckets, max, filled, too_long)
        }
    };
    let settings = vec![
        setting(scene, Name::Max, current.max, max, why_max),
        setting(scene, Name::Buckets, current.buckets, buckets, why_buckets),
    ];
    (settings, max, buckets)
}

/// Entries in a chain: each is in one for its packets' direction, and in one for the answers'.
pub fn chain(entries: u64, buckets: u64) -> f64 {
    2.0 * entries as f64 / buckets.max(1) as f64
}

/// Entries that the largest namespace needs.
///
/// In M/G/∞ the count is Poisson; real arrivals come in bursts, which the measured dispersion D
/// scales: N + z·√(D·N) is seldom exceeded. On top come head-room and a flood's bounded share.
fn needed(scene: &Scene<'_>, timers: &[(Timer, Setting)], largest: (f64, u64)) -> f64 {
    let observed = &scene.largest;
    let more = scene.request.growth * scene.request.failover;
    let (mean, peak) = largest;
    let (mean, peak) = (mean * more, peak as f64 * more);
    let likely = mean + SIGMAS * (dispersion(observed) * mean).sqrt();
    let base = likely.max(peak) / FULL;
    let half_open = timers
        .iter()
        .find(|(timer, _)| *timer == Timer::TcpSynSent)
        .map_or(0.0, |(_, setting)| setting.recommended as f64);
    base + (observed.course.peak_insert_rate() * half_open).min(base * FLOOD)
}

/// Burstiness at the scale of an entry's life.
fn dispersion(observed: &Observed) -> f64 {
    let lifetimes = observed.histogram(HistogramId::Lifetime);
    let life = lifetimes.sum_us as f64 / 1e6 / lifetimes.count().max(1) as f64;
    observed.course.dispersion(life.clamp(1.0, LONGEST_WINDOW))
}

fn choose_max(current: u64, needed: &Needed, is_full: bool, budget: &Budget) -> (u64, String) {
    let Needed { then, today } = *needed;
    if current == 0 {
        return (
            0,
            "it is unlimited, so nothing bounds the table's memory".to_owned(),
        );
    }
    if current >= then {
        let share = units::percent(then as f64 / current as f64);
        let fits = budget.entries;
        let reason = if !budget.given || current <= fits || then > fits {
            format!("the peak with head-room needs {share} of it")
        } else if today > fits {
            // Who is there keeps the timeout that it has.
            format!(
                "the memory given is enough for {}, but not until shorter timers have had effect: then ask again",
                units::count(fits)
            )
        } else {
            let reason = "is what fits the memory given, and covers the peak";
            return (fits, format!("{} {reason}", units::count(fits)));
        };
        return (current, reason);
    }
    let raised = then.min(budget.entries.max(current));
    let reason = if raised == current {
        "the peak with head-room needs more, but the memory given does not allow it".to_owned()
    } else if raised < then {
        "the peak with head-room needs even more than fits the memory given".to_owned()
    } else if is_full {
        format!(
            "it was full, so the peak with head-room needs {} or more",
            units::count(then)
        )
    } else {
        format!("the peak with head-room needs {}", units::count(then))
    };
    (raised, reason)
}

/// What is wrong with so many buckets for a table of this maximum in which so many entries may be, if anything is.
///
/// One bucket an entry is the kernel's own ratio, and was one for four before 5.15. Fewer make long chains; many more
/// leave early drop, which looks at 8 buckets, nothing to evict.
pub fn unfit(buckets: u64, max: u64, entries: u64) -> Option<&'static str> {
    if buckets > max.saturating_mul(2) {
        Some("more than two buckets an entry keep early drop from finding a victim")
    } else if buckets < entries / 4 {
        Some("fewer than one bucket for four entries make chains long")
    } else {
        None
    }
}

fn choose_buckets(current: u64, max: u64, filled: u64, too_long: u64) -> (u64, String) {
    if max == 0 || current == 0 {
        return (current, "there is no maximum to size it by".to_owned());
    }
    let possible = |it: u64| it.min(Name::Buckets.range().1);
    let most = possible(filled.saturating_mul(2));
    if too_long > 0 && current < most {
        (
            current.saturating_mul(2).clamp(possible(filled), most),
            format!(
                "{} refused because their chain was too long",
                units::plural(too_long, "entry was", "entries were")
            ),
        )
    } else if let Some(why) = unfit(current, max, filled) {
        (possible(filled), why.to_owned())
    } else {
        (current, "it fits the maximum".to_owned())
    }
}

fn setting(scene: &Scene<'_>, name: Name, current: u64, to: u64, reason: String) -> Setting {
    let connections = scene
        .all
        .counters
        .inserts
        .iter()
        .fold(0, |sum: u64, &n| sum.saturating_add(n));
    Setting {
        name: name.full(),
        current,
        recommended: to,
        action: Action::of(current, to),
        reason,
        evidence: Evidence {
            connections,
            exceedances: 0,
            harm_upper_95: None,
            max_gap_s: None,
            worst_stratum: None,
            idle: 0,
            outlasting: None,
        },
        occupancy: None,
        entries_saved: 0,
        is_timer: false,
    }
}
