//! `bench-day TRACKER`: makes a day's recording of 10 million connections, has it judged by `tracker recommend`, and
//! prints what that took, as one line of JSON.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde_json::{Value, json};
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

/// What the child processes of this one have taken.
fn taken() -> Result<Value> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let seconds =
        |it: TimeVal| Duration::from_micros(it.tv_sec() as u64 * 1_000_000 + it.tv_usec() as u64);
    let cpu = seconds(usage.user_time()) + seconds(usage.system_time());
    Ok(json!({ "cpu_s": cpu.as_secs_f64(), "peak_kib": usage.max_rss() }))
}

fn main() -> Result<()> {
    let tracker = std::env::args_os().nth(1);
    let tracker = tracker.context("usage: bench-day TRACKER")?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("day.trk");
    write(&path)?;
    let done = Command::new(tracker)
        .args(["recommend", "--policy", "host", "--format", "json"])
        .arg(&path)
        .output()
        .context("tracker cannot be run")?;
    if !done.status.success() {
        bail!("tracker: {}", String::from_utf8_lossy(&done.stderr));
    }
    // One that was refused would be cheap.
    let plan: Value = serde_json::from_slice(&done.stdout)?;
    let settings = plan["settings"].as_array().context("no settings")?;
    let is_lowered = |it: &&Value| it["action"] == "lower";
    let lowered = settings.iter().filter(is_lowered).count();
    if lowered == 0 {
        bail!("the plan lowers nothing: {plan}");
    }
    println!("{}", taken()?);
    Ok(())
}
