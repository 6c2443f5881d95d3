//! Whom a value of a timer would have cut: all connections together, those of each destination port,
//! and those of each hour.
//!
//! Connections of one service pause alike, so that a share of all of them says little about those of
//! one port. Each port in each namespace, a *stratum*, is therefore judged by itself, and so is each
//! hour of the day. The worst of them decides.

use tracker_common::{Proto, Timer};

use super::{
    Evidence, WorstStratum, bound, round,
    sample::{Hour, Sample, Stratum},
    scene::Scene,
};
use crate::{recording::PortRecord, units};

/// Connections that may be cut of so many: as many as keep the 95 % bound of their share below
/// `max_harm`. Of too few for a bound to say anything none may be that was seen: one that pauses is heeded,
/// however small its port, and one that does not is no obstacle.
pub fn allowed(connections: u64, max_harm: f64) -> u64 {
    bound::most_hits(connections, max_harm).unwrap_or(0)
}

/// What speaks for a value that somebody has chosen beforehand. Without watches that can tell of it there is no bound.
pub fn evidence(scene: &Scene<'_>, timer: Timer, seconds: u64) -> Evidence {
    let sample = Sample::of(scene, timer, seconds);
    let gaps = if sample.is_empty() {
        scene.max_gaps(timer)
    } else {
        &sample.max_gaps
    };
    let limit_us = scene.limit_us(seconds);
    let worst = cut(&sample, limit_us).max_by(|a, b| certain(a).total_cmp(&certain(b)));
    // A port of which enough was seen to bound its share raises the bound of all.
    let enough = bound::trials_needed(scene.request.max_harm);
    let ports = cut(&sample, limit_us).filter(|it| it.connections >= enough);
    let ports = ports.map(|it| it.harm_upper_95).fold(0.0, f64::max);
    let harm = bound::upper_95_of(sample.hits(limit_us), sample.connections);
    Evidence {
        connections: gaps.count(),
        exceedances: gaps.exceeding(limit_us),
        harm_upper_95: (!sample.is_empty()).then(|| harm.max(ports)),
        max_gap_s: Some(if gaps.is_empty() {
            0.0
        } else {
            gaps.max_us as f64 / 1e6
        }),
        worst_stratum: worst,
        idle: sample.idle(limit_us),
        outlasting: None,
    }
}

/// The strata of which a value would have cut some.
fn cut(sample: &Sample<'_>, limit_us: u64) -> impl Iterator<Item = WorstStratum> {
    sample.strata.iter().filter_map(move |it| {
        let exceedances = it.max_gaps.exceeding(limit_us);
        (exceedances > 0).then(|| WorstStratum {
            proto: it.proto.map_or(PortRecord::OTHERS, Proto::name).to_owned(),
            port: it.port,
            namespace: it.namespace.to_owned(),
            connections: it.connections,
            exceedances,
            harm_upper_95: bound::upper_95(exceedances, it.connections),
        })
    })
}

/// The largest share that is cut for certain names the stratum.
fn certain(it: &WorstStratum) -> f64 {
    bound::lower(it.exceedances, it.connections, 0.95)
}

/// The stratum that needs the longest timeout, of those that this value does not spare, and the longest of its pauses
/// that may not be cut, in µs.
pub fn strictest<'a, 'b>(
    scene: &Scene<'_>,
    sample: &'b Sample<'a>,
    seconds: u64,
) -> Option<(u64, &'b Stratum<'a>)> {
    let limit_us = round::with_head_room(seconds);
    let max_harm = scene.request.max_harm;
    let enough = bound::trials_needed(max_harm);
    let is_cut = |it: &&Stratum<'_>| {
        let hits = it.max_gaps.exceeding(limit_us);
        let few = it.connections < enough;
        hits > 0 && (few || !bound::holds(hits as f64, it.connections, max_harm))
    };
    let longest = |it: &Stratum<'_>| {
        let paused = it.max_gaps.count();
        let allowed = allowed(it.connections, max_harm).min(paused.saturating_sub(1));
        it.max_gaps.at_rank(paused - allowed)
    };
    let held = sample.strata.iter().filter(is_cut);
    held.map(|it| (longest(it), it)).max_by_key(|it| it.0)
}

/// The words for a stratum: `port 5432`, `udp port 53 in blue`.
pub fn stratum(scene: &Scene<'_>, it: &Stratum<'_>) -> String {
    let port = match it.proto {
        None => "all other ports together".to_owned(),
        Some(Proto::Tcp) => format!("port {}", it.port),
        Some(proto) if it.port == 0 => proto.name().to_owned(),
        Some(proto) => format!("{} port {}", proto.name(), it.port),
    };
    if scene.recordings.iter().any(|it| it.namespaces.len() > 1) {
        format!("{port} in {}", it.namespace)
    } else {
        port
    }
}

/// What a stratum's connections did: `port 5432: 37 of 1,204 connections paused longer than 20 m`.
pub fn paused(scene: &Scene<'_>, it: &Stratum<'_>, seconds: u64) -> String {
    format!(
        "{}: {} of {} paused longer than {}",
        stratum(scene, it),
        units::count(it.max_gaps.exceeding(scene.limit_us(seconds))),
        units::plural(it.connections, "connection", "connections"),
        units::whole(seconds),
    )
}

/// The worst of the hours of the day (UTC) of which a value would have cut more than may be, in words; `None` if
/// there is none. A gap is taken for a connection of its own, as long as no more of them are cut in
/// all.
pub fn worst_hour(
    scene: &Scene<'_>,
    sample: &Sample<'_>,
    hours: &[Hour],
    seconds: u64,
) -> Option<String> {
    let limit_us = scene.limit_us(seconds);
    let all = sample.max_gaps.exceeding(limit_us);
    let number = hours.iter().filter(|it| it.connections > 0).count();
    if all == 0 || number < 2 {
        return None;
    }
    let max_harm = scene.request.max_harm;
    // Among many hours one looks bad by chance.
    let confidence = 1.0 - 0.05 / number as f64;
    let enough = bound::trials_needed(max_harm);
    let share = |hour: &Hour| {
        let longer = hour.gaps.exceeding(limit_us).min(all);
        bound::lower(longer, hour.connections.max(longer), confidence)
    };
    let is_bad = |(_, hour): &(usize, &Hour)| {
        let longer = hour.gaps.exceeding(limit_us).min(all);
        let certain = share(hour) > max_harm;
        let possible = bound::upper_95(longer, hour.connections) > max_harm;
        longer > 0 && (certain || hour.connections >= enough && possible)
    };
    let bad = hours.iter().enumerate().filter(is_bad);
    let (hour, seen) = bad.max_by(|a, b| share(a.1).total_cmp(&share(b.1)))?;
    let longer = seen.gaps.exceeding(limit_us);
    Some(format!(
        "between {hour}:00 and {}:00 UTC {} after more than {}, among {}",
        (hour + 1) % 24,
        units::plural(longer, "gap was resumed", "gaps were resumed"),
        units::whole(seconds),
        units::plural(seen.connections, "connection", "connections"),
    ))
}
