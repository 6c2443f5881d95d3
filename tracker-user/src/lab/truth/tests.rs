use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::lab::scenario::{BUILTIN, Overrides, Scenario, Timeouts};

fn truth() -> Truth {
    let about = About {
        scenario: "test".to_owned(),
        seed: 1,
        jiffy_s: 0.004,
    };
    let timeouts = Timeouts::default();
    Truth::new(about, |timer| timeouts.seconds(timer))
}

fn packet(connection: u32, effect: Effect) -> Packet {
    Packet {
        connection,
        side: Side::Client,
        tuple: Tuple {
            proto: Proto::Udp,
            client: Ipv4Addr::new(10, 64, 1, 0).into(),
            client_port: 1024,
            server: Ipv4Addr::new(10, 128, 1, 0).into(),
            server_port: 53,
        },
        body: Body::Udp { payload: 100 },
        effect,
    }
}

fn insert() -> Effect {
    Effect::Insert {
        state: State::UdpUnreplied,
        timer: Timer::Udp,
        pickup: false,
    }
}

fn refresh(state: State, timer: Timer) -> Effect {
    Effect::Refresh { state, timer }
}

fn spans(samples: &Samples) -> Vec<(u64, u64, u64)> {
    let spans = samples.iter();
    spans.map(|(span, n)| (span.low, span.high, n)).collect()
}

#[test]
fn an_entry_that_expires_goes_into_every_counter() {
    let mut truth = truth();
    truth.sent(&packet(0, insert()), 1000, 1000);
    truth.sent(
        &packet(0, refresh(State::UdpReplied, Timer::Udp)),
        1000,
        1000,
    );
    truth.sent(
        &packet(0, refresh(State::UdpReplied, Timer::Udp)),
        1250,
        1251,
    );
    truth.sent(
        &packet(0, refresh(State::UdpStream, Timer::UdpStream)),
        2000,
        2000,
    );
    assert!(truth.expires(31_990, 32_000) && !truth.expires(31_990, 31_999));
    assert_eq!(truth.report(31_999).live, 1);
    let report = truth.report(32_000);
    let tally = &report.tally;
    assert_eq!((report.live, report.spoiled, report.refused), (0, 0, 0));
    assert_eq!((tally.insert_count(), tally.death_count()), (1, 1));
    assert_eq!(tally.deaths[&(State::UdpStream, Reason::Expired)], 1);
    let udp = &tally.timers[&Timer::Udp];
    assert_eq!(spans(&udp.resumed), [(250, 251, 1), (749, 750, 1)]);
    assert_eq!(spans(&udp.longest), [(749, 750, 1)]);
    let stream = &tally.timers[&Timer::UdpStream];
    assert_eq!(
        (spans(&stream.longest), stream.expired),
        (vec![(0, 0, 1)], 1)
    );
    let replied = &tally.states[&State::UdpReplied];
    assert_eq!((replied.entered, replied.moved_on), (1, 1));
    assert_eq!(spans(&replied.residency), [(1000, 1000, 1)]);
    assert_eq!(spans(&tally.lifetime), [(31_000, 31_000, 1)]);
    assert_eq!(tally.ports[&(Proto::Udp, 53)].deaths, 1);
    assert_eq!(
        report.packets,
        Packets {
            client: 4,
            server: 0,
            bytes: 4 * 128
        }
    );
}

#[test]
fn a_flush_deletes_what_has_not_expired() {
    let mut truth = truth();
    truth.sent(&packet(0, insert()), 0, 0);
    truth.sent(&packet(1, insert()), 6000, 6000);
    truth.flushed(8000, 8001);
    let report = truth.report(8001);
    assert_eq!(
        report.tally.deaths[&(State::UdpUnreplied, Reason::Expired)],
        1
    );
    assert_eq!(
        report.tally.deaths[&(State::UdpUnreplied, Reason::Deleted)],
        1
    );
    assert_eq!(
        spans(&report.tally.lifetime),
        [(2000, 2001, 1), (7500, 7500, 1)]
    );
    assert_eq!((report.live, report.spoiled), (0, 0));
}

#[test]
fn a_death_may_bring_a_state_along() {
    let mut truth = truth();
    let syn = Effect::Insert {
        state: State::TcpSynSent,
        timer: Timer::TcpSynSent,
        pickup: false,
    };
    let reset = Effect::Kill {
        state: State::TcpClose,
        reason: Reason::ResetBeforeReply,
    };
    truth.sent(&packet(0, syn), 5, 5);
    truth.sent(&packet(0, reset), 10, 10);
    let tally = truth.report(10).tally;
    assert_eq!(tally.states[&State::TcpSynSent].moved_on, 1);
    assert_eq!(tally.states[&State::TcpClose].killed, 1);
    assert_eq!(
        tally.deaths[&(State::TcpClose, Reason::ResetBeforeReply)],
        1
    );
    assert!(!tally.timers.contains_key(&Timer::TcpClose));
}

