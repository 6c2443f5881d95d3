//! What would follow from settings that somebody has in mind.

use serde::Serialize;

use super::{
    advice::{
        Evidence, FloodKind, Predicted, Request, Warning, doubts, flood, harm,
        memory::Budget,
        overrides,
        sample::{self, Sample},
        scene::Scene,
        table::{self, chain},
    },
    forecast::{Trial, forecast},
};
use crate::{
    recording::Recording,
    settings::{Assignment, Name},
    source::Table,
    units,
};

/// Settings and what follows from them, beside today's.
#[derive(Clone, Debug, Serialize)]
pub struct WhatIf {
    /// Version of this shape.
    pub schema_version: u32,
    /// Length of all watches together.
    pub duration_s: f64,
    /// What is set.
    pub settings: Vec<Tried>,
    /// The table as it was seen.
    pub now: Side,
    /// The table under the settings.
    pub then: Side,
    /// What an operator must know of the recordings.
    pub warnings: Vec<Warning>,
}

/// One setting.
#[derive(Clone, Debug, Serialize)]
pub struct Tried {
    /// Full name.
    pub name: String,
    /// Value now; `None` if it could not be read. Timers are in seconds.
    pub current: Option<u64>,
    /// Value that is tried.
    pub value: u64,
    /// Whom it would have cut; `None` of sizes, of timers that get longer, and where nothing was seen
    /// or may be concluded.
    pub harm: Option<Evidence>,
    /// Why nothing is said of harm, or what is not in it.
    pub remark: Option<String>,
    /// Entries that it takes out of the table on average; below 0 if it adds some.
    pub entries_saved: i64,
    /// A setting of time; otherwise of size.
    #[serde(skip)]
    pub is_timer: bool,
}

/// A table.
#[derive(Clone, Debug, Serialize)]
pub struct Side {
    /// Entries, of all namespaces together.
    #[serde(flatten)]
    pub counts: Predicted,
    /// Highest count of the largest namespace, which is what the maximum bounds.
    pub largest_peak: u64,
    /// `nf_conntrack_max`; `None` if it could not be read, 0 is unlimited.
    pub max: Option<u64>,
    /// `nf_conntrack_buckets`.
    pub buckets: Option<u64>,
    /// What both take when the table is full, in bytes; `None` if it is unlimited, or not known.
    pub memory_bytes: Option<u64>,
    /// What the peak takes, with the buckets, in bytes.
    pub memory_peak_bytes: u64,
    /// Entries in a bucket's chain at the peak, on average.
    pub chain_mean: Option<f64>,
    /// What becomes of it under a flood; empty if none was asked for.
    pub flood: Vec<Filling>,
}

/// What a flood does to a table.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Filling {
    /// What floods.
    pub kind: FloodKind,
    /// Packets per second, each with a tuple of its own.
    pub rate_per_s: f64,
    /// Time until it fills what the peak leaves, in seconds; `None` if it never does.
    pub fills_in_s: Option<f64>,
}

/// Tries settings on what was seen, with a flood of so many packets per second.
#[must_use]
pub fn whatif(recordings: &[Recording], settings: &[Assignment], flood: Option<f64>) -> WhatIf {
    let request = Request::default();
    let scene = Scene::new(recordings, &request);
    let trials: Vec<Trial> = settings.iter().copied().map(Trial::from).collect();
    let forecast = forecast(recordings, &trials);
    let table = scene.largest.table.or(scene.all.table);
    let memory = Budget::of(&scene);
    let side = |counts: Predicted, largest_peak: u64, settings: &[Assignment]| {
        let set = |name, seen: fn(&Table) -> u64| {
            let set = settings.iter().find(|it| it.name == name);
            set.map(|it| it.value).or(table.as_ref().map(seen))
        };
        let max = set(Name::Max, |it| it.max);
        let buckets = set(Name::Buckets, |it| it.buckets);
        Side {
            counts,
            largest_peak,
            max,
            buckets,
            memory_bytes: max
                .zip(buckets)
                .and_then(|(max, buckets)| memory.full(max, buckets)),
            memory_peak_bytes: memory.table(counts.count_peak, buckets.unwrap_or(0)),
            chain_mean: buckets.map(|it| chain(counts.count_peak, it)),
            flood: max.zip(flood).map_or_else(Vec::new, |(max, rate)| {
                let room = flood::Room {
                    max,
                    peak: largest_peak,
                    overdue_s: counts.overdue_s,
                };
                filling(&scene, settings, &room, rate)
            }),
        }
    };
    let now = side(forecast.now, forecast.largest_now.1, &[]);
    let then = side(forecast.then, forecast.largest_then.1, settings);
    WhatIf {
        schema_version: 1,
        duration_s: scene.all.seconds,
        settings: settings
            .iter()
            .map(|&it| tried(&scene, it, &now, &then))
            .collect(),
        now,
        then,
        warnings: doubts::warnings(&scene),
    }
}

