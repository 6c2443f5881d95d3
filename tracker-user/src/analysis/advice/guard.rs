//! What was normal during the watch.

use tracker_common::{Timer, layout::HistogramId};

use super::{Guard, scene::Scene};
use crate::{analysis::Balance, source::Statistic};

/// Rates of what a guard looks at, over all namespaces.
pub fn normal(scene: &Scene<'_>) -> Guard {
    let all = &scene.all;
    let counted = |it| all.rate(scene.counted(it));
    let returns = Timer::ALL
        .iter()
        .map(|&it| all.histogram(HistogramId::Return(it)).count())
        .fold(0, u64::saturating_add);
    Guard {
        max_harm: scene.request.max_harm,
        inserts_per_s: all.rate(Balance::of(all).inserted),
        pickups_per_s: all.rate(scene.pickups()),
        returns_per_s: all.rate(returns),
        early_drop_per_s: counted(Statistic::EarlyDrop),
        drop_per_s: counted(Statistic::Drop),
        insert_failed_per_s: counted(Statistic::InsertFailed),
    }
}
