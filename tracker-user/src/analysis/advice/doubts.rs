//! What an operator must know of the recordings themselves.

use tracker_common::{Cause, Timer, layout::HistogramId};

use super::{Warning, scene::Scene};
use crate::source::Statistic;

/// Entries that stay for longer than this until they are collected are worth a word, in seconds.
const LAG: f64 = 5.0;
/// So large a share of the gaps may be missing without a word.
const UNATTRIBUTED: f64 = 0.01;
/// And of the entries in the table at the end, those of which nothing is known.
const SILENT: f64 = 0.01;

/// Warnings about the recordings.
pub fn warnings(scene: &Scene<'_>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let losses = scene.losses();
    if !losses.is_empty() {
        warnings.push(Warning::Losses(losses));
    }
    if scene.recordings.iter().any(|it| !it.complete) {
        warnings.push(Warning::Incomplete);
    }
    if scene.lost != 0 {
        warnings.push(Warning::Unbalanced(scene.lost));
    }
    if scene.is_full() {
        warnings.push(Warning::Full {
            refused: scene.counted(Statistic::Drop),
            evicted: scene.counted(Statistic::EarlyDrop),
        });
    }
    let silent = scene.silent();
    if silent as f64 > SILENT * scene.all.live as f64 {
        warnings.push(Warning::Silent(silent));
    }
    let counters = &scene.all.counters;
    let missed = Cause::ALL
        .iter()
        .map(|it| counters.causes[it.id()])
        .fold(0, u64::saturating_add);
    let gaps = counters
        .gaps
        .iter()
        .fold(0, |sum: u64, &n| sum.saturating_add(n));
    let share = missed as f64 / (missed.saturating_add(gaps)).max(1) as f64;
    if share > UNATTRIBUTED {
        warnings.push(Warning::Unattributed(share));
    }
    let namespaces = scene.recordings.iter().map(|it| it.namespaces.len()).max();
    if let Some(number) = namespaces.filter(|&it| it > 1) {
        warnings.push(Warning::SeveralNamespaces(number));
    }
    let timers = Timer::ALL.iter().filter(|it| scene.differs(**it));
    let differing: Vec<_> = timers.map(|it| it.name()).collect();
    if !differing.is_empty() {
        warnings.push(Warning::Differing(differing));
    }
    if scene.pickups() > 0 {
        warnings.push(Warning::CutConnections(scene.pickups()));
    }
    let lag = scene.all.histogram(HistogramId::Overdue).quantile_us(0.5) as f64 / 1e6;
    if lag > LAG {
        warnings.push(Warning::Lag(lag));
    }
    let recordings = scene.recordings.iter();
    let remarks = recordings.flat_map(|it| &it.description.remarks);
    for remark in remarks.cloned().map(Warning::Remark) {
        if !warnings.contains(&remark) {
            warnings.push(remark);
        }
    }
    warnings
}