/// What a flood does to a table with this room.
fn filling(
    scene: &Scene<'_>,
    settings: &[Assignment],
    room: &flood::Room,
    rate: f64,
) -> Vec<Filling> {
    flood::KINDS
        .iter()
        .filter_map(|&(kind, timer)| {
            let set = settings.iter().find(|it| it.name == Name::Timer(timer));
            let stay = set.map(|it| it.value).or(scene.current(timer))?;
            Some(Filling {
                kind,
                rate_per_s: rate,
                fills_in_s: room.fills_in(rate, stay),
            })
        })
        .collect()
}

/// What is wrong with a size for the entries that there are, or would be.
fn unfit(name: Name, value: u64, now: &Side, then: &Side) -> Option<String> {
    match name {
        Name::Max if value > 0 && value <= then.largest_peak => Some(format!(
            "the peak does not fit: packets are dropped and entries evicted. Give more than {}",
            units::grouped(then.largest_peak)
        )),
        Name::Max if value > 0 && value <= now.largest_peak => Some(format!(
            "today's peak of {} does not fit: set the timers first, and this when they have had effect",
            units::grouped(now.largest_peak)
        )),
        Name::Buckets => {
            let max = then.max.filter(|&it| it > 0)?;
            let why = table::unfit(value, max, max)?;
            let most = Name::Buckets.range().1;
            Some(format!(
                "{why}. Give about {}",
                units::grouped(max.min(most))
            ))
        }
        _ => None,
    }
}

fn tried(scene: &Scene<'_>, setting: Assignment, now: &Side, then: &Side) -> Tried {
    let Assignment { name, value } = setting;
    let Name::Timer(timer) = name else {
        let table = scene.largest.table.or(scene.all.table);
        return Tried {
            name: name.full(),
            current: table.map(|it| {
                if name == Name::Max {
                    it.max
                } else {
                    it.buckets
                }
            }),
            value,
            harm: None,
            remark: unfit(name, value, now, then),
            entries_saved: 0,
            is_timer: false,
        };
    };
    let current = scene.current(timer);
    // It may be shorter than in one of several namespaces.
    let lower = scene.watches(timer).any(|it| value < it.value) || current.is_none();
    let seen = scene.max_gaps(timer).count() > 0;
    let (told, remark) = match &scene.blocked {
        _ if !lower => (false, None),
        Some(why) => (false, Some(why.clone())),
        None if !seen => (false, Some("no connection was seen under it".to_owned())),
        None if Sample::of(scene, timer, value).is_empty() => {
            (false, Some(sample::too_short(scene, timer, value)))
        }
        None => {
            let remark = scene.mixed(timer);
            (
                true,
                remark.or_else(|| overrides::remark(scene, timer, value)),
            )
        }
    };
    Tried {
        name: name.full(),
        current,
        value,
        harm: told.then(|| harm::evidence(scene, timer, value)),
        remark,
        entries_saved: scene.saved(timer, setting.into()).round() as i64,
        is_timer: true,
    }
}
