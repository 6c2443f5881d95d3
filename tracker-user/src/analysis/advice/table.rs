//! What size the table should have.

use tracker_common::{Timer, layout::HistogramId};

use super::{
    Action, Evidence, Predicted, Setting, TablePlan, Warning, flood, round, scene::Scene, timer,
};
use crate::{analysis::Observed, units};

/// Standard deviations of head-room above the mean.
const SIGMAS: f64 = 4.5;
/// The kernel collects harder from 95 % on; the peak shall stay below this share.
const FULL: f64 = 0.8;
/// A flood's half-open entries may take this share on top; the rest is early drop's to handle.
const FLOOD: f64 = 0.25;
/// Without a limit from the operator, this share of the machine's memory.
const SHARE_OF_MEMORY: u64 = 20;
/// Longest scale at which bursts are looked for, in seconds.
const LONGEST_WINDOW: f64 = 60.0;

/// The table, its two settings, and what to expect.
pub struct Sized {
    pub table: TablePlan,
    pub settings: Vec<Setting>,
    pub predicted: Predicted,
    pub warnings: Vec<Warning>,
}

/// Sizes the table for what is left after these timers have changed.
pub fn size(scene: &Scene<'_>, timers: &[(Timer, Setting)]) -> Sized {
    let (count_mean, count_peak) = after(&scene.all, timers);
    let (_, largest_peak) = after(&scene.largest, timers);
    let saved = scene.all.course.mean() - count_mean;
    let p99 = scene.all.course.quantile(0.99) as f64 - saved;
    let predicted = Predicted {
        count_mean,
        count_p99: p99.clamp(count_mean, count_peak).ceil() as u64,
        count_peak: count_peak.ceil() as u64,
        overdue_s: scene.overdue(),
        little_mean: scene.little() - saved,
    };
    let needed = round::entries_up(needed(scene, timers));
    let entry = scene
        .recordings
        .iter()
        .map(|it| it.description.entry_bytes)
        .max()
        .unwrap_or(0);
    let bytes = |max: u64, buckets: u64| {
        max.saturating_mul(entry)
            .saturating_add(buckets.saturating_mul(8))
    };
    let mut warnings = Vec::new();
    let Some(current) = scene.largest.table.or(scene.all.table) else {
        let table = TablePlan {
            max: needed,
            buckets: needed,
            memory_bytes: bytes(needed, needed),
            current_max: None,
            current_buckets: None,
            current_memory_bytes: None,
            needed,
            chain_mean: chain(count_peak, needed),
            flood: Vec::new(),
        };
        return Sized {
            table,
            settings: Vec::new(),
            predicted,
            warnings,
        };
    };
    let budget = Budget::of(scene, entry);
    if bytes(needed, needed) > budget.bytes {
        warnings.push(Warning::Memory {
            needed: bytes(needed, needed),
            given: budget.bytes,
        });
    }
    let (max, why_max) = match &scene.blocked {
        Some(why) => (current.max, why.clone()),
        None => choose_max(current.max, needed, &budget),
    };
    let (buckets, why_buckets) = match &scene.blocked {
        Some(why) => (current.buckets, why.clone()),
        None => choose_buckets(current.buckets, max),
    };
    if buckets != current.buckets {
        warnings.push(Warning::ResizeStalls);
    }
    if scene.recordings.iter().any(|it| it.namespaces.len() > 1) {
        warnings.push(Warning::GlobalMax);
    }
    let settings = vec![
        setting(scene, "max", current.max, max, why_max),
        setting(scene, "buckets", current.buckets, buckets, why_buckets),
    ];
    let table = TablePlan {
        max,
        buckets,
        memory_bytes: bytes(max, buckets),
        current_max: Some(current.max),
        current_buckets: Some(current.buckets),
        current_memory_bytes: Some(bytes(current.max, current.buckets)),
        needed,
        chain_mean: chain(count_peak, buckets),
        flood: flood::rates(
            timers,
            (current.max, scene.largest.course.peak() as f64),
            (max, largest_peak),
        ),
    };
    Sized {
        table,
        settings,
        predicted,
        warnings,
    }
}

/// Entries in a chain: each is in one for its packets' direction, and in one for the answers'.
fn chain(entries: f64, buckets: u64) -> f64 {
    2.0 * entries / buckets.max(1) as f64
}

