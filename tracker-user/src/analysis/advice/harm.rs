//! Whom a value of a timer would have cut: all connections together, those of each destination port,
//! and those of each hour.
//!
//! Connections of one service pause alike, so that a share of all of them says little about those of
//! one port. Each port in each namespace, a *stratum*, is therefore judged by itself, and so is each
//! hour of the day. The worst of them decides.

use tracker_common::{Proto, Timer};

use super::{Evidence, WorstStratum, bound, scene::Scene};
use crate::{
    recording::{PortRecord, StratumRecord},
    units,
};

/// Connections that may be cut of so many: as many as keep the 95 % bound of their share below
/// `max_harm`. Of too few for that to say anything, no larger share than that is to be cut of those
/// that were seen: one that pauses often is heeded, however small, and one that does not is no
/// obstacle.
pub fn allowed(connections: u64, max_harm: f64) -> u64 {
    bound::most_hits(connections, max_harm)
        .unwrap_or_else(|| (connections as f64 * max_harm).floor() as u64)
}

/// What speaks for a value that somebody has chosen beforehand.
pub fn evidence(scene: &Scene<'_>, timer: Timer, seconds: u64) -> Evidence {
    let gaps = scene.max_gaps(timer);
    let connections = gaps.count();
    let limit_us = scene.limit_us(seconds);
    let exceedances = gaps.exceeding(limit_us);
    let unseen = exceedances.saturating_add(scene.lost.unsigned_abs());
    let worst = worst(scene, timer, limit_us);
    // A port of which enough was seen to bound its share raises the bound of all.
    let enough = bound::trials_needed(scene.request.max_harm);
    let port = worst.as_ref().filter(|it| it.connections >= enough);
    let harm = bound::upper_95(unseen, connections);
    Evidence {
        connections,
        exceedances,
        harm_upper_95: Some(port.map_or(harm, |it| it.harm_upper_95.max(harm))),
        max_gap_s: Some(if gaps.is_empty() {
            0.0
        } else {
            gaps.max_us as f64 / 1e6
        }),
        worst_stratum: worst,
        outlasting: None,
    }
}

/// The stratum of which a value would have cut the largest share for certain.
fn worst(scene: &Scene<'_>, timer: Timer, limit_us: u64) -> Option<WorstStratum> {
    scene
        .strata(timer)
        .filter_map(|(namespace, it)| {
            let exceedances = it.max_gaps.exceeding(limit_us);
            let connections = it.connections.max(exceedances);
            (exceedances > 0).then(|| WorstStratum {
                proto: it.proto.map_or(PortRecord::OTHERS, Proto::name).to_owned(),
                port: it.port,
                namespace: namespace.to_owned(),
                connections,
                exceedances,
                harm_upper_95: bound::upper_95(exceedances, connections),
            })
        })
        .max_by(|a, b| certain(a).total_cmp(&certain(b)))
}

fn certain(it: &WorstStratum) -> f64 {
    bound::lower(it.exceedances, it.connections, 0.95)
}

/// The stratum that needs the longest timeout, and how long its pauses are: the longest that may
/// not be cut, in µs.
pub fn strictest<'a>(
    scene: &'a Scene<'_>,
    timer: Timer,
) -> Option<(u64, &'a str, &'a StratumRecord)> {
    scene
        .strata(timer)
        .filter_map(|(namespace, it)| {
            let paused = it.max_gaps.count();
            let allowed = allowed(it.connections.max(paused), scene.request.max_harm);
            let longest = (paused > allowed).then(|| it.max_gaps.at_rank(paused - allowed))?;
            Some((longest, namespace, it))
        })
        .max_by_key(|it| it.0)
}

/// The words for a stratum: `port 5432`, `udp port 53 in blue`.
pub fn stratum(scene: &Scene<'_>, namespace: &str, it: &StratumRecord) -> String {
    let port = match it.proto {
        None => "all other ports together".to_owned(),
        Some(Proto::Tcp) => format!("port {}", it.port),
        Some(proto) if it.port == 0 => proto.name().to_owned(),
        Some(proto) => format!("{} port {}", proto.name(), it.port),
    };
    if scene.recordings.iter().any(|it| it.namespaces.len() > 1) {
        format!("{port} in {namespace}")
    } else {
        port
    }
}

/// What a stratum's connections did: `port 5432: 37 of 1,204 connections paused longer than 20 m`.
pub fn paused(scene: &Scene<'_>, namespace: &str, it: &StratumRecord, seconds: u64) -> String {
    let longer = it.max_gaps.exceeding(scene.limit_us(seconds));
    format!(
        "{}: {} of {} paused longer than {}",
        stratum(scene, namespace, it),
        units::count(longer),
        units::plural(it.connections.max(longer), "connection", "connections"),
        units::whole(seconds),
    )
}

/// An hour of the day (UTC) of which a value would have cut more than may be, in words; `None` if
/// there is none. A gap is taken for a connection of its own, as long as no more of them are cut in
/// all.
///
/// # Errors
/// When the recording cannot be read any more: nothing is known of its hours then.
pub fn worst_hour(scene: &Scene<'_>, timer: Timer, seconds: u64) -> Result<Option<String>, String> {
    let limit_us = scene.limit_us(seconds);
    let all = scene.max_gaps(timer).exceeding(limit_us);
    let hours = scene.hours(timer, limit_us)?;
    let number = hours.iter().filter(|it| it.connections > 0).count();
    if all == 0 || number < 2 {
        return Ok(None);
    }
    let max_harm = scene.request.max_harm;
    // Among many hours one looks bad by chance.
    let confidence = 1.0 - 0.05 / number as f64;
    let enough = bound::trials_needed(max_harm);
    let worst = (0..24).zip(&hours).find(|(_, hour)| {
        let longer = hour.longer.min(all);
        let certain = bound::lower(longer, hour.connections.max(longer), confidence) > max_harm;
        let possible = bound::upper_95(longer, hour.connections) > max_harm;
        longer > 0 && (certain || hour.connections >= enough && possible)
    });
    Ok(worst.map(|(hour, seen)| {
        format!(
            "between {hour}:00 and {}:00 UTC {} after more than {}, among {}",
            (hour + 1) % 24,
            units::plural(seen.longer, "gap was resumed", "gaps were resumed"),
            units::whole(seconds),
            units::plural(seen.connections, "connection", "connections"),
        )
    }))
}
