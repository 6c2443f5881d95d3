//! Whom a value would have cut: by port and by hour.

use std::time::Duration;

use tracker_common::{Loss, Proto, State, Timer, histogram::index, layout::PortKey};

use super::find;
use crate::{
    analysis::{advice::*, whatif::whatif},
    recording::synthetic::{Space, Synthetic},
    settings::{Assignment, Name},
    source::Stratum,
};

const DAY: u64 = 86_400;

/// A stratum of TCP in which so many connections paused for so many seconds, and all others not.
fn port(port: u16, connections: u64, paused: &[(u64, f64)]) -> Stratum {
    let mut max_gaps: Vec<(u16, u64)> = paused
        .iter()
        .map(|&(count, seconds)| (index((seconds * 1e6) as u64) as u16, count))
        .collect();
    max_gaps.sort_unstable();
    Stratum {
        port: PortKey {
            port,
            proto: Proto::Tcp.id() as u16,
        },
        timer: Timer::TcpEstablished,
        connections,
        max_gaps,
    }
}

/// A million connections that pause for a minute, and of some ports for longer.
fn database(strata: Vec<Stratum>) -> Synthetic {
    let mut source = Synthetic::new();
    let host = source.host();
    host.insert(Proto::Tcp, 1_000_000);
    host.max_gap(Timer::TcpEstablished, 1_000_000, 60.0);
    host.expire(
        State::TcpEstablished,
        Timer::TcpEstablished,
        5_000,
        432_000.0,
    );
    host.strata = strata;
    host.count(40_000);
    source
}

fn established(source: &mut Synthetic) -> Setting {
    let request = Request {
        policy: Policy::Host,
        ..Request::default()
    };
    let plan = plan(&[source.recording(DAY)], &request);
    find(&plan, "tcp_timeout_established").clone()
}

#[test]
fn a_port_that_pauses_decides_and_is_named() {
    let quiet = port(443, 990_000, &[]);
    let it = established(&mut database(vec![quiet.clone()]));
    assert_eq!((it.action, it.recommended), (Action::Lower, 600));
    assert_eq!(it.evidence.worst_stratum, None);
    let pool = port(5_432, 1_204, &[(37, 1_500.0)]);
    let it = established(&mut database(vec![quiet, pool]));
    // 25 m, a bucket's width, and a quarter of head-room.
    assert_eq!((it.action, it.recommended), (Action::Lower, 1_920));
    assert!(
        it.reason
            .ends_with("; port 5432: 37 of 1,204 connections paused longer than 10 m"),
        "{}",
        it.reason
    );
}

#[test]
fn a_small_port_blocks_only_with_what_was_seen() {
    let silent = (1..200).map(|it| port(it, 3, &[])).collect();
    assert_eq!(established(&mut database(silent)).recommended, 600);
    let one = vec![port(22, 3, &[(1, 7_000.0)])];
    assert_eq!(established(&mut database(one)).recommended, 9_000);
    // Where too few were seen for a bound, none may be cut; of very many one may.
    let some = vec![port(22, 20_000, &[(2, 7_000.0)])];
    assert_eq!(established(&mut database(some)).recommended, 9_000);
    let many = vec![port(22, 500_000, &[(1, 7_000.0)])];
    assert_eq!(established(&mut database(many)).recommended, 600);
}

#[test]
fn a_port_that_pauses_too_long_keeps_the_timer() {
    let mut source = database(vec![port(5_432, 50, &[(9, 86_000.0)])]);
    source.host().set(Timer::TcpEstablished, 90_000);
    let it = established(&mut source);
    assert_eq!(it.action, Action::Keep);
    assert_eq!(
        it.reason,
        "port 5432: 9 of 50 connections paused longer than 10 m"
    );
}

