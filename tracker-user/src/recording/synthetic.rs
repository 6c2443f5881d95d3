//! A made-up source for tests: says what happened, and gives samples and recordings.

use std::{collections::BTreeMap, time::Duration};

use tracker_common::{
    Proto, Reason, State, Timer,
    histogram::index,
    layout::{Counters, Histogram, HistogramId, Losses, PortKey, PortUse},
};

use super::{Existing, Recording, Writer};
use crate::{
    settings::default_seconds,
    source::{
        Description, Hook, NamespaceSample, Sample, Source, SourceError, Statistic, Statistics,
        Stratum, Table,
    },
};

/// Totals of a made-up watch.
#[derive(Debug)]
pub struct Synthetic {
    pub description: Description,
    pub at: Duration,
    pub step: Duration,
    pub namespaces: Vec<Space>,
    pub losses: Losses,
}

/// One made-up namespace.
#[derive(Debug)]
pub struct Space {
    pub inum: u32,
    pub name: String,
    pub counters: Box<Counters>,
    pub histograms: BTreeMap<HistogramId, Box<Histogram>>,
    pub table: Option<Table>,
    pub statistics: Statistics,
    pub sysctls: BTreeMap<String, u64>,
    pub live_at_start: u64,
    pub live: u64,
    pub ports: Vec<(PortKey, PortUse)>,
    pub strata: Vec<Stratum>,
}

/// Timers that a namespace shows, at the kernel's defaults.
pub const TIMERS: [Timer; 18] = [
    Timer::TcpSynSent,
    Timer::TcpSynRecv,
    Timer::TcpEstablished,
    Timer::TcpFinWait,
    Timer::TcpCloseWait,
    Timer::TcpLastAck,
    Timer::TcpTimeWait,
    Timer::TcpClose,
    Timer::TcpMaxRetrans,
    Timer::TcpUnacknowledged,
    Timer::Udp,
    Timer::UdpStream,
    Timer::Icmp,
    Timer::Icmpv6,
    Timer::Generic,
    Timer::Gre,
    Timer::GreStream,
    Timer::SctpEstablished,
];

impl Space {
    pub fn new(inum: u32, name: &str) -> Self {
        let timers = TIMERS.map(|timer| {
            let name = format!("nf_conntrack_{}", timer.name());
            (name, default_seconds(timer))
        });
        Self {
            inum,
            name: name.to_owned(),
            counters: Box::new(Counters::ZERO),
            histograms: BTreeMap::new(),
            table: Some(Table {
                count: 0,
                max: 65_536,
                buckets: 65_536,
            }),
            statistics: Statistic::ALL.into_iter().map(|it| (it, 0)).collect(),
            sysctls: timers.into(),
            live_at_start: 0,
            live: 0,
            ports: Vec::new(),
            strata: Vec::new(),
        }
    }

    pub fn histogram(&mut self, id: HistogramId) -> &mut Histogram {
        self.histograms
            .entry(id)
            .or_insert_with(|| Box::new(Histogram::ZERO))
    }

    pub fn set(&mut self, timer: Timer, seconds: u64) {
        self.sysctls
            .insert(format!("nf_conntrack_{}", timer.name()), seconds);
    }

    /// `n` entries were inserted.
    pub fn insert(&mut self, proto: Proto, n: u64) {
        self.counters.inserts[proto.id()] += n;
        self.live += n;
        self.count(self.live);
    }

    /// `n` entries died.
    pub fn die(&mut self, state: State, reason: Reason, n: u64) {
        self.counters.deaths[state.id()][reason.id()] += n;
        self.live -= n.min(self.live);
        self.count(self.live);
    }

    /// `n` entries expired in a state after so many seconds in it.
    pub fn expire(&mut self, state: State, timer: Timer, n: u64, seconds: f64) {
        self.counters.entered[state.id()] += n;
        self.counters.expired[state.id()] += n;
        self.counters.timer_expired[timer.id()] += n;
        self.fill(HistogramId::Residency(state), n, seconds);
        self.fill(HistogramId::Lifetime, n, seconds);
        self.fill(HistogramId::Overdue, n, 0.5);
        self.die(state, Reason::Expired, n);
    }