/// Mean and peak of the entry count after the change.
///
/// What lowering saves is counted at the mean rate also for the peak, where it is more; what raising
/// costs is counted in proportion to the peak.
fn after(observed: &Observed, timers: &[(Timer, Setting)]) -> (f64, f64) {
    let (mean, peak) = (observed.course.mean(), observed.course.peak() as f64);
    let surge = if mean > 0.0 {
        (peak / mean).max(1.0)
    } else {
        1.0
    };
    let (mut new_mean, mut new_peak) = (mean, peak);
    for (timer, setting) in timers {
        let rate = observed.rate(observed.counters.timer_expired[timer.id()]);
        let saved = timer::saved(rate, setting.current, setting.recommended);
        new_mean -= saved;
        new_peak -= if saved < 0.0 { saved * surge } else { saved };
    }
    (new_mean.max(0.0), new_peak.max(new_mean).max(0.0))
}

/// Entries that the largest namespace needs.
///
/// In M/G/∞ the count is Poisson; real arrivals come in bursts, which the measured dispersion D
/// scales: N + z·√(D·N) is seldom exceeded. On top come head-room and a flood's bounded share.
fn needed(scene: &Scene<'_>, timers: &[(Timer, Setting)]) -> f64 {
    let observed = &scene.largest;
    let (mean, peak) = after(observed, timers);
    let lifetimes = observed.histogram(HistogramId::Lifetime);
    let life = lifetimes.sum_us as f64 / 1e6 / lifetimes.count().max(1) as f64;
    let dispersion = observed.course.dispersion(life.clamp(1.0, LONGEST_WINDOW));
    let likely = mean + SIGMAS * (dispersion * mean).sqrt();
    let base = likely.max(peak) / FULL;
    let half_open = timers
        .iter()
        .find(|(timer, _)| *timer == Timer::TcpSynSent)
        .map_or(0.0, |(_, setting)| setting.recommended as f64);
    base + (observed.course.peak_insert_rate() * half_open).min(base * FLOOD)
}

/// Memory that the table may take.
struct Budget {
    bytes: u64,
    /// The operator set it, so it also binds what is there now.
    given: bool,
    /// Entries that fit, each with a bucket.
    entries: u64,
}

impl Budget {
    fn of(scene: &Scene<'_>, entry: u64) -> Self {
        let machine = scene
            .recordings
            .iter()
            .map(|it| it.description.memory_bytes)
            .min();
        let machine = machine
            .filter(|&it| it > 0)
            .map_or(u64::MAX, |it| it / SHARE_OF_MEMORY);
        let bytes = scene.request.memory.unwrap_or(machine);
        let entries = bytes / (entry + 8) / 1_024 * 1_024;
        Self {
            bytes,
            given: scene.request.memory.is_some(),
            entries,
        }
    }
}

fn choose_max(current: u64, needed: u64, budget: &Budget) -> (u64, String) {
    let peak = |of: u64| units::percent(needed as f64 / of.max(1) as f64);
    if current == 0 {
        return (
            0,
            "it is unlimited, so nothing bounds the table's memory".to_owned(),
        );
    }
    if current >= needed {
        if budget.given && current > budget.entries && needed <= budget.entries {
            return (
                budget.entries,
                format!(
                    "{} is what fits the memory given, and covers the peak",
                    units::count(budget.entries)
                ),
            );
        }
        return (
            current,
            format!("the peak with head-room needs {} of it", peak(current)),
        );
    }
    let raised = needed.min(budget.entries.max(current));
    let reason = if raised == current {
        "the peak with head-room needs more, but the memory given does not allow it".to_owned()
    } else if raised < needed {
        "the peak with head-room needs even more than fits the memory given".to_owned()
    } else {
        format!("the peak with head-room needs {}", units::count(needed))
    };
    (raised, reason)
}

/// One bucket an entry is the kernel's own ratio. Many fewer make long chains; many more leave early
/// drop, which looks at 8 buckets, nothing to evict.
fn choose_buckets(current: u64, max: u64) -> (u64, String) {
    if max == 0 || current == 0 {
        return (current, "there is no maximum to size it by".to_owned());
    }
    if current < max / 2 {
        (
            max,
            "fewer than one bucket for two entries make chains long".to_owned(),
        )
    } else if current > max.saturating_mul(2) {
        (
            max,
            "more than two buckets an entry keep early drop from finding a victim".to_owned(),
        )
    } else {
        (current, "it fits the maximum".to_owned())
    }
}

fn setting(scene: &Scene<'_>, name: &str, current: u64, to: u64, reason: String) -> Setting {
    let connections = scene
        .all
        .counters
        .inserts
        .iter()
        .fold(0, |sum: u64, &n| sum.saturating_add(n));
    Setting {
        name: format!("net.netfilter.nf_conntrack_{name}"),
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
        },
        entries_saved: 0,
        is_timer: false,
    }
}
