//! Scenarios are played on paper, recorded, made into scenarios again, and played again.

mod limits;
mod older;

use std::time::Duration;

use tracker_common::{
    Proto, Reason, State, Timer,
    histogram::index,
    layout::{HistogramId, PortKey, PortUse},
};

use super::*;
use crate::{
    lab::{
        packet::Witness,
        scenario::{Overrides, Rate, Scenario},
        truth::{About, Samples, Truth, TruthFile},
    },
    recording::synthetic::{Space, Synthetic},
    source::Stratum,
};

const JIFFY_US: u64 = 4_000;

/// What must be seen of a scenario within a time.
fn played(scenario: &Scenario, overrides: &Overrides, watch: Duration) -> TruthFile {
    let about = About {
        scenario: "test".to_owned(),
        seed: 1,
        jiffy_s: JIFFY_US as f64 / 1e6,
    };
    let mut truth = Truth::new(about, |timer| scenario.timeouts.seconds(timer));
    let jiffy = |at: Duration| 10_000 + at.as_micros() as u64 / JIFFY_US;
    let traffic = scenario.traffic(1, overrides).unwrap();
    for due in traffic.take_while(|due| due.at < watch) {
        let at = jiffy(due.at);
        truth.sent(&due.packet, at, at);
    }
    truth.report(jiffy(watch))
}

/// A recording of it.
fn recorded(scenario: &Scenario, truth: &TruthFile, watch: Duration) -> Recording {
    let mut source = Synthetic::new();
    let host = source.host();
    let tally = &truth.tally;
    for &timer in Timer::ALL {
        host.set(timer, scenario.timeouts.seconds(timer));
    }
    for (proto, inserts) in &tally.inserts {
        host.counters.inserts[proto.id()] = inserts.count;
        host.counters.pickups[proto.id()] = inserts.pickups;
    }
    for ((state, reason), count) in &tally.deaths {
        host.counters.deaths[state.id()][reason.id()] = *count;
    }
    let mut fill = |id, samples: &Samples| {
        for (span, count) in samples.iter() {
            (0..count).for_each(|_| host.histogram(id).add(span.low * JIFFY_US));
        }
    };
    for (state, seen) in &tally.states {
        fill(HistogramId::Residency(*state), &seen.residency);
    }
    for (timer, seen) in &tally.timers {
        fill(HistogramId::MaxGap(*timer), &seen.longest);
    }
    for (state, seen) in &tally.states {
        host.counters.entered[state.id()] = seen.entered;
        host.counters.moved_on[state.id()] = seen.moved_on;
        host.counters.expired[state.id()] = seen.expired;
        host.counters.killed[state.id()] = seen.killed;
    }
    for (timer, seen) in &tally.timers {
        host.counters.timer_expired[timer.id()] = seen.expired;
        host.counters.connections[timer.id()] = seen.longest.count();
    }
    for ((proto, port), seen) in &tally.ports {
        host.ports.push((
            key(*proto, *port),
            PortUse {
                inserts: seen.inserts,
                deaths: seen.deaths,
                entry_us: seen.presence.low * JIFFY_US,
            },
        ));
    }
    for ((proto, port, timer), longest) in &tally.strata {
        let long = longest
            .iter()
            .filter(|(span, _)| span.low * JIFFY_US >= Stratum::SHORTEST_US);
        host.strata.push(Stratum {
            port: key(*proto, *port),
            timer: *timer,
            connections: longest.count(),
            max_gaps: long
                .map(|(span, count)| (index(span.low * JIFFY_US) as u16, count))
                .collect(),
        });
    }
    host.live = truth.live;
    source.recording(watch.as_secs())
}

fn key(proto: Proto, port: u16) -> PortKey {
    PortKey {
        proto: proto.id() as u16,
        port,
    }
}

fn scenario_of(recording: &Recording) -> Scenario {
    let wanted = Wanted {
        scale: Some(1.0),
        duration: Some(recording.duration),
        ..Wanted::default()
    };
    let replay = scenario(recording, &wanted).unwrap();
    Scenario::parse("replay", &replay.text)
        .unwrap_or_else(|error| panic!("{error}\n{}", replay.text))
}

/// Two counts of the same thing differ by chance and a little more, but what there is does not vanish.
fn is_near(one: f64, other: f64, share: f64) -> bool {
    let chance = 4.0 * one.max(other).max(1.0).sqrt();
    let vanishes = one.min(other) == 0.0 && one.max(other) >= 10.0;
    !vanishes && (one - other).abs() <= chance + share * one.max(other)
}