    /// `n` entries were seen under a timer, each with this longest gap; 0 for none.
    pub fn max_gap(&mut self, timer: Timer, n: u64, seconds: f64) {
        self.counters.connections[timer.id()] += n;
        if seconds > 0.0 {
            self.counters.gaps[timer.id()] += n;
            self.fill(HistogramId::Gap(timer), n, seconds);
        }
        let micros = (seconds * 1e6) as u64;
        let histogram = self.histogram(HistogramId::MaxGap(timer));
        histogram.max_us = histogram.max_us.max(micros);
        let bucket = &mut histogram.buckets[index(micros)];
        *bucket = bucket.wrapping_add(n as u32);
    }

    /// A gap under a timer was resumed after so many seconds.
    pub fn gap(&mut self, timer: Timer, seconds: f64) {
        self.counters.gaps[timer.id()] += 1;
        self.fill(HistogramId::Gap(timer), 1, seconds);
    }

    fn fill(&mut self, id: HistogramId, n: u64, seconds: f64) {
        let micros = (seconds * 1e6) as u64;
        let histogram = self.histogram(id);
        histogram.sum_us += micros * n;
        histogram.max_us = histogram.max_us.max(micros);
        let bucket = &mut histogram.buckets[index(micros)];
        *bucket = bucket.wrapping_add(n as u32);
    }

    pub fn count(&mut self, count: u64) {
        if let Some(table) = &mut self.table {
            table.count = count;
        }
    }
}

impl Synthetic {
    /// One namespace `host`, nothing seen.
    pub fn new() -> Self {
        let hook = |event: &str, symbol: &str| Hook {
            event: event.to_owned(),
            symbol: symbol.to_owned(),
            kind: "kprobe".to_owned(),
        };
        Self {
            description: Description {
                source: "ebpf".to_owned(),
                host: "gateway".to_owned(),
                machine: Some("5f2c".to_owned()),
                kernel: "6.12.57".to_owned(),
                started: 1_767_225_600,
                tick_ns: 4_000_000,
                scope: "all".to_owned(),
                hooks: vec![
                    hook("insert", "__nf_conntrack_hash_insert"),
                    hook("destroy", "nf_ct_helper_destroy"),
                ],
                memory_bytes: 4 << 30,
                entry_bytes: 256,
                map_bytes: 20 << 20,
                collector_adapts: Some(true),
                remarks: Vec::new(),
            },
            at: Duration::ZERO,
            step: Duration::from_secs(1),
            namespaces: vec![Space::new(4_026_531_840, "host")],
            losses: Losses { count: [0; 8] },
        }
    }

    pub fn host(&mut self) -> &mut Space {
        &mut self.namespaces[0]
    }

    /// The sample at this moment.
    pub fn now(&self) -> Sample {
        let namespaces = self
            .namespaces
            .iter()
            .map(|it| NamespaceSample {
                inum: it.inum,
                name: it.name.clone(),
                counters: it.counters.clone(),
                histograms: it
                    .histograms
                    .iter()
                    .map(|(id, one)| (*id, one.clone()))
                    .collect(),
                table: it.table,
                statistics: it.statistics.clone(),
                sysctls: it.sysctls.clone(),
                live_at_start: it.live_at_start,
                live: it.live,
                ports: Some(it.ports.clone()),
                strata: Some(it.strata.clone()),
            })
            .collect();
        Sample {
            at: self.at,
            namespaces,
            losses: self.losses,
        }
    }

    /// A recording of two samples: one at the start, and one after `seconds`.
    pub fn recording(&mut self, seconds: u64) -> Recording {
        self.at = Duration::from_secs(seconds);
        let sample = self.now();
        self.recorded(&[sample])
    }

    /// A complete recording of these samples.
    pub fn recorded(&self, samples: &[Sample]) -> Recording {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it.trk");
        let mut writer = Writer::create(&path, &self.description, Existing::Refuse).unwrap();
        let (last, before) = samples.split_last().unwrap();
        for sample in before {
            writer.write(sample).unwrap();
        }
        writer.finish(last).unwrap();
        Recording::open(&path).unwrap()
    }
}

impl Source for Synthetic {
    fn description(&self) -> &Description {
        &self.description
    }

    fn sample(&mut self) -> Result<Sample, SourceError> {
        self.at += self.step;
        Ok(self.now())
    }

    fn finish(&mut self) -> Result<Sample, SourceError> {
        self.sample()
    }
}
