//! What can tell whom a value of a timer cuts: the namespaces whose timer was longer, since no gap is longer than
//! the timer, in watches that were long enough.

use std::{collections::BTreeMap, time::Duration};

use tracker_common::{Loss, Proto, Timer, layout::HistogramId};

use super::{
    bound,
    scene::{Scene, Watch},
};
use crate::{recording::Distribution, units};

/// A watch must be this many times as long as a value that it is to justify: of longer gaps it
/// shows only some.
pub const LONG: f64 = 3.0;

/// Connections of one destination port in one namespace, of all watches together.
#[derive(Clone, Debug)]
pub struct Stratum<'a> {
    /// Name of the namespace.
    pub namespace: &'a str,
    /// Protocol; `None` of all ports together that found no place of their own.
    pub proto: Option<Proto>,
    /// Port; 0 where there are none.
    pub port: u16,
    /// Entries that were seen under the timer, no fewer than have a gap.
    pub connections: u64,
    /// Longest resumed gap of each of them that had a long one.
    pub max_gaps: Distribution,
}

/// An hour of the day.
#[derive(Clone, Debug, Default)]
pub struct Hour {
    /// Entries that were first seen under the timer.
    pub connections: u64,
    /// Gaps that ended in it, if they were longer than asked for.
    pub gaps: Distribution,
}

/// All that these watches show of a timer.
pub struct Sample<'a> {
    timer: Timer,
    watches: Vec<Watch<'a>>,
    /// Longest resumed gap of each entry that was seen under the timer.
    pub max_gaps: Distribution,
    /// How many they are.
    pub connections: u64,
    /// Inserts and deaths that went unseen: each may be one that any lower value cuts.
    pub lost: u64,
    /// Long gaps of which the port was lost.
    pub unplaced: u64,
    /// By namespace and port.
    pub strata: Vec<Stratum<'a>>,
}

impl<'a> Sample<'a> {
    /// Those that can tell of this value.
    pub fn of(scene: &Scene<'a>, timer: Timer, seconds: u64) -> Self {
        let watches = witnesses(scene, timer, seconds);
        let long = |it: &Watch<'_>| it.seconds >= seconds as f64 * LONG;
        Self::new(scene, timer, watches.filter(long).collect())
    }

    /// All namespaces that had a longer timer, however long they were watched.
    pub fn of_any_length(scene: &Scene<'a>, timer: Timer, seconds: u64) -> Self {
        let watches = witnesses(scene, timer, seconds).collect();
        Self::new(scene, timer, watches)
    }

    fn new(scene: &Scene<'a>, timer: Timer, watches: Vec<Watch<'a>>) -> Self {
        let mut max_gaps = Distribution::default();
        let mut strata = Strata::new();
        let mut recordings = Vec::new();
        for watch in &watches {
            max_gaps.merge(watch.histogram(HistogramId::MaxGap(timer)));
            merge(&mut strata, watch, timer);
            recordings.push(watch.nth);
        }
        recordings.dedup();
        let unplaced = |&nth: &usize| scene.recordings[nth].losses.count[Loss::StrataFull.id()];
        Self {
            timer,
            connections: max_gaps.count(),
            max_gaps,
            lost: recordings
                .iter()
                .map(|&it| scene.unseen[it])
                .fold(0, u64::saturating_add),
            unplaced: recordings.iter().map(unplaced).fold(0, u64::saturating_add),
            strata: strata.into_values().collect(),
            watches,
        }
    }

    /// None of them.
    pub fn is_empty(&self) -> bool {
        self.watches.is_empty()
    }

    /// The lowest value of which one of these watches cannot tell any more.
    pub fn until(&self) -> u64 {
        let long = |it: &Watch<'_>| (it.seconds / LONG) as u64 + 1;
        let until = self.watches.iter().map(|it| it.value.min(long(it)));
        until.min().unwrap_or(0)
    }