/// Share of the entries under a timer that paused for longer.
fn paused(truth: &TruthFile, timer: Timer, seconds: u64) -> f64 {
    let Some(seen) = truth.tally.timers.get(&timer) else {
        return 0.0;
    };
    let longer = seen
        .longest
        .iter()
        .filter(|(span, _)| span.low * JIFFY_US > seconds * 1_000_000);
    longer.map(|(_, count)| count as f64).sum()
}

/// Web traffic of so many seconds, of which some connections were never answered; so many entries
/// that are older than the watch expired in it.
fn web(watch: u64, older: u64, still_there: u64) -> Recording {
    let mut source = Synthetic::new();
    let host = source.host();
    let established = State::TcpEstablished.id();
    host.insert(Proto::Tcp, 1_000);
    host.counters.entered[established] = 1_000;
    host.counters.moved_on[established] = 1_000 - still_there;
    lasted(host, State::TcpEstablished, 1_000 - still_there, 5_000_000);
    host.counters.deaths[established][Reason::Expired.id()] = older;
    host.counters.timer_expired[Timer::TcpEstablished.id()] = older;
    host.expire(State::TcpTimeWait, Timer::TcpTimeWait, 900, 120.0);
    host.live = 0;
    source.recording(watch)
}

fn lasted(host: &mut Space, state: State, visits: u64, micros: u64) {
    let residency = host.histogram(HistogramId::Residency(state));
    (0..visits).for_each(|_| residency.add(micros));
}

