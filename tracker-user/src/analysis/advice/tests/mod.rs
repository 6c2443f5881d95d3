//! Advice on made-up traffic.

mod bound;
mod file;
mod harm;
mod properties;
mod raise;
mod replayed;
mod sample;
mod table;

use tracker_common::{Loss, Proto, State, Timer};

use super::*;
use crate::{
    analysis::whatif::whatif,
    recording::synthetic::{Space, Synthetic},
    settings::{Assignment, Name},
};

/// A busy quarter of an hour: short connections that all end in TIME_WAIT.
fn short_connections(n: u64) -> Synthetic {
    let mut source = Synthetic::new();
    let host = source.host();
    host.insert(Proto::Tcp, n);
    host.expire(State::TcpTimeWait, Timer::TcpTimeWait, n, 120.0);
    host.max_gap(Timer::TcpTimeWait, n - 10, 0.0);
    host.max_gap(Timer::TcpTimeWait, 10, 0.3);
    host.max_gap(Timer::TcpEstablished, n, 45.0);
    host.count(n / 7);
    source
}

/// What is advised after watching this traffic for so long.
fn advised(source: &mut Synthetic, seconds: u64) -> Plan {
    plan(&[source.recording(seconds)], &Request::default())
}

fn find<'a>(plan: &'a Plan, name: &str) -> &'a Setting {
    let full = format!("net.netfilter.nf_conntrack_{name}");
    plan.settings
        .iter()
        .find(|it| it.name == full)
        .unwrap_or_else(|| panic!("{name}"))
}

fn asked(policy: Policy) -> Request {
    Request {
        policy,
        ..Request::default()
    }
}

#[test]
fn time_wait_is_the_largest_safe_saving() {
    let plan = advised(&mut short_connections(90_000), 900);
    let first = &plan.settings[0];
    assert_eq!(
        first.name,
        "net.netfilter.nf_conntrack_tcp_timeout_time_wait"
    );
    assert_eq!(
        (first.current, first.recommended, first.action),
        (120, 60, Action::Lower)
    );
    // 100 expiries a second, 60 s less each.
    assert_eq!(first.entries_saved, 6_000);
    assert_eq!(
        (first.evidence.connections, first.evidence.exceedances),
        (90_000, 0)
    );
    assert!(first.evidence.harm_upper_95.unwrap() < 3.4e-5);
    assert_eq!(
        first.reason,
        "0 of 90,000 connections resumed after more than 1 m: harm at most 3.3e-5"
    );
    // The collector comes a little more often.
    let expected = 90_000.0 / 7.0 - 6_000.0;
    assert!((plan.predicted.count_mean - expected).abs() < 5.0);
}

#[test]
fn established_is_held_where_the_watch_is_too_short() {
    let plan = advised(&mut short_connections(90_000), 900);
    let it = find(&plan, "tcp_timeout_established");
    assert_eq!(it.action, Action::Keep);
    assert_eq!(
        it.reason,
        "the watch lasted 15 m: it takes 6 h 12 m to justify 2 h 4 m"
    );
}

#[test]
fn established_is_lowered_to_the_standard_by_a_long_watch_with_expiries() {
    let mut source = Synthetic::new();
    let host = source.host();
    host.insert(Proto::Tcp, 300_000);
    host.max_gap(Timer::TcpEstablished, 300_000, 900.0);
    host.expire(
        State::TcpEstablished,
        Timer::TcpEstablished,
        1_000,
        432_000.0,
    );
    host.count(20_000);
    let plan = advised(&mut source, 86_400);
    let it = find(&plan, "tcp_timeout_established");
    assert_eq!((it.action, it.recommended), (Action::Lower, 7_440));
    assert_eq!(
        it.entries_saved,
        (1_000.0 / 86_400.0 * (432_000.0 - 7_440.0_f64)).round() as i64
    );
}

#[test]
fn established_without_expiries_says_what_a_longer_watch_would_show() {
    let plan = advised(&mut short_connections(90_000), 80_000);
    let it = find(&plan, "tcp_timeout_established");
    assert_eq!(it.action, Action::Keep);
    assert!(
        it.reason.contains("only a watch longer than 5 d shows"),
        "{}",
        it.reason
    );
}

#[test]
fn too_few_connections_keep_a_timer_and_say_how_many_it_takes() {
    let plan = advised(&mut short_connections(212), 900);
    let it = find(&plan, "tcp_timeout_time_wait");
    assert_eq!(it.action, Action::Keep);
    assert_eq!(
        it.reason,
        "only 212 connections seen: 30,000 needed for 1e-4"
    );
    assert_eq!(
        find(&plan, "udp_timeout").reason,
        "no connection was seen under it"
    );
}

