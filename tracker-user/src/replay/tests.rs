//! Scenarios are played on paper, recorded, made into scenarios again, and played again.

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
fn what_cannot_be_played_is_refused_or_said() {
    let mut source = Synthetic::new();
    let nothing = scenario(&source.recording(60), &Wanted::default()).unwrap_err();
    assert!(matches!(nothing, ReplayError::Nothing), "{nothing}");
    source.host().insert(Proto::Gre, 3);
    source.host().insert(Proto::Udp, 500);
    source
        .host()
        .expire(State::UdpReplied, Timer::Udp, 500, 30.0);
    let recording = source.recording(9 * 3600);
    let replay = scenario(&recording, &Wanted::default()).unwrap();
    assert_eq!(replay.scale, 1.0);
    let said = replay.left_out.join("; ");
    assert_eq!(
        said,
        "3 entries of protocol gre; all but 2 h of 9 h, about the highest count"
    );
    let elsewhere = Wanted {
        namespace: Some("db".to_owned()),
        ..Wanted::default()
    };
    let error = scenario(&recording, &elsewhere).unwrap_err().to_string();
    assert!(error.contains("no namespace `db`, but host"), "{error}");
}

#[test]
fn more_than_can_be_played_in_minutes_is_scaled_down() {
    let mut source = Synthetic::new();
    source.host().insert(Proto::Udp, 50_000_000);
    source
        .host()
        .expire(State::UdpReplied, Timer::Udp, 50_000_000, 30.0);
    let replay = scenario(&source.recording(3600), &Wanted::default()).unwrap();
    // Of a play that is a third longer than the watch.
    assert!((0.006..0.008).contains(&replay.scale), "{}", replay.scale);
    Scenario::parse("replay", &replay.text).unwrap();
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
fn an_entry_older_than_the_watch_takes_no_time_from_those_within() {
    let text = |older| {
        let replay = scenario(&web(3_600, older, 0), &Wanted::default());
        replay.unwrap().text
    };
    // Its timer is five days.
    assert_eq!(text(0), text(1));
}

#[test]
fn under_a_timer_longer_than_the_watch_as_many_fall_silent_as_expire() {
    let scenario = scenario_of(&web(3_600, 50, 100));
    let hour = Duration::from_secs(3_600);
    let truth = played(&scenario, &Overrides::default(), hour);
    let closed = truth.tally.states[&State::TcpEstablished].moved_on as f64;
    assert!(is_near(closed, 900.0, 0.02), "{closed}");
}

#[test]
fn syns_older_than_a_short_watch_count_once() {
    let mut source = Synthetic::new();
    let host = source.host();
    host.insert(Proto::Tcp, 1_000);
    let established = State::TcpEstablished.id();
    host.counters.entered[established] = 900;
    host.counters.moved_on[established] = 900;
    lasted(host, State::TcpEstablished, 900, 2_000_000);
    host.live = 0;
    // They began before, and as many that began within will.
    host.counters.deaths[State::TcpSynSent.id()][Reason::Expired.id()] = 100;
    host.counters.timer_expired[Timer::TcpSynSent.id()] = 100;
    let minute = Duration::from_secs(60);
    let truth = played(
        &scenario_of(&source.recording(60)),
        &Overrides::default(),
        minute,
    );
    let opened = truth.tally.states[&State::TcpEstablished].entered as f64;
    assert!(is_near(opened, 900.0, 0.03), "{opened}");
}

#[test]
fn a_play_is_as_long_as_the_timers_that_change_need() {
    let recording = web(3_600, 50, 100);
    let of = |changes: Vec<(Timer, u64)>, duration: Option<u64>| {
        let wanted = Wanted {
            changes,
            duration: duration.map(Duration::from_secs),
            ..Wanted::default()
        };
        scenario(&recording, &wanted).unwrap()
    };
    let established = vec![(Timer::TcpEstablished, 7_440)];
    let short = of(established.clone(), None);
    // Nothing runs out in it, so the change is not part of the proof.
    assert!(short.duration <= LONGEST, "{:?}", short.duration);
    let said = "[proof.untested]\ntcp_timeout_established = \"it takes --duration 190h\"";
    assert!(short.text.contains(said), "{}", short.text);
    let long = of(established, Some(190 * 3_600));
    assert!(!long.text.contains("untested"), "{}", long.text);
    assert_eq!(
        of(vec![(Timer::Generic, 300)], None).duration,
        of(Vec::new(), None).duration
    );
    let hours = of(vec![(Timer::TcpTimeWait, 7_200)], None);
    assert!(hours.text.contains("warm_up = 7690"), "{}", hours.text);
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

#[test]
fn pauses_that_are_not_played_are_said() {
    let mut source = Synthetic::new();
    let host = source.host();
    host.insert(Proto::Tcp, 3_000);
    host.max_gap(Timer::TcpSynSent, 300, 70.0);
    host.max_gap(Timer::TcpSynSent, 2_700, 0.0);
    let established = State::TcpEstablished.id();
    host.counters.entered[established] = 3_000;
    host.counters.moved_on[established] = 3_000;
    host.expire(State::TcpTimeWait, Timer::TcpTimeWait, 3_000, 120.0);
    let wanted = Wanted {
        changes: vec![(Timer::TcpSynSent, 60)],
        ..Wanted::default()
    };
    let replay = scenario(&source.recording(1_800), &wanted).unwrap();
    let said = "tcp_timeout_syn_sent = \"pauses of more than 1 m are not played as they were: 0 ";
    assert!(replay.text.contains(said), "{}", replay.text);
}

#[test]
fn hostile_recordings_are_played_as_far_as_they_can_be() {
    // Port 0, and a few seconds.
    let mut source = Synthetic::new();
    let host = source.host();
    host.insert(Proto::Udp, 50);
    host.ports.push((
        key(Proto::Udp, 0),
        PortUse {
            inserts: 50,
            deaths: 0,
            entry_us: 0,
        },
    ));
    let wanted = Wanted {
        changes: vec![(Timer::Udp, 20)],
        ..Wanted::default()
    };
    let replay = scenario(&source.recording(5), &wanted).unwrap();
    let said = "port 0 of 50 entries, which are played to another";
    assert_eq!(replay.left_out, [said]);
    rehearsal::rehearse(&replay.text).unwrap();

    // Connections that were all there before, beside one flow.
    let mut source = Synthetic::new();
    let host = source.host();
    host.insert(Proto::Udp, 1);
    let idle = host.histogram(HistogramId::Idle(Timer::TcpEstablished));
    (0..40).for_each(|_| idle.add(20_000_000));
    let replay = scenario(&source.recording(600), &Wanted::default()).unwrap();
    assert!(replay.text.contains("burst = 40"), "{}", replay.text);

    // More than there are tuples for is said before anything is booted.
    let mut source = Synthetic::new();
    source.host().insert(Proto::Udp, 3_000_000_000);
    let wanted = Wanted {
        scale: Some(1.0),
        changes: vec![(Timer::Udp, 20)],
        ..Wanted::default()
    };
    let error = scenario(&source.recording(600), &wanted).unwrap_err();
    assert!(error.to_string().contains("cannot be played"), "{error}");
}

#[test]
fn who_had_said_nothing_for_long_when_the_watch_ended_has_fallen_silent() {
    let mut source = Synthetic::new();
    let host = source.host();
    // Longer than the watch, so that nothing expired in it.
    host.set(Timer::TcpEstablished, 2_000);
    host.insert(Proto::Tcp, 1_000);
    host.live = 0;
    let established = State::TcpEstablished.id();
    host.counters.entered[established] = 1_000;
    host.counters.moved_on[established] = 600;
    lasted(host, State::TcpEstablished, 600, 5_000_000);
    host.max_gap(Timer::TcpEstablished, 1_000, 20.0);
    let idle = host.histogram(HistogramId::Idle(Timer::TcpEstablished));
    (0..300).for_each(|_| idle.add(700_000_000));
    (0..100).for_each(|_| idle.add(10_000_000));
    let scenario = scenario_of(&source.recording(1_500));
    let truth = played(&scenario, &Overrides::default(), Duration::from_secs(5_000));
    let expired = truth.tally.timers[&Timer::TcpEstablished].expired as f64;
    // Who neither ends nor falls silent talks as long as the watch, and is silent then.
    assert!(is_near(expired, 400.0, 0.05), "{expired}");
    let early = played(&scenario, &Overrides::default(), Duration::from_secs(3_520));
    let expired = early.tally.timers[&Timer::TcpEstablished].expired as f64;
    assert!(is_near(expired, 300.0, 0.1), "{expired}");
}

#[test]
fn who_came_back_after_an_expiry_does_so_again() {
    let mut source = Synthetic::new();
    let host = source.host();
    host.insert(Proto::Udp, 3_000);
    host.expire(State::UdpReplied, Timer::Udp, 3_000, 30.0);
    let returned = host.histogram(HistogramId::Return(Timer::Udp));
    (0..300).for_each(|_| returned.add(45_000_000));
    let scenario = scenario_of(&source.recording(3_600));
    let mut traffic = scenario.traffic(1, &Overrides::default()).unwrap();
    let packets = traffic.by_ref().count();
    let cut: u64 = traffic.cuts().values().sum();
    assert!(is_near(cut as f64, 300.0, 0.05), "{cut} of {packets}");
    let hour = Duration::from_secs(3_600);
    let inserts = played(&scenario, &Overrides::default(), hour)
        .tally
        .insert_count();
    assert!(is_near(inserts as f64, 3_000.0, 0.03), "{inserts}");
}