    /// Entries that were idle for longer than so long when the watch ended, and had not expired yet. Those that were
    /// silent all through it may be any timer's that did not run out meanwhile.
    pub fn idle(&self, micros: u64) -> u64 {
        let idle = |it: &Watch<'_>| {
            let idle = it.histogram(HistogramId::Idle(self.timer));
            let expired = idle.exceeding(it.value.saturating_mul(1_000_000));
            let outlasts = it.value as f64 > it.seconds && it.seconds * 1e6 > micros as f64;
            let silent = if outlasts { it.namespace.silent() } else { 0 };
            idle.exceeding(micros)
                .saturating_sub(expired)
                .saturating_add(silent)
        };
        self.watches.iter().map(idle).fold(0, u64::saturating_add)
    }

    /// Gaps that lasted longer than so long and were seen to end: those that a packet ended, and all of them.
    pub fn ended(&self, micros: u64) -> (u64, u64) {
        let gaps = |it: &Watch<'_>| it.histogram(HistogramId::Gap(self.timer)).exceeding(micros);
        let resumed = self.watches.iter().map(gaps).fold(0, u64::saturating_add);
        let expired = self.watches.iter().map(|it| it.expired(self.timer));
        (resumed, expired.fold(resumed, u64::saturating_add))
    }

    /// How many of the [idle](Self::idle) ones go on, at most if they are like those whose gap was
    /// [seen to end](Self::ended): of these so large a share ended with a packet and not by expiry, with its 95 %
    /// bound. Of steady traffic that is no too small share, since who goes on is idle for a shorter time than who
    /// expires, and so is less likely to be met. Where none was seen to end, all of them may go on.
    pub fn undecided(&self, micros: u64) -> f64 {
        let idle = self.idle(micros);
        if idle == 0 {
            return 0.0;
        }
        let (resumed, ended) = self.ended(micros);
        idle as f64 * bound::upper_95(resumed, ended)
    }

    /// Connections that a value that spares gaps up to so long would have cut, and those that may be among them.
    pub fn hits(&self, micros: u64) -> f64 {
        let cut = self.max_gaps.exceeding(micros).saturating_add(self.lost);
        cut as f64 + self.undecided(micros)
    }

    /// The hours of the day (UTC): what began under the timer in each, and the gaps that ended, in intervals that
    /// had one longer than so long.
    ///
    /// # Errors
    /// When a recording cannot be read any more.
    pub fn hours(&self, micros: u64) -> Result<Vec<Hour>, String> {
        let mut hours = vec![Hour::default(); 24];
        let mut before = None;
        for watch in &self.watches {
            let recording = watch.recording;
            let hour = |at: Duration| {
                let at = recording.description.started.saturating_add(at.as_secs());
                (at / 3_600 % 24) as usize
            };
            for sample in &watch.namespace.samples {
                let began = sample.connections.iter().find(|it| it.0 == self.timer);
                let interval = recording.intervals.get(sample.interval);
                if let (Some(&(_, count)), Some(interval)) = (began, interval) {
                    hours[hour(interval.started)].connections += count;
                }
            }
            // They are those of all its namespaces.
            if before.replace(watch.nth) != Some(watch.nth) {
                for (at, gaps) in recording.gaps_beyond(self.timer, micros)? {
                    hours[hour(at)].gaps.merge(&gaps);
                }
            }
        }
        Ok(hours)
    }
}

/// The namespaces in which gaps longer than a value could be seen. For what is set now, or more, that is those in which
/// it is.
fn witnesses<'a>(scene: &Scene<'a>, timer: Timer, seconds: u64) -> impl Iterator<Item = Watch<'a>> {
    let current = scene.current(timer).unwrap_or(u64::MAX);
    let shorter = seconds
        .min(current.saturating_sub(1))
        .max(seconds.saturating_sub(1));
    scene.watches(timer).filter(move |it| it.value > shorter)
}

/// Why no watch tells of a value: how long they were, and how long they would have to be.
pub fn too_short(scene: &Scene<'_>, timer: Timer, seconds: u64) -> String {
    let longest = witnesses(scene, timer, seconds).map(|it| it.seconds);
    format!(
        "the watch lasted {}: it takes {} to justify {}",
        units::seconds(longest.fold(0.0, f64::max)),
        units::whole((seconds as f64 * LONG) as u64),
        units::whole(seconds)
    )
}

/// Strata by namespace, protocol and port.
type Strata<'a> = BTreeMap<(&'a str, Option<Proto>, u16), Stratum<'a>>;

fn merge<'a>(strata: &mut Strata<'a>, watch: &Watch<'a>, timer: Timer) {
    let namespace = watch.namespace.name.as_str();
    for it in watch.namespace.strata.iter().filter(|it| it.timer == timer) {
        let kept = strata.entry((namespace, it.proto, it.port));
        let kept = kept.or_insert_with(|| Stratum {
            namespace,
            proto: it.proto,
            port: it.port,
            connections: 0,
            max_gaps: Distribution::default(),
        });
        let connections = it.connections.max(it.max_gaps.count());
        kept.connections = kept.connections.saturating_add(connections);
        kept.max_gaps.merge(&it.max_gaps);
    }
}