#[test]
fn a_timer_stays_above_the_gaps_that_were_resumed() {
    let mut source = Synthetic::new();
    let host = source.host();
    host.insert(Proto::Udp, 100_000);
    host.max_gap(Timer::UdpStream, 99_000, 5.0);
    host.max_gap(Timer::UdpStream, 1_000, 70.0);
    host.expire(State::UdpStream, Timer::UdpStream, 90_000, 130.0);
    host.count(9_000);
    let recording = source.recording(3_600);
    let it = plan(std::slice::from_ref(&recording), &Request::default());
    let it = find(&it, "udp_timeout_stream");
    assert_eq!(
        (it.action, it.recommended),
        (Action::Lower, 90),
        "{}",
        it.reason
    );
    // Whoever accepts that 2 % are cut gets the floor.
    let it = plan(
        &[recording],
        &Request {
            max_harm: 0.02,
            ..Request::default()
        },
    );
    assert_eq!(find(&it, "udp_timeout_stream").recommended, 60);
}

#[test]
fn the_policy_rfc_raises_what_is_below_it_and_lowers_nothing_under_it() {
    let recording = short_connections(90_000).recording(900);
    let plan = plan(&[recording], &asked(Policy::Rfc));
    let udp = find(&plan, "udp_timeout");
    assert_eq!((udp.action, udp.recommended), (Action::Raise, 120));
    assert!(udp.reason.contains("RFC 4787"));
    let it = find(&plan, "tcp_timeout_time_wait");
    assert_eq!((it.action, it.recommended), (Action::Keep, 120));
    assert_eq!(find(&plan, "tcp_timeout_close").action, Action::Keep);
}

#[test]
fn losses_and_a_killed_watch_keep_everything() {
    let mut source = short_connections(90_000);
    source.losses.count[Loss::ProbeMissed.id()] = 5;
    let lossy = source.recording(900);
    let mut killed = short_connections(90_000).recording(900);
    killed.complete = false;
    for recording in [lossy, killed] {
        for policy in [Policy::Rfc, Policy::Balanced, Policy::Host] {
            let plan = plan(std::slice::from_ref(&recording), &asked(policy));
            assert!(plan.settings.iter().all(|it| it.action == Action::Keep));
            assert!(
                plan.settings
                    .iter()
                    .all(|it| it.reason.starts_with("the recording"))
            );
            assert!(!plan.warnings.is_empty());
        }
    }
}

#[test]
fn what_went_unseen_counts_as_harmed() {
    let mut source = short_connections(90_000);
    source.host().live += 40;
    let plan = advised(&mut source, 900);
    assert!(plan.warnings.contains(&Warning::Unbalanced(-40)));
    let it = find(&plan, "tcp_timeout_time_wait");
    assert_eq!(it.action, Action::Keep);
    assert!(it.evidence.harm_upper_95.unwrap() > 40.0 / 90_000.0);
}

#[test]
fn a_timer_that_changed_or_differs_is_said_so() {
    let mut source = short_connections(90_000);
    let first = source.now();
    source.at = std::time::Duration::from_secs(900);
    source.host().set(Timer::TcpTimeWait, 90);
    let recording = source.recorded(&[first, source.now()]);
    let mixed = "changed during the watch";
    let it = plan(std::slice::from_ref(&recording), &Request::default());
    assert!(find(&it, "tcp_timeout_time_wait").reason.contains(mixed));
    let name = Name::Timer(Timer::TcpTimeWait);
    let answer = whatif(&[recording], &[Assignment { name, value: 60 }], None);
    let tried = &answer.settings[0];
    assert!(tried.remark.as_ref().unwrap().contains(mixed));
    assert!(tried.harm.is_some());

    let mut source = short_connections(90_000);
    source.namespaces.push(Space::new(9, "blue"));
    source.namespaces[1].set(Timer::TcpTimeWait, 30);
    let it = advised(&mut source, 900);
    assert_eq!(find(&it, "tcp_timeout_time_wait").current, 120);
    assert!(it.warnings.contains(&Warning::SeveralNamespaces(2)));
    assert!(
        it.warnings
            .contains(&Warning::Differing(vec!["tcp_timeout_time_wait"]))
    );
}

#[test]
fn nothing_seen_changes_nothing() {
    let empty = Synthetic::new().recording(0);
    for recordings in [vec![], vec![empty]] {
        let plan = plan(&recordings, &Request::default());
        assert!(plan.settings.iter().all(|it| it.action == Action::Keep));
        assert_eq!(plan.predicted.count_peak, 0);
    }
}

#[test]
fn the_json_has_the_shape_that_others_rely_on() {
    let plan = advised(&mut short_connections(90_000), 900);
    let json = serde_json::to_value(&plan).unwrap();
    assert_eq!(json["schema_version"], 2);
    assert_eq!(json["policy"], "balanced");
    assert_eq!(json["observed"]["inserts"], 90_000);
    let first = &json["settings"][0];
    assert_eq!(first["action"], "lower");
    for name in ["connections", "exceedances", "harm_upper_95", "max_gap_s"] {
        assert!(first["evidence"][name].is_number(), "{name}");
    }
    for name in ["max", "buckets", "memory_bytes", "current_max"] {
        assert!(json["table"][name].is_number(), "{name}");
    }
    assert!(json["predicted"]["count_mean"].is_number());
    assert!(json["warnings"][0].is_string());
}

/// Numbers from 0 to 1 that are the same in every run (splitmix64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