#[test]
fn the_worst_hour_counts() {
    // Ten hours of a quiet service, and one in which a batch makes long gaps.
    let mut source = Synthetic::new();
    let mut samples = Vec::new();
    for hour in 1..=10_u64 {
        source.at = Duration::from_secs(hour * 3_600);
        let host = source.host();
        host.insert(Proto::Udp, 100_000);
        host.expire(State::UdpStream, Timer::UdpStream, 100_000, 130.0);
        host.max_gap(Timer::UdpStream, 100_000, 10.0);
        if hour == 5 {
            host.max_gap(Timer::UdpStream, 60, 75.0);
        }
        host.count(9_000);
        samples.push(source.now());
    }
    let recording = source.recorded(&samples);
    let plan = plan(&[recording], &Request::default());
    let it = find(&plan, "udp_timeout_stream");
    // 60 of a million are few, but not 60 of the hundred thousand of one hour.
    assert_eq!((it.action, it.recommended), (Action::Lower, 80));
}

#[test]
fn a_small_port_that_is_named_does_not_hide_what_a_large_one_loses() {
    let small = port(9, 3, &[(3, 7_000.0)]);
    let large = port(5_432, 40_000, &[(400, 7_000.0)]);
    let recording = database(vec![small, large]).recording(DAY);
    let name = Name::Timer(Timer::TcpEstablished);
    let value = Assignment { name, value: 3_600 };
    let answer = whatif(&[recording], &[value], None);
    let harm = answer.settings[0].harm.as_ref().unwrap();
    assert_eq!(harm.worst_stratum.as_ref().unwrap().port, 9);
    assert!(
        (harm.harm_upper_95.unwrap() - 0.011).abs() < 2e-4,
        "{harm:?}"
    );
}

#[test]
fn a_port_is_one_in_all_recordings() {
    let one = || database(vec![port(5_432, 20_000, &[(1, 7_000.0)])]).recording(DAY);
    let name = Name::Timer(Timer::TcpEstablished);
    let value = Assignment { name, value: 3_600 };
    let answer = whatif(&[one(), one()], &[value], None);
    let worst = answer.settings[0]
        .harm
        .as_ref()
        .unwrap()
        .worst_stratum
        .clone()
        .unwrap();
    assert_eq!((worst.connections, worst.exceedances), (40_000, 2));
}

#[test]
fn where_ports_were_lost_none_that_paused_may_be_cut() {
    let busy = || {
        let mut source = database(vec![port(443, 900_000, &[])]);
        source.host().max_gap(Timer::TcpEstablished, 40, 1_800.0);
        source
    };
    assert_eq!(established(&mut busy()).recommended, 600);
    let mut lossy = busy();
    lossy.losses.count[Loss::StrataFull.id()] = 3;
    assert_eq!(established(&mut lossy).recommended, 2_280);
    lossy.host().set(Timer::TcpEstablished, 2_000);
    let it = established(&mut lossy);
    assert_eq!(
        it.reason,
        "the ports of 3 long gaps were lost, and 40 connections paused for more than 8 m"
    );
}

#[test]
fn the_worst_of_the_bad_hours_is_named() {
    let mut source = Synthetic::new();
    let mut samples = Vec::new();
    for hour in 1..=10_u64 {
        source.at = Duration::from_secs(hour * 3_600);
        let host = source.host();
        host.insert(Proto::Udp, 100_000);
        host.expire(State::UdpStream, Timer::UdpStream, 100_000, 130.0);
        host.max_gap(Timer::UdpStream, 100_000, 10.0);
        let longer = match hour {
            3 => 20,
            5 => 60,
            _ => 0,
        };
        host.max_gap(Timer::UdpStream, longer, 118.0);
        host.count(9_000);
        samples.push(source.now());
    }
    let plan = plan(&[source.recorded(&samples)], &Request::default());
    let it = find(&plan, "udp_timeout_stream");
    assert_eq!(
        it.reason,
        "between 4:00 and 5:00 UTC 60 gaps were resumed after more than 1 m 50 s, among 100,060 connections"
    );
}

#[test]
fn a_port_is_named_with_its_namespace_if_there_are_several() {
    let mut source = database(vec![port(5_432, 1_204, &[(37, 1_500.0)])]);
    source.namespaces.push(Space::new(9, "blue"));
    let it = established(&mut source);
    assert!(
        it.reason.contains("; port 5432 in host: 37 of"),
        "{}",
        it.reason
    );
}
