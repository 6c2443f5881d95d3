//! Counts since a change of what tells of harm, in the namespaces that it concerns.

use std::{collections::BTreeMap, fmt};

use tracker_common::{
    Timer,
    histogram::highest,
    layout::{Histogram, HistogramId},
};

use crate::{
    apply::Change,
    settings::Name,
    source::{NamespaceSample, Sample, Statistic},
};

/// Something that tells of harm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sign {
    /// Connections that came back after a pause that the old value of this timer allowed and the
    /// new one does not: the change has cut them.
    Returns(Timer),
    /// Entries that begin in the middle of a connection, whatever had ended it.
    Pickups,
    /// Entries evicted from a full table.
    EarlyDrop,
    /// Packets dropped for want of an entry.
    Drop,
    /// Entries that could not be inserted.
    InsertFailed,
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returns(timer) => write!(f, "connections cut by {}", timer.name()),
            Self::Pickups => f.write_str("entries that begin in the middle of a connection"),
            Self::EarlyDrop => f.write_str(Statistic::EarlyDrop.words()),
            Self::Drop => f.write_str(Statistic::Drop.words()),
            Self::InsertFailed => f.write_str(Statistic::InsertFailed.words()),
        }
    }
}

/// How often a sign was seen, and among how many: `hits` is never more than `trials`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Times.
    pub hits: u64,
    /// What could have shown it: connections or, of drops, inserts tried.
    pub trials: u64,
}

/// A timer that was lowered in a namespace: pauses between both lengths are cut now, in µs.
#[derive(Debug)]
struct Lowered {
    inum: u32,
    timer: Timer,
    before_us: u64,
    /// The histogram as it was last seen.
    returns: Option<Box<Histogram>>,
    /// As it was at the beginning.
    base: u64,
}

/// Counts since the beginning.
#[derive(Debug)]
pub struct Gauge {
    /// Namespaces that count; all, if empty: of the table's size each of them may suffer.
    inums: Vec<u32>,
    lowered: Vec<Lowered>,
    base: BTreeMap<Sign, Count>,
    now: BTreeMap<Sign, Count>,
}

impl Gauge {
    /// For changes.
    pub fn new(changes: &[Change]) -> Self {
        let has_size = changes.iter().any(|it| !matches!(it.name, Name::Timer(_)));
        let mut inums: Vec<u32> = changes.iter().map(|it| it.place.inum).collect();
        inums.sort_unstable();
        inums.dedup();
        let lowered = changes.iter().filter_map(|it| match it.name {
            Name::Timer(timer) if it.after < it.before => Some(Lowered {
                inum: it.place.inum,
                timer,
                before_us: it.before.saturating_mul(1_000_000),
                returns: None,
                base: 0,
            }),
            _ => None,
        });
        Self {
            lowered: lowered.collect(),
            inums: if has_size { Vec::new() } else { inums },
            base: BTreeMap::new(),
            now: BTreeMap::new(),
        }
    }

    /// What is looked at.
    pub fn signs(&self) -> Vec<Sign> {
        let mut signs = vec![
            Sign::Pickups,
            Sign::EarlyDrop,
            Sign::Drop,
            Sign::InsertFailed,
        ];
        signs.extend(self.lowered.iter().map(|it| Sign::Returns(it.timer)));
        signs.sort();
        signs.dedup();
        signs
    }

    /// Counts from here on.
    pub fn begin(&mut self, sample: &Sample) {
        self.read(sample);
        for lowered in &mut self.lowered {
            lowered.base = lowered.cut();
        }
        self.base = std::mem::take(&mut self.now);
        self.read(sample);
    }

    /// Takes in a sample.
    pub fn read(&mut self, sample: &Sample) {
        self.now.clear();
        for namespace in &sample.namespaces {
            if self.inums.is_empty() || self.inums.contains(&namespace.inum) {
                self.add(namespace);
            }
            for lowered in &mut self.lowered {
                lowered.take(namespace);
            }
        }
        for lowered in &self.lowered {
            let count = self.now.entry(Sign::Returns(lowered.timer)).or_default();
            count.hits += lowered.cut().saturating_sub(lowered.base);
        }
    }

    fn add(&mut self, namespace: &NamespaceSample) {
        let counters = &namespace.counters;
        let inserted = counters.inserted();
        let mut add = |sign: Sign, hits: u64, trials: u64| {
            let count = self.now.entry(sign).or_default();
            count.hits += hits;
            count.trials += trials;
        };
        add(Sign::Pickups, counters.pickups.iter().sum(), inserted);
        for (sign, statistic) in [
            (Sign::EarlyDrop, Statistic::EarlyDrop),
            (Sign::Drop, Statistic::Drop),
            (Sign::InsertFailed, Statistic::InsertFailed),
        ] {
            let hits = namespace.statistics.get(&statistic).copied().unwrap_or(0);
            // What was dropped was tried, too.
            add(sign, hits, inserted + hits);
        }
        for it in self.lowered.iter().filter(|it| it.inum == namespace.inum) {
            add(
                Sign::Returns(it.timer),
                0,
                counters.connections[it.timer.id()],
            );
        }
    }

