//! What raises a timer, and what does not.

use tracker_common::{Proto, State, Timer, grave, layout::HistogramId};

use super::{Random, advised, asked, find};
use crate::{
    analysis::advice::*,
    recording::synthetic::{Space, Synthetic},
};

/// So many connections under a timer with this longest gap, and so many that it let expire.
fn watched(timer: Timer, connections: u64, gap: f64, expired: u64) -> Synthetic {
    let mut source = Synthetic::new();
    let host = source.host();
    host.insert(Proto::Tcp, connections);
    host.max_gap(timer, connections, gap);
    host.expire(State::UdpReplied, timer, expired, 35.0);
    source
}

fn comes_back(source: &mut Synthetic, timer: Timer, after: f64) {
    let micros = (after * 1e6) as u64;
    source
        .host()
        .histogram(HistogramId::Return(timer))
        .add(micros);
}

#[test]
fn connections_that_came_back_raise_the_timer() {
    let mut source = watched(Timer::Udp, 5_000, 2.0, 3_000);
    for _ in 0..400 {
        comes_back(&mut source, Timer::Udp, 58.0);
    }
    let plan = advised(&mut source, 600);
    let it = find(&plan, "udp_timeout");
    assert_eq!((it.action, it.recommended), (Action::Raise, 80));
    assert_eq!(
        it.reason,
        "400 of 3,000 that expired came back after up to 58 s: it cuts living ones; \
         between 5.0 % and 38 % of all gaps are longer than it"
    );
    // 8,000 gaps, of which 5,000 were resumed; and of the others so many came back.
    let told = it.evidence.outlasting.unwrap();
    assert_eq!((told.expired, told.returned), (3_000, 400));
    assert!((told.least - 400.0 / 8_000.0).abs() < 1e-9, "{told:?}");
    assert!((told.most - 3_000.0 / 8_000.0).abs() < 1e-9, "{told:?}");
    assert!((plan.guard.returns_per_s - 400.0 / 600.0).abs() < 1e-9);
    let json = serde_json::to_value(it).unwrap();
    assert_eq!(json["evidence"]["outlasting"]["returned"], 400);
}

#[test]
fn ports_that_are_given_again_raise_no_timer() {
    // A resolver's clients ask from one of so many ports, so that each question meets an expired one's port
    // sooner or later, unless newer graves have taken the place of its own.
    let raised = |seed, rate, watch, reuse| reused(seed, rate, watch, reuse, 0.0);
    // One of a hundred is what chance may do.
    let few = (0..100).filter(|&seed| raised(seed, 9.0, 900.0, 3_000.0) != Action::Keep);
    assert!(few.count() <= 3);
    for (rate, watch) in [(10.0, 86_400.0), (200.0, 900.0), (300.0, 3_600.0)] {
        for (seed, reuse) in [(1, 300.0), (2, 3_000.0), (3, 30_000.0)] {
            let action = raised(seed, rate, watch, reuse);
            assert_ne!(action, Action::Raise, "{rate} {watch} {reuse}");
        }
    }
}

#[test]
fn connections_that_pause_are_told_from_ports_that_are_given_again() {
    for (rate, watch) in [(10.0, 86_400.0), (200.0, 900.0), (300.0, 3_600.0)] {
        for (seed, reuse) in [(2, 3_000.0), (3, 30_000.0)] {
            let action = reused(seed, rate, watch, reuse, 0.02);
            assert_eq!(action, Action::Raise, "{rate} {watch} {reuse}");
        }
    }
}

/// What becomes of udp_timeout where so many expire a second in so long a watch, a share of which goes on within a
/// minute, and the ports of the others are given again after so long on average.
fn reused(seed: u64, rate: f64, watch: f64, reuse: f64, cut: f64) -> Action {
    let mut random = Random(seed);
    let expired = (rate * watch) as u64;
    let mut source = watched(Timer::Udp, expired, 2.0, expired);
    for _ in 0..expired {
        let last = watch * random.next();
        let age = if random.next() < cut {
            60.0 * random.next()
        } else {
            -reuse * random.next().ln()
        };
        let lies = -(grave::GRAVES as f64) / rate * random.next().ln();
        if age < lies && last + 30.0 + age < watch {
            comes_back(&mut source, Timer::Udp, 30.0 + age);
        }
    }
    let plan = advised(&mut source, watch as u64);
    find(&plan, "udp_timeout").action
}

#[test]
fn who_is_picked_up_in_the_middle_is_no_chance_however_short_the_watch() {
    let mut source = watched(Timer::TcpEstablished, 10_000, 20.0, 100);
    source.host().set(Timer::TcpEstablished, 600);
    source.host().counters.pickups[Proto::Tcp.id()] = 40;
    for nth in 0..40 {
        comes_back(
            &mut source,
            Timer::TcpEstablished,
            700.0 + f64::from(nth) * 5.0,
        );
    }
    let recording = source.recording(3_600);
    let it = plan(std::slice::from_ref(&recording), &asked(Policy::Host));
    let it = find(&it, "tcp_timeout_established");
    // 895 s and a quarter: no guess where the true gaps are known.
    assert_eq!((it.action, it.recommended), (Action::Raise, 1_140));
    assert!(
        it.reason
            .starts_with("40 of 100 that expired came back after up to 14 m 55 s")
    );
    let it = plan(&[recording], &asked(Policy::Balanced));
    let it = find(&it, "tcp_timeout_established");
    assert_eq!((it.action, it.recommended), (Action::Raise, 1_140));
}

