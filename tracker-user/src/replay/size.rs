//! How much of a recording the lab can play in some minutes.

use super::{ReplayError, kind::Arrivals, write::File};
use crate::lab::scenario::{Overrides, Scenario, ScenarioError};

/// Packets of a run, at most.
const PACKETS: f64 = 1_000_000.0;
/// Connections whose packets are counted, to know those of all.
const SAMPLE: f64 = 1_000.0;
/// Packets that are counted of them, at most.
const COUNTED: usize = 1_000_000;

/// Share of the connections that can be played; 1 if it can be all.
pub fn scale(file: &File<'_>) -> Result<f64, ReplayError> {
    let parts = |at_start: bool| {
        let is_at_start = |it: &Arrivals| matches!(it, Arrivals::AtStart(_));
        let kinds = file
            .kinds
            .iter()
            .filter(|it| is_at_start(&it.arrivals) == at_start);
        kinds.cloned().collect::<Vec<_>>()
    };
    let mut packets = 0.0;
    for kinds in [parts(false), parts(true)]
        .iter()
        .filter(|kinds| !kinds.is_empty())
    {
        let count: f64 = kinds.iter().map(|kind| file.count(kind)).sum();
        // So that all packets of those that are played are counted.
        let scale = (SAMPLE / count.max(1.0)).min(1.0);
        let sample = File {
            description: "a sample".to_owned(),
            settings: file.settings.clone(),
            untested: Vec::new(),
            kinds,
            scale,
            ..*file
        };
        packets += counted(&sample)? / scale;
    }
    Ok((PACKETS / packets.max(1.0)).min(1.0))
}

fn counted(sample: &File<'_>) -> Result<f64, ScenarioError> {
    let scenario = Scenario::parse("sample", &sample.to_string())?;
    let traffic = scenario.traffic(1, &Overrides::default())?;
    let packets = traffic.take(COUNTED).count();
    Ok(packets as f64)
}
