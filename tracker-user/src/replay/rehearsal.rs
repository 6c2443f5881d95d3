//! A scenario on paper, before it is played: that it can be, and whether it pauses as was recorded.

use tracker_common::{Timer, layout::HistogramId};

use super::{ReplayError, seen::Seen};
use crate::{
    lab::{
        packet::Witness,
        scenario::{Overrides, Scenario},
        truth::{About, Samples, Truth, TruthFile},
    },
    proof::{Terms, reach},
    units,
};

/// Length of a jiffy on paper, in microseconds.
const JIFFY_US: u64 = 4_000;
/// By how much the number of connections that paused may differ from what was recorded.
const LIKE: f64 = 0.25;

/// What the scripts know of a play at its end.
///
/// # Errors
/// When it cannot be played.
pub fn rehearse(text: &str) -> Result<TruthFile, ReplayError> {
    let scenario = Scenario::parse("recorded.toml", text)?;
    Terms::of(&scenario).map_err(|error| ReplayError::Proof(error.to_string()))?;
    let about = About {
        scenario: scenario.name.clone(),
        seed: 1,
        jiffy_s: JIFFY_US as f64 / 1e6,
    };
    let mut truth = Truth::new(about, |timer| scenario.timeouts.seconds(timer));
    let jiffy = |micros: u128| 10_000 + micros as u64 / JIFFY_US;
    let mut traffic = scenario.traffic(1, &Overrides::default())?;
    for due in traffic
        .by_ref()
        .take_while(|due| due.at < scenario.duration)
    {
        let at = jiffy(due.at.as_micros());
        truth.sent(&due.packet, at, at);
    }
    let mut truth = truth.report(jiffy(scenario.duration.as_micros()));
    for (&cut, &connections) in traffic.cuts() {
        truth.tally.cut(cut, connections);
    }
    Ok(truth)
}

/// Why a play says nothing of a timer that becomes so long.
pub fn obstacle(seen: &Seen<'_>, truth: &TruthFile, timer: Timer, seconds: u64) -> Option<String> {
    let today = seen.timeout(timer) as u64;
    let out_of_reach = reach::timer(truth, timer, today, seconds);
    let is_shorter = seconds < today;
    out_of_reach.or_else(|| is_shorter.then(|| unlike(seen, truth, timer, seconds))?)
}

/// Fewer or more connections pause for longer than a shorter timer than did in the recording.
fn unlike(seen: &Seen<'_>, truth: &TruthFile, timer: Timer, seconds: u64) -> Option<String> {
    let recorded = seen.record.histograms.get(&HistogramId::MaxGap(timer));
    let longer = recorded.map_or(0, |gaps| gaps.exceeding(seconds * 1_000_000));
    let connections = seen.connections(timer);
    let played = truth.tally.timers.get(&timer).map(|row| &row.longest);
    let count = played.map_or(0, Samples::count);
    let limit = seconds * 1_000_000 / JIFFY_US;
    let paused = played.map_or(0, |samples| {
        let beyond = samples.iter().filter(|(span, _)| span.low > limit);
        beyond.map(|(_, count)| count).sum()
    });
    let expected = longer as f64 / connections.max(1.0) * count as f64;
    let chance = 4.0 * f64::max(expected, paused as f64).sqrt();
    let off = f64::max(LIKE * expected.max(paused as f64), chance);
    ((paused as f64 - expected).abs() > off).then(|| {
        format!(
            "pauses of more than {} are not played as they were: {} connections have one, in place of {}",
            units::whole(seconds),
            units::grouped(paused),
            units::grouped(expected.round() as u64)
        )
    })
}