#[test]
fn returning_connections_raise_established_and_stray_acks_do_not() {
    let returning = |expired, pickups| {
        let mut source = watched(Timer::TcpEstablished, 10_000, 20.0, expired);
        let host = source.host();
        host.set(Timer::TcpEstablished, 600);
        host.counters.pickups[Proto::Tcp.id()] = pickups;
        let plan = plan(&[source.recording(3_600)], &asked(Policy::Host));
        let it = find(&plan, "tcp_timeout_established");
        (it.action, it.recommended)
    };
    assert_eq!(returning(100, 90), (Action::Raise, 1_200));
    assert_eq!(returning(100, 5_000), (Action::Keep, 600));
}

#[test]
fn gaps_that_crowd_a_timer_raise_it_where_nobody_can_see_more() {
    let mut source = watched(Timer::Icmp, 5_000, 29.0, 3_000);
    let plan = advised(&mut source, 600);
    let it = find(&plan, "icmp_timeout");
    assert_eq!((it.action, it.recommended), (Action::Raise, 45));
    assert_eq!(it.entries_saved, -75);
    assert_eq!(
        it.reason,
        "5,000 connections resumed after up to 29 s, close to its end, and 3,000 expired, \
         of which some may have paused for longer"
    );
    // Nothing expired, so nothing was cut.
    let plan = advised(&mut watched(Timer::Icmp, 5_000, 29.0, 0), 600);
    assert_eq!(find(&plan, "icmp_timeout").action, Action::Keep);
}

#[test]
fn gaps_that_crowd_a_timer_do_not_raise_it_if_nobody_came_back() {
    // Messages every 25 s, among questions that end.
    for expired in [0, 3_000] {
        let plan = advised(&mut watched(Timer::Udp, 5_000, 25.0, expired), 600);
        let it = find(&plan, "udp_timeout");
        assert_eq!(it.action, Action::Keep, "{}", it.reason);
    }
}

#[test]
fn the_policy_rfc_asks_for_no_less_because_less_was_seen() {
    let mut crowded = watched(Timer::Icmp, 5_000, 29.0, 3_000);
    let it = plan(&[crowded.recording(600)], &asked(Policy::Rfc));
    let it = find(&it, "icmp_timeout");
    assert_eq!((it.action, it.recommended), (Action::Raise, 60));
    assert!(it.reason.contains("RFC 5508"), "{}", it.reason);
    let mut returning = watched(Timer::Udp, 5_000, 2.0, 3_000);
    for _ in 0..400 {
        comes_back(&mut returning, Timer::Udp, 58.0);
    }
    let it = plan(&[returning.recording(600)], &asked(Policy::Rfc));
    let it = find(&it, "udp_timeout");
    assert_eq!((it.action, it.recommended), (Action::Raise, 120));
    // What returns ask for beyond the standard is more.
    let mut returning = watched(Timer::TcpCloseWait, 50_000, 2.0, 3_000);
    returning.host().set(Timer::TcpCloseWait, 230);
    for _ in 0..400 {
        comes_back(&mut returning, Timer::TcpCloseWait, 400.0);
    }
    let it = plan(&[returning.recording(900)], &asked(Policy::Rfc));
    let it = find(&it, "tcp_timeout_close_wait");
    assert_eq!((it.action, it.recommended), (Action::Raise, 460));
}

#[test]
fn where_nobody_is_picked_up_it_is_said_that_cuts_are_not_seen() {
    let warned = |loose, proto| {
        let mut source = watched(Timer::TcpEstablished, 0, 0.0, 0);
        source.host().insert(proto, 100);
        let name = "nf_conntrack_tcp_loose".to_owned();
        source.host().sysctls.insert(name, loose);
        let plan = advised(&mut source, 900);
        plan.warnings.contains(&Warning::NoPickups)
    };
    assert!(warned(0, Proto::Tcp));
    assert!(!warned(1, Proto::Tcp));
    assert!(!warned(0, Proto::Udp));
    let mut strict = watched(Timer::TcpCloseWait, 5_000, 2.0, 100);
    let name = "nf_conntrack_tcp_loose".to_owned();
    strict.host().sysctls.insert(name, 0);
    let plan = advised(&mut strict, 900);
    // Nobody came back, and nobody could.
    assert_eq!(
        find(&plan, "tcp_timeout_close_wait").evidence.outlasting,
        None
    );
    // There gaps near the end are all that can be known.
    let mut source = watched(Timer::TcpCloseWait, 5_000, 59.0, 3_000);
    let name = "nf_conntrack_tcp_loose".to_owned();
    source.host().sysctls.insert(name, 0);
    let it = advised(&mut source, 900);
    assert_eq!(find(&it, "tcp_timeout_close_wait").recommended, 90);
}

#[test]
fn gaps_under_a_longer_timer_elsewhere_crowd_no_shorter_one() {
    let mut source = watched(Timer::Icmp, 50_000, 2.0, 3_000);
    source.namespaces.push(Space::new(9, "blue"));
    let blue = &mut source.namespaces[1];
    blue.set(Timer::Icmp, 300);
    blue.insert(Proto::Icmp, 5_000);
    blue.max_gap(Timer::Icmp, 5_000, 200.0);
    blue.expire(State::Icmp, Timer::Icmp, 100, 300.0);
    let plan = advised(&mut source, 3_600);
    let it = find(&plan, "icmp_timeout");
    assert_eq!((it.current, it.action), (30, Action::Keep), "{}", it.reason);
}