#[test]
fn packets_that_come_too_late_are_told() {
    let mut truth = truth();
    truth.sent(&packet(0, insert()), 0, 0);
    truth.sent(
        &packet(0, refresh(State::UdpReplied, Timer::Udp)),
        7600,
        7600,
    );
    truth.sent(&packet(1, Effect::Nothing), 7600, 7600);
    truth.sent(&packet(2, insert()), 7600, 7600);
    truth.flushed(15_100, 15_100);
    let report = truth.report(15_100);
    assert_eq!((report.spoiled, report.refused), (1, 1));
}

#[test]
fn a_living_entry_counts_its_gaps_but_no_visit() {
    let mut truth = truth();
    truth.sent(&packet(0, insert()), 0, 0);
    let report = truth.report(100);
    assert_eq!(
        spans(&report.tally.timers[&Timer::Udp].longest),
        [(0, 0, 1)]
    );
    assert!(report.tally.states[&State::UdpUnreplied].residency.count() == 0);
    assert_eq!(truth.report(100), report);
}

/// Plays a scenario as if each packet passed at its time, and flushes the table at the end.
fn played(scenario: &Scenario, seed: u64) -> TruthFile {
    let about = About {
        scenario: scenario.name.clone(),
        seed,
        jiffy_s: 0.004,
    };
    let mut truth = Truth::new(about, |timer| scenario.timeouts.seconds(timer));
    let mut last = 0;
    for due in scenario.traffic(seed, &Overrides::default()).unwrap() {
        last = due.at.as_millis() as u64 / 4 + 75_000;
        truth.sent(&due.packet, last, last);
    }
    last += 1;
    while truth.expires(last, last) {
        last += 1;
    }
    truth.flushed(last, last);
    truth.report(last)
}

#[test]
fn the_truth_about_every_builtin_scenario_balances() {
    for builtin in BUILTIN {
        let scenario = Scenario::parse(builtin.name, builtin.text).unwrap();
        let truth = played(&scenario, 2);
        let tally = &truth.tally;
        let name = builtin.name;
        assert_eq!(truth.spoiled, 0, "{name}");
        assert_eq!(tally.insert_count(), tally.death_count(), "{name}");
        assert_eq!(tally.insert_count(), tally.lifetime.count(), "{name}");
        let mut born = 0;
        for (state, row) in &tally.states {
            let left = row.moved_on + row.expired + row.killed;
            assert_eq!(row.entered, left, "{name}: {state:?}");
            assert_eq!(row.residency.count(), left, "{name}: {state:?}");
            born += row.expired + row.killed;
        }
        assert_eq!(born, tally.death_count(), "{name}");
        let expired: u64 = tally.timers.values().map(|row| row.expired).sum();
        let by_reason = |reason| -> u64 {
            let deaths = tally.deaths.iter().filter(|((_, it), _)| *it == reason);
            deaths.map(|(_, count)| count).sum()
        };
        assert_eq!(expired, by_reason(Reason::Expired), "{name}");
        let ports: u64 = tally.ports.values().map(|row| row.deaths).sum();
        assert_eq!(ports, tally.death_count(), "{name}");
        for (timer, row) in &tally.timers {
            let length = scenario.timeouts.seconds(*timer) * 250;
            let longest = row.resumed.quantile(1.0).map_or(0, |span| span.high);
            assert!(longest < length, "{name}: {timer:?}");
        }
        assert_eq!(
            TruthFile::parse(&truth.json()).as_ref(),
            Ok(&truth),
            "{name}"
        );
    }
}

#[test]
fn little_is_kept_of_a_living_entry() {
    assert!(size_of::<Live>() + size_of::<u32>() + size_of::<Reverse<(u32, u32)>>() <= 64);
}

#[test]
fn a_truth_of_another_version_is_refused() {
    let text = truth().report(0).json();
    let other = text.replace("\"schema_version\":1", "\"schema_version\":2");
    assert_eq!(TruthFile::parse(&other), Err("its version is 2".to_owned()));
    assert!(
        TruthFile::parse("{}")
            .unwrap_err()
            .contains("missing field")
    );
}

proptest! {
    /// Whatever effects come in whatever order, entries are neither made nor lost.
    #[test]
    fn it_always_balances(
        packets in prop::collection::vec((0_u32..5, 0_u8..5, 0_u64..9000, 0_u64..3), 0..200),
    ) {
        let mut truth = truth();
        let mut now = 0;
        let mut last = 0;
        for (connection, effect, later, width) in packets {
            now += later;
            last = now + width;
            let effect = match effect {
                0 => insert(),
                1 => refresh(State::UdpReplied, Timer::Udp),
                2 => refresh(State::UdpStream, Timer::UdpStream),
                3 => Effect::Kill { state: State::UdpStream, reason: Reason::Deleted },
                _ => Effect::Nothing,
            };
            truth.sent(&packet(connection, effect), now, last);
            now = last;
        }
        let live = truth.report(last).live;
        let tally = truth.report(last).tally;
        prop_assert_eq!(tally.insert_count(), tally.death_count() + live);
        prop_assert_eq!(tally.lifetime.count(), tally.death_count());
        let visits: u64 = tally.states.values().map(|row| row.entered).sum();
        let ended: u64 = tally.states.values().map(|row| row.residency.count()).sum();
        prop_assert_eq!(visits, ended + live);
    }
}
