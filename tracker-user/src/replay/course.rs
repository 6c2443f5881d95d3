//! When connections began: the part of the watch that is played, and its rates.

use std::time::Duration;

use crate::recording::{NamespaceRecord, Recording};

/// Rates of a course, at most.
const PIECES: u64 = 48;
/// Counts that vary no more than this (variance to mean) are those of one rate: 1 is chance.
const STEADY: f64 = 3.0;

/// The part of a watch that is played.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// Its length, in whole seconds.
    pub length: Duration,
    /// Share of the watch's inserts that fell into it.
    pub share: f64,
    /// Each piece's rate compared with the mean; one if it was steady.
    pub factors: Vec<f64>,
    /// Length of a piece.
    pub every: Duration,
}

impl Course {
    /// Of so much of the watch, about the time at which the table was fullest.
    pub fn of(recording: &Recording, record: &NamespaceRecord, longest: Duration) -> Self {
        let watch = recording.duration.as_secs_f64();
        let length = recording.duration.min(longest).as_secs().max(1);
        let from = (peak(recording, record) - length as f64 / 2.0)
            .min(watch - length as f64)
            .max(0.0);
        let every = length.div_ceil(PIECES).max(1);
        let pieces = length.div_ceil(every);
        let inserted = |place: u64| {
            let (begin, end) = (place * every, ((place + 1) * every).min(length));
            let (from, to) = (from + begin as f64, from + end as f64);
            // The last piece may be shorter, but has a whole one's rate.
            inserted(recording, record, from, to) * every as f64 / (end - begin) as f64
        };
        let counts: Vec<f64> = (0..pieces).map(inserted).collect();
        let all = self::inserted(recording, record, 0.0, watch);
        let mean = counts.iter().sum::<f64>() / pieces as f64;
        let played = mean * length as f64 / every as f64;
        let square = |count: &f64| (count - mean) * (count - mean);
        let variance = counts.iter().map(square).sum::<f64>() / (pieces as f64 - 1.0).max(1.0);
        let is_steady = variance <= STEADY * mean;
        Self {
            length: Duration::from_secs(length),
            share: if all > 0.0 { played / all } else { 1.0 },
            factors: if is_steady || mean <= 0.0 {
                vec![1.0]
            } else {
                counts.iter().map(|count| count / mean).collect()
            },
            every: Duration::from_secs(every),
        }
    }
}

/// When the table was fullest, in seconds since the watch began.
fn peak(recording: &Recording, record: &NamespaceRecord) -> f64 {
    let fullest = record
        .samples
        .iter()
        .filter_map(|sample| Some((sample.count?.2, recording.intervals.get(sample.interval)?)))
        .max_by_key(|(count, _)| *count);
    fullest.map_or(0.0, |(_, interval)| interval.ended.as_secs_f64())
}

/// Entries inserted between two times, where an interval's fall evenly into it.
fn inserted(recording: &Recording, record: &NamespaceRecord, begin: f64, end: f64) -> f64 {
    let part = |sample: &crate::recording::CountSample| {
        let interval = recording.intervals.get(sample.interval)?;
        let (from, to) = (interval.started.as_secs_f64(), interval.ended.as_secs_f64());
        let shared = (to.min(end) - from.max(begin)).max(0.0);
        Some(sample.inserted as f64 * shared / (to - from).max(1e-9))
    };
    record.samples.iter().filter_map(part).sum()
}