#[test]
fn a_scenario_made_of_a_recording_of_a_scenario_has_its_rates() {
    let mut differ = Vec::new();
    for (name, rate, watch) in [
        ("web-short", 6.0, 1800),
        ("web-keepalive", 4.0, 1800),
        ("dns", 12.0, 1800),
        ("quic", 2.0, 1800),
        ("mobile-vanish", 4.0, 1800),
        ("db-pool", 0.4, 14_400),
        ("half-close", 3.0, 1800),
        ("syn-flood", 20.0, 1800),
        ("port-scan", 10.0, 1800),
        ("health-check", 5.0, 1800),
    ] {
        let watch = Duration::from_secs(watch);
        let first = Scenario::find(name).unwrap();
        let overrides = Overrides {
            duration: Some(watch),
            rate: Some(Rate::PerSecond(rate)),
        };
        let before = played(&first, &overrides, watch);
        let second = scenario_of(&recorded(&first, &before, watch));
        let after = played(&second, &Overrides::default(), watch);
        differ.extend(differences(&before, &after).map(|it| format!("{name}: {it}")));
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
}

/// Where two runs differ by more than chance and 10 %: 3 % where connections are counted.
fn differences(before: &TruthFile, after: &TruthFile) -> impl Iterator<Item = String> {
    let (was, is) = (&before.tally, &after.tally);
    let inserts = was.inserts.iter().map(|(proto, seen)| {
        let again = is.inserts.get(proto).map_or(0, |it| it.count);
        (
            proto.name().to_owned(),
            seen.count as f64,
            again as f64,
            0.03,
        )
    });
    let deaths = was.deaths.iter().map(|((state, reason), count)| {
        let again = is.deaths.get(&(*state, *reason)).copied().unwrap_or(0);
        let name = format!("{} {}", state.name(), reason.name());
        (name, *count as f64, again as f64, 0.1)
    });
    let paused = [50, 100, 250].into_iter().flat_map(|seconds| {
        [Timer::TcpEstablished, Timer::UdpStream].map(|timer| {
            let name = format!("{} > {seconds} s", timer.name());
            let pauses = |truth| paused(truth, timer, seconds);
            (name, pauses(before), pauses(after), 0.1)
        })
    });
    let seconds = |truth: &TruthFile| truth.tally.lifetime.sum().low as f64 * 0.004;
    let lived = ("lived".to_owned(), seconds(before), seconds(after), 0.1);
    let live = (
        "live".to_owned(),
        before.live as f64,
        after.live as f64,
        0.1,
    );
    let all: Vec<_> = inserts
        .chain(deaths)
        .chain(paused)
        .chain([lived, live])
        .collect();
    all.into_iter()
        .filter(|(_, was, is, share)| !is_near(*was, *is, *share))
        .map(|(name, was, is, _)| format!("{name}: {was} {is}"))
}

#[test]
fn long_pauses_stay_with_their_ports() {
    let mut source = Synthetic::new();
    let host = source.host();
    for (port, inserts) in [(5432, 400), (443, 4_000)] {
        host.ports.push((
            key(Proto::Tcp, port),
            PortUse {
                inserts,
                deaths: inserts,
                entry_us: inserts * 1_500_000_000,
            },
        ));
        let pauses = if port == 5432 {
            vec![(900, 100)]
        } else {
            vec![]
        };
        host.strata.push(Stratum {
            port: key(Proto::Tcp, port),
            timer: Timer::TcpEstablished,
            connections: inserts,
            max_gaps: pauses
                .into_iter()
                .map(|(seconds, count)| (index(seconds * 1_000_000) as u16, count))
                .collect(),
        });
    }
    host.insert(Proto::Tcp, 4_400);
    host.counters.entered[State::TcpEstablished.id()] = 4_400;
    host.counters.moved_on[State::TcpEstablished.id()] = 4_400;
    host.histogram(HistogramId::Residency(State::TcpEstablished))
        .buckets[index(1_500_000_000)] = 4_400;
    host.expire(State::TcpTimeWait, Timer::TcpTimeWait, 4_400, 120.0);
    let recording = source.recording(7_200);
    let truth = played(
        &scenario_of(&recording),
        &Overrides::default(),
        Duration::from_secs(9_000),
    );
    let paused = paused(&truth, Timer::TcpEstablished, 800);
    assert!((60.0..140.0).contains(&paused), "{paused}");
}

#[test]
fn who_still_closes_at_the_end_has_not_talked_for_longer() {
    let mut source = Synthetic::new();
    let host = source.host();
    host.ports.push((
        key(Proto::Tcp, 80),
        PortUse {
            inserts: 1_000,
            deaths: 600,
            entry_us: 600 * 120_004_000,
        },
    ));
    host.insert(Proto::Tcp, 1_000);
    for state in [State::TcpEstablished, State::TcpTimeWait] {
        host.counters.entered[state.id()] = 1_000;
    }
    host.counters.moved_on[State::TcpEstablished.id()] = 1_000;
    host.histogram(HistogramId::Residency(State::TcpEstablished))
        .buckets[index(4_000)] = 1_000;
    host.histogram(HistogramId::Residency(State::TcpTimeWait))
        .buckets[index(120_000_000)] = 600;
    host.expire(State::TcpTimeWait, Timer::TcpTimeWait, 600, 120.0);
    let truth = played(
        &scenario_of(&source.recording(300)),
        &Overrides::default(),
        Duration::from_secs(600),
    );
    let talked = &truth.tally.states[&State::TcpEstablished].residency;
    let mean = talked.sum().low as f64 * 0.004 / talked.count() as f64;
    assert!(mean < 2.0, "{mean} s");
}

#[test]
fn pauses_of_young_flows_are_played() {
    let mut source = Synthetic::new();
    let host = source.host();
    host.insert(Proto::Udp, 3_000);
    // Asked again after five seconds, and answered then.
    host.max_gap(Timer::Udp, 150, 5.0);
    host.max_gap(Timer::Udp, 2_850, 0.0);
    let unreplied = State::UdpUnreplied.id();
    host.counters.entered[unreplied] = 3_000;
    host.counters.moved_on[unreplied] = 3_000;
    lasted(host, State::UdpUnreplied, 150, 5_000_000);
    lasted(host, State::UdpUnreplied, 2_850, 2_000);
    host.expire(State::UdpReplied, Timer::Udp, 3_000, 30.0);
    let recording = source.recording(1_800);
    let scenario_for = |seconds| {
        let wanted = Wanted {
            scale: Some(1.0),
            changes: vec![(Timer::Udp, seconds)],
            ..Wanted::default()
        };
        scenario(&recording, &wanted).unwrap()
    };
    let replay = scenario_for(3);
    assert!(!replay.text.contains("untested"), "{}", replay.text);
    let truth = rehearsal::rehearse(&replay.text).unwrap();
    let share = paused(&truth, Timer::Udp, 3) / truth.tally.insert_count() as f64;
    assert!((0.03..0.07).contains(&share), "{share}");
    assert!(!scenario_for(10).text.contains("untested"));
}