    /// Since the beginning.
    pub fn count(&self, sign: Sign) -> Count {
        let of = |counts: &BTreeMap<Sign, Count>| counts.get(&sign).copied().unwrap_or_default();
        let (now, base) = (of(&self.now), of(&self.base));
        let since = |now: u64, base: u64| now.saturating_sub(base);
        let hits = match sign {
            // Counted from the beginning already.
            Sign::Returns(_) => now.hits,
            _ => since(now.hits, base.hits),
        };
        let trials = since(now.trials, base.trials).max(hits);
        Count { hits, trials }
    }
}

impl Lowered {
    fn take(&mut self, namespace: &NamespaceSample) {
        let own = HistogramId::Return(self.timer);
        let mut shown = namespace.histograms.iter();
        if namespace.inum == self.inum
            && let Some((_, returns)) = shown.find(|(id, _)| *id == own)
        {
            self.returns = Some(returns.clone());
        }
    }

    /// Pauses that the old value allowed. The bucket in which that value lies is left out: some of its
    /// pauses were longer.
    fn cut(&self) -> u64 {
        let Some(returns) = &self.returns else {
            return 0;
        };
        let buckets = returns.buckets.iter().enumerate();
        let within = buckets.filter(|&(bucket, _)| highest(bucket) <= self.before_us);
        within.map(|(_, &count)| u64::from(count)).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use tracker_common::{
        Proto,
        layout::{Counters, Losses},
    };

    use super::*;
    use crate::apply::Place;

    const SECOND: u64 = 1_000_000;

    /// A namespace with so many inserts, pickups and drops, and connections that came back after so
    /// many seconds.
    fn namespace(
        inum: u32,
        inserts: u64,
        pickups: u64,
        drops: u64,
        returns: &[u64],
    ) -> NamespaceSample {
        let mut counters = Box::new(Counters::ZERO);
        counters.inserts[Proto::Udp.id()] = inserts;
        counters.pickups[Proto::Tcp.id()] = pickups;
        counters.connections[Timer::Udp.id()] = inserts;
        let mut histogram = Box::new(Histogram::ZERO);
        for seconds in returns {
            histogram.add(seconds * SECOND);
        }
        NamespaceSample {
            inum,
            name: inum.to_string(),
            counters,
            histograms: vec![(HistogramId::Return(Timer::Udp), histogram)],
            table: None,
            statistics: BTreeMap::from([(Statistic::Drop, drops)]),
            sysctls: BTreeMap::new(),
            live_at_start: 0,
            live: 0,
            ports: None,
            strata: None,
        }
    }

    fn sample(namespaces: Vec<NamespaceSample>) -> Sample {
        Sample {
            at: Duration::ZERO,
            namespaces,
            losses: Losses {
                count: [0; tracker_common::Loss::SLOTS],
            },
        }
    }

    fn change(name: Name, before: u64, after: u64) -> Change {
        let place = Place {
            inum: 7,
            name: "blue".to_owned(),
            cookie: None,
        };
        Change {
            place,
            name,
            before,
            after,
        }
    }

    #[test]
    fn only_what_came_since_and_what_the_change_can_have_cut_counts() {
        let udp = change(Name::Timer(Timer::Udp), 30, 5);
        let mut gauge = Gauge::new(std::slice::from_ref(&udp));
        gauge.begin(&sample(vec![namespace(7, 100, 3, 1, &[10, 20])]));
        gauge.read(&sample(vec![
            namespace(7, 300, 4, 2, &[10, 20, 8, 12, 29, 40, 5000]),
            namespace(8, 900, 90, 9, &[10]),
        ]));
        let count = |hits, trials| Count { hits, trials };
        assert_eq!(gauge.count(Sign::Returns(Timer::Udp)), count(3, 200));
        assert_eq!(gauge.count(Sign::Pickups), count(1, 200));
        assert_eq!(gauge.count(Sign::Drop), count(1, 201));
        // The table's size concerns every namespace.
        let mut gauge = Gauge::new(&[udp, change(Name::Max, 10, 5)]);
        gauge.begin(&sample(Vec::new()));
        gauge.read(&sample(vec![
            namespace(7, 1, 0, 0, &[]),
            namespace(8, 9, 2, 0, &[]),
        ]));
        assert_eq!(gauge.count(Sign::Pickups), count(2, 10));
    }
}
