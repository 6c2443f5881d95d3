use tracker_common::Proto;

use super::*;
use crate::recording::synthetic::{Space, Synthetic};

/// What an entry does: refreshed at these times, and then expired or idle.
struct Life {
    refreshes: Vec<f64>,
}

const TIMEOUT: f64 = 120.0;
/// As [`Synthetic`] has it.
const OVERDUE: f64 = 0.5;
const WATCH: u64 = 900;
const STEP: u64 = 30;

fn lives() -> Vec<Life> {
    // From a few at a time to many in the middle.
    let born = (0..600_i32)
        .map(|it| 450.0 + f64::from(it - 300) * (0.3 + f64::from((it - 300).abs()) / 300.0));
    born.enumerate()
        .map(|(place, born)| {
            let gap = 2.0 + (place * 37 % 100) as f64;
            let refreshes = (0..place % 4).map(|it| born + gap * it as f64);
            Life {
                refreshes: std::iter::once(born).chain(refreshes.skip(1)).collect(),
            }
        })
        .filter(|it| it.refreshes[0] >= 0.0)
        .collect()
}

fn recorded(lives: &[Life]) -> Recording {
    let mut source = Synthetic::new();
    source.namespaces.push(Space::new(7, "blue"));
    let mut samples = Vec::new();
    for end in (STEP..=WATCH).step_by(STEP as usize) {
        let is_now = |time: f64| (end - STEP) as f64 <= time && time < end as f64;
        for (place, life) in lives.iter().enumerate() {
            let space = &mut source.namespaces[place % 2];
            for pair in life.refreshes.windows(2).filter(|it| is_now(it[1])) {
                space.gap(Timer::UdpStream, pair[1] - pair[0]);
            }
            let last = life.refreshes[life.refreshes.len() - 1];
            if is_now(last + TIMEOUT + OVERDUE) {
                space.insert(Proto::Udp, 1);
                space.expire(State::UdpStream, Timer::UdpStream, 1, TIMEOUT);
            }
            if end == WATCH && last < WATCH as f64 && last + TIMEOUT + OVERDUE >= WATCH as f64 {
                let idle = (WATCH as f64 - last) * 1e6;
                space
                    .histogram(HistogramId::Idle(Timer::UdpStream))
                    .add(idle as u64);
            }
        }
        source.at = Duration::from_secs(end);
        samples.push(source.now());
    }
    source.recorded(&samples)
}

#[test]
fn entries_by_timer_are_those_that_are_there() {
    let lives = lives();
    let there = |time: f64| {
        let is_there = |it: &&Life| {
            let last = it.refreshes[it.refreshes.len() - 1];
            // What is refreshed after the watch has no gap in it.
            let known = it.refreshes.iter().all(|&at| at < WATCH as f64);
            known && it.refreshes[0] <= time && time < last + TIMEOUT + OVERDUE
        };
        lives.iter().filter(is_there).count() as f64
    };
    let seconds: Vec<f64> = (0..WATCH).map(|it| there(it as f64 + 0.5)).collect();
    let mean = seconds.iter().sum::<f64>() / WATCH as f64;
    let peak = seconds
        .chunks(STEP as usize)
        .map(|it| it.iter().sum::<f64>() / STEP as f64);
    let peak = peak.fold(0.0, f64::max);
    let recording = recorded(&lives);
    let found = Occupancies::of(&recording).unwrap();
    let it = found.all[&Timer::UdpStream];
    assert!((it.mean / mean - 1.0).abs() < 0.02, "{it:?} {mean}");
    assert!((it.peak / peak - 1.0).abs() < 0.05, "{it:?} {peak}");
    assert_eq!(found.all.len(), 1);
    let halves = found.namespaces.iter().map(|it| it[&Timer::UdpStream].mean);
    assert!((halves.sum::<f64>() - it.mean).abs() < 1e-6);
    let twice = Occupancies::together(&[recording.clone(), recording]).unwrap();
    assert!((twice[&Timer::UdpStream].mean - it.mean).abs() < 1e-6);
}

#[test]
fn what_began_before_the_watch_counts_from_its_begin() {
    let mut source = Synthetic::new();
    let host = source.host();
    host.insert(Proto::Tcp, 10);
    host.expire(State::TcpEstablished, Timer::TcpEstablished, 10, 432_000.0);
    let recording = source.recording(60);
    let it = Occupancies::of(&recording).unwrap().all[&Timer::TcpEstablished];
    // They expired at any time of it.
    assert!((it.mean - 5.0).abs() < 0.1, "{it:?}");
    assert!(
        Occupancies::of(&Synthetic::new().recording(0))
            .unwrap()
            .all
            .is_empty()
    );
}
#[test]
fn the_last_wait_of_what_was_killed_is_what_remains_of_its_state() {
    const SECONDS: u64 = 1200;
    let mut source = Synthetic::new();
    let mut samples = Vec::new();
    // In each ten seconds ten begin, six of which expire and four are reopened after 50 s.
    for end in (10..=SECONDS).step_by(10) {
        let host = source.host();
        host.insert(Proto::Tcp, 10);
        let time_wait = State::TcpTimeWait;
        if end > 120 {
            host.expire(time_wait, Timer::TcpTimeWait, 6, 120.0);
        }
        if end > 50 {
            let residency = HistogramId::Residency(time_wait);
            for _ in 0..4 {
                host.histogram(residency).add(50_000_000);
            }
            host.die(time_wait, Reason::Reopened, 4);
        }
        source.at = Duration::from_secs(end);
        samples.push(source.now());
    }
    let recording = source.recorded(&samples);
    let it = Occupancies::of(&recording).unwrap().all[&Timer::TcpTimeWait];
    let steady = 0.6 * (120.0 + OVERDUE) + 0.4 * 50.0;
    assert!((it.peak / steady - 1.0).abs() < 0.02, "{it:?} {steady}");
}
