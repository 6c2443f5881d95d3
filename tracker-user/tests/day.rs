//! A day's recording of 10 million connections is judged in under a second and in 100 MB.
//!
//! It takes a release build to mean anything, and half a minute to make the recording:
//! `cargo test --release -p tracker-user --test day -- --ignored`.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use nix::sys::resource::{UsageWho, getrusage};
use tracker_common::{
    Proto, Reason, State, Timer,
    layout::{Counters, Histogram, HistogramId, Losses, PortKey},
};
use tracker_user::{
    recording::{Existing, RecordingError, Writer},
    source::{Description, NamespaceSample, Sample, Statistics, Stratum, Table},
};

const DAY: u64 = 86_400;
const CONNECTIONS: u64 = 10_000_000;
/// Timers that are busy, with their lengths in seconds.
const BUSY: [(Timer, State, u64); 5] = [
    (Timer::TcpTimeWait, State::TcpTimeWait, 120),
    (Timer::TcpEstablished, State::TcpEstablished, 432_000),
    (Timer::TcpUnacknowledged, State::TcpEstablished, 300),
    (Timer::Udp, State::UdpReplied, 30),
    (Timer::UdpStream, State::UdpStream, 120),
];

fn description() -> Description {
    Description {
        source: "ebpf".to_owned(),
        host: "gateway".to_owned(),
        machine: None,
        kernel: "6.12.57".to_owned(),
        started: 1_767_225_600,
        tick_ns: 4_000_000,
        scope: "all".to_owned(),
        hooks: Vec::new(),
        memory_bytes: 4 << 30,
        entry_bytes: 256,
        map_bytes: 20 << 20,
        collector_adapts: Some(true),
        remarks: Vec::new(),
    }
}

/// The intervals of a day as they are left when old ones were joined: a minute, ten seconds, one.
fn moments() -> impl Iterator<Item = u64> {
    let minutes = (60..=DAY - 7_200).step_by(60);
    let tens = (DAY - 7_190..=DAY - 600).step_by(10);
    minutes.chain(tens).chain(DAY - 599..=DAY)
}

/// Everything as it was after so much of the day.
struct Totals {
    counters: Box<Counters>,
    histograms: Vec<(HistogramId, Box<Histogram>)>,
    strata: Vec<Stratum>,
}

fn totals(at: u64) -> Totals {
    let mut counters = Box::new(Counters::ZERO);
    let share = |of: u64| of * at / DAY;
    counters.inserts[Proto::Tcp.id()] = share(CONNECTIONS);
    let mut histograms = BTreeMap::new();
    for (timer, state, length) in BUSY {
        let each = share(CONNECTIONS / BUSY.len() as u64);
        counters.connections[timer.id()] = each;
        counters.timer_expired[timer.id()] = each;
        counters.deaths[state.id()][Reason::Expired.id()] += each;
        for id in [HistogramId::Gap(timer), HistogramId::MaxGap(timer)] {
            let mut histogram = Box::new(Histogram::ZERO);
            // Gaps of every length up to a third of the timer's.
            let longest = length.min(3_600) * 1_000_000 / 3;
            for it in 0..200_u64 {
                let micros = longest * it / 200;
                let place = tracker_common::histogram::index(micros);
                histogram.buckets[place] = (each / 200) as u32;
                histogram.sum_us += micros * (each / 200);
            }
            histogram.max_us = longest;
            histograms.insert(id, histogram);
        }
    }
    let mut overdue = Box::new(Histogram::ZERO);
    for it in 0..60 {
        overdue.buckets[tracker_common::histogram::index(it * 500_000)] = share(100_000) as u32;
        overdue.sum_us += it * 500_000 * share(100_000);
    }
    histograms.insert(HistogramId::Overdue, overdue);
    let strata = (1..2_000_u16).map(|port| Stratum {
        port: PortKey {
            port,
            proto: Proto::Tcp.id() as u16,
        },
        timer: Timer::TcpEstablished,
        connections: share(1_000),
        max_gaps: vec![(800, share(3)), (820, share(1))],
    });
    Totals {
        counters,
        histograms: histograms.into_iter().collect(),
        strata: strata.collect(),
    }
}

fn write(path: &Path) -> Result<(), RecordingError> {
    let mut writer = Writer::create(path, &description(), Existing::Refuse)?;
    let moments: Vec<u64> = moments().collect();
    for (place, &at) in moments.iter().enumerate() {
        let Totals {
            counters,
            histograms,
            strata,
        } = totals(at);
        let live = counters.inserted() - counters.destroyed();
        let lengths =
            BUSY.map(|(timer, _, length)| (format!("nf_conntrack_{}", timer.name()), length));
        let last = place + 1 == moments.len();
        let sample = Sample {
            at: Duration::from_secs(at),
            namespaces: vec![NamespaceSample {
                inum: 4_026_531_840,
                name: "host".to_owned(),
                counters,
                histograms,
                table: Some(Table {
                    count: 20_000 + at % 977,
                    max: 262_144,
                    buckets: 262_144,
                }),
                statistics: Statistics::new(),
                sysctls: lengths.into(),
                live_at_start: 0,
                live,
                ports: None,
                strata: last.then_some(strata),
            }],
            losses: Losses { count: [0; 8] },
        };
        if last {
            return writer.finish(&sample);
        }
        writer.write(&sample)?;
    }
    Ok(())
}

#[test]
#[ignore = "a budget of a release build"]
fn a_day_of_10_million() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("day.trk");
    write(&path).unwrap();
    let begun = Instant::now();
    let done = Command::new(env!("CARGO_BIN_EXE_tracker"))
        .args(["recommend", "--format", "json"])
        .arg(&path)
        .output()
        .unwrap();
    let took = begun.elapsed();
    let peak_kib = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap().max_rss();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    println!(
        "{took:?}, {peak_kib} KiB, a file of {} bytes",
        path.metadata().unwrap().len()
    );
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(peak_kib < 100 * 1_024, "{peak_kib} KiB");
}
