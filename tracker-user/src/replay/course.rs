//! When connections began: the part of the watch that is played, and its rates. A play that is longer
//! than the watch goes through it again.

use std::time::Duration;

use super::length::Length;
use crate::recording::{CountSample, NamespaceRecord, Recording};

/// Rates of a course, at most.
const PIECES: u64 = 48;
/// Counts that vary no more than this (variance to mean) are those of one rate: 1 is chance.
const STEADY: f64 = 3.0;

/// The part of a watch that is played.
#[derive(Clone, Debug, PartialEq)]
pub struct Course {
    /// Its length, in whole seconds.
    pub part: Duration,
    /// Length of the play.
    pub length: Duration,
    /// Inserts of the play compared with those of the watch.
    pub share: f64,
    /// Entries on average in the part that is played, if they were counted.
    pub mean: Option<f64>,
    /// Each piece's rate compared with the mean; one if it was steady.
    pub factors: Vec<f64>,
    /// Length of a piece.
    pub every: Duration,
}

impl Course {
    /// The table is fullest in the middle of what is compared, as far as the watch has that.
    pub fn of(recording: &Recording, record: &NamespaceRecord, play: &Length) -> Self {
        let watch = recording.duration.as_secs_f64();
        let length = recording.duration.min(play.all).as_secs().max(1);
        let from = (peak(recording, record) - play.middle())
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
        let played = mean * play.all.as_secs_f64() / every as f64;
        let square = |count: &f64| (count - mean) * (count - mean);
        let variance = counts.iter().map(square).sum::<f64>() / (pieces as f64 - 1.0).max(1.0);
        let is_steady = variance <= STEADY * mean;
        Self {
            part: Duration::from_secs(length),
            length: play.all,
            mean: self::mean(recording, record, from, from + length as f64),
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
    let part = |sample: &CountSample| {
        let (shared, length) = shared(recording, sample, begin, end)?;
        Some(sample.inserted as f64 * shared / length.max(1e-9))
    };
    record.samples.iter().filter_map(part).sum()
}

/// Entries on average between two times.
fn mean(recording: &Recording, record: &NamespaceRecord, begin: f64, end: f64) -> Option<f64> {
    let part = |sample: &CountSample| {
        let (shared, _) = shared(recording, sample, begin, end)?;
        Some((sample.count?.1 * shared, shared))
    };
    let parts = record.samples.iter().filter_map(part);
    let (sum, seconds) = parts.fold((0.0, 0.0), |all, it| (all.0 + it.0, all.1 + it.1));
    (seconds > 0.0).then(|| sum / seconds)
}

/// Seconds that a sample's interval shares with a time, and its length.
fn shared(recording: &Recording, sample: &CountSample, begin: f64, end: f64) -> Option<(f64, f64)> {
    let interval = recording.intervals.get(sample.interval)?;
    let (from, to) = (interval.started.as_secs_f64(), interval.ended.as_secs_f64());
    Some(((to.min(end) - from.max(begin)).max(0.0), to - from))
}
