//! Which watches can tell of a value, and what they could not show.

use std::time::Duration;

use tracker_common::{Proto, State, Timer, layout::HistogramId};

use super::{asked, find, short_connections};
use crate::{
    analysis::{advice::*, whatif::whatif},
    recording::synthetic::{Space, Synthetic},
    settings::{Assignment, Name},
};

/// Connections of a web server that never pause, and some that vanished so long ago that they expire.
fn web(connections: u64, expired: u64) -> Synthetic {
    let mut source = Synthetic::new();
    let host = source.host();
    host.insert(Proto::Tcp, connections);
    host.max_gap(Timer::TcpEstablished, connections, 1.0);
    host.expire(
        State::TcpEstablished,
        Timer::TcpEstablished,
        expired,
        432_000.0,
    );
    host.count(1_000);
    source
}

fn established(recordings: &[Recording]) -> Setting {
    let plan = plan(recordings, &asked(Policy::Host));
    find(&plan, "tcp_timeout_established").clone()
}

#[test]
fn a_short_watch_tells_nothing_of_a_long_timer_beside_a_long_one() {
    let long = web(10, 5).recording(86_400);
    let short = web(300_000, 1_000).recording(600);
    let it = established(&[short, long]);
    assert_eq!(it.action, Action::Keep);
    assert_eq!(
        it.reason,
        "only 10 connections seen: 30,000 needed for 1e-4, in watches of 30 m or more"
    );
    let long = web(300_000, 1_000).recording(86_400);
    let short = web(300_000, 0).recording(600);
    let it = established(&[long, short]);
    assert_eq!((it.recommended, it.evidence.connections), (600, 300_000));
}

#[test]
fn who_was_idle_at_the_end_may_go_on_unless_such_ones_expire() {
    // A pool of 200 that was silent for 7 of 8 hours.
    let pool = |expired| {
        let mut source = web(300_000, expired);
        let host = source.host();
        host.insert(Proto::Tcp, 200);
        host.max_gap(Timer::TcpEstablished, 200, 0.0);
        for _ in 0..200 {
            host.histogram(HistogramId::Idle(Timer::TcpEstablished))
                .add(25_200_000_000);
        }
        host.count(1_000);
        source.recording(28_800)
    };
    let it = established(&[pool(5)]);
    assert_eq!(it.action, Action::Keep);
    assert_eq!(
        it.reason,
        "200 connections were idle for more than 10 m when the watch ended, and may go on; \
         the watch lasted 8 h: it takes 8 h 30 m to justify 2 h 50 m"
    );
    // 3 of 5,000 at most go on of those that are idle for so long.
    let it = established(&[pool(5_000)]);
    assert_eq!((it.action, it.recommended), (Action::Lower, 600));
    assert_eq!(it.evidence.idle, 200);
    assert!(it.evidence.harm_upper_95.unwrap() > 3.0 / 300_200.0);
    // Asked for the harm of a value, nothing is known of the 200 but that they may be harmed.
    let name = Name::Timer(Timer::TcpEstablished);
    let value = Assignment { name, value: 7_440 };
    let answer = whatif(&[pool(0)], &[value], None);
    let harm = answer.settings[0].harm.as_ref().unwrap();
    assert!(harm.harm_upper_95.unwrap() > 200.0 / 300_200.0);
}

#[test]
fn who_was_silent_all_through_the_watch_is_counted_by_the_table_alone() {
    // As the pool above, but older than the watch: nothing of it was ever looked at.
    let pool = |expired| {
        let mut source = web(300_000, expired);
        source.host().live_at_start = 400;
        source.host().live += 400;
        source.recording(28_800)
    };
    let it = established(&[pool(5)]);
    assert_eq!(it.action, Action::Keep);
    assert!(
        it.reason
            .starts_with("400 connections were idle for more than 10 m when the watch ended"),
        "{}",
        it.reason
    );
    let it = established(&[pool(5_000)]);
    assert_eq!((it.recommended, it.evidence.idle), (600, 400));
    assert!(
        it.reason.ends_with(
            "; 400 entries were idle for longer when the watch ended, taken to be like 5,000 others that ended, \
             of which 0 went on"
        ),
        "{}",
        it.reason
    );
    let warnings = plan(&[pool(299_700)], &asked(Policy::Host)).warnings;
    assert!(warnings.contains(&Warning::Silent(400)));
    // A shorter timer would have run out on them.
    let it = plan(&[pool(5)], &asked(Policy::Host));
    assert_eq!(find(&it, "udp_timeout_stream").evidence.idle, 0);
}

#[test]
fn an_hour_that_asks_for_more_asks_for_a_longer_watch() {
    let watched = |last: u64| {
        let mut source = Synthetic::new();
        let mut samples = Vec::new();
        for step in 1..=last {
            source.at = Duration::from_secs(step * 1_800);
            let host = source.host();
            host.insert(Proto::Tcp, 200_000);
            host.max_gap(Timer::TcpEstablished, 200_000, 1.0);
            if step == 3 {
                host.max_gap(Timer::TcpEstablished, 60, 3_100.0);
            }
            host.expire(
                State::TcpEstablished,
                Timer::TcpEstablished,
                5_000,
                432_000.0,
            );
            host.count(1_000);
            samples.push(source.now());
        }
        established(&[source.recorded(&samples)])
    };
    let it = watched(4);
    assert_eq!(it.action, Action::Keep, "{}", it.reason);
    assert!(
        it.reason
            .starts_with("between 1:00 and 2:00 UTC 60 gaps were resumed after more than"),
        "{}",
        it.reason
    );
    assert!(
        it.reason
            .ends_with("; the watch lasted 2 h: it takes 2 h 3 m to justify 41 m"),
        "{}",
        it.reason
    );
    assert_eq!(watched(6).recommended, 3_120);
}

#[test]
fn whatif_says_nothing_of_harm_that_the_watch_is_too_short_for() {
    let name = Name::Timer(Timer::TcpEstablished);
    let value = Assignment { name, value: 7_440 };
    let answer = whatif(&[web(300_000, 5).recording(8_000)], &[value], None);
    let it = &answer.settings[0];
    assert_eq!(it.harm, None);
    assert_eq!(
        it.remark.as_deref(),
        Some("the watch lasted 2 h 13 m: it takes 6 h 12 m to justify 2 h 4 m")
    );
}

#[test]
fn a_value_is_shorter_if_it_is_in_one_namespace() {
    let value = "tcp_timeout_time_wait=90".parse().unwrap();
    let mut source = short_connections(90_000);
    source.host().set(Timer::TcpTimeWait, 60);
    source.namespaces.push(Space::new(9, "blue"));
    let it = &mut source.namespaces[1];
    it.insert(Proto::Tcp, 50);
    it.max_gap(Timer::TcpTimeWait, 50, 100.0);
    let answer = whatif(&[source.recording(900)], &[value], None);
    let it = &answer.settings[0];
    assert_eq!(it.current, Some(60));
    let harm = it.harm.as_ref().unwrap();
    assert_eq!((harm.connections, harm.exceedances), (50, 50));
}

#[test]
fn what_overrides_a_timer_bounds_it_from_below() {
    let shortened = |values: &[&str]| {
        let values: Vec<_> = values.iter().map(|it| it.parse().unwrap()).collect();
        let answer = whatif(&[web(300_000, 1_000).recording(86_400)], &values, None);
        answer.settings[0].remark.clone()
    };
    assert_eq!(
        shortened(&["tcp_timeout_established=100"]).unwrap(),
        "it then runs in place of tcp_timeout_unacknowledged, tcp_timeout_max_retrans as well, \
         whose gaps are not counted here"
    );
    assert_eq!(shortened(&["tcp_timeout_established=300"]), None);
    let mut source = web(300_000, 1_000);
    source
        .host()
        .max_gap(Timer::TcpUnacknowledged, 300_000, 1.0);
    let value = "tcp_timeout_unacknowledged=90".parse().unwrap();
    let answer = whatif(&[source.recording(86_400)], &[value], None);
    assert_eq!(
        answer.settings[0].remark.as_deref(),
        Some(
            "it then runs in place of tcp_timeout_fin_wait as well, whose gaps are not counted here"
        )
    );
    let mut source = web(300_000, 1_000);
    source.host().set(Timer::TcpUnacknowledged, 1_800);
    let it = established(&[source.recording(86_400)]);
    assert_eq!(it.recommended, 1_800);
}

/// Short connections in one namespace, and in another with a TIME_WAIT of 30 s.
fn two_values(host: u64, blue: u64) -> Recording {
    let mut source = short_connections(host);
    source.namespaces.push(Space::new(9, "blue"));
    let it = &mut source.namespaces[1];
    it.set(Timer::TcpTimeWait, 30);
    it.insert(Proto::Tcp, blue);
    it.expire(State::TcpTimeWait, Timer::TcpTimeWait, blue, 30.0);
    it.max_gap(Timer::TcpTimeWait, blue, 0.0);
    source.recording(900)
}

#[test]
fn a_shorter_timer_elsewhere_shows_nothing_of_a_longer_value() {
    let it = plan(&[two_values(212, 90)], &Request::default());
    let it = find(&it, "tcp_timeout_time_wait").reason.clone();
    assert_eq!(it, "only 212 connections seen: 30,000 needed for 1e-4");
    let it = plan(&[two_values(90_000, 45_000)], &Request::default());
    let it = find(&it, "tcp_timeout_time_wait");
    assert_eq!((it.current, it.recommended), (120, 60));
    assert_eq!(it.evidence.connections, 90_000);
    // A minute less for 100 a second; the other namespace stays.
    assert_eq!(it.entries_saved, 6_000);
}

#[test]
fn the_last_recording_of_a_namespace_tells_what_is_set_now() {
    let before = short_connections(90_000).recording(900);
    let mut after = short_connections(45_000);
    after.host().set(Timer::TcpTimeWait, 60);
    let after = after.recording(900);
    let it = plan(&[before, after], &Request::default());
    assert!(
        it.warnings
            .iter()
            .all(|it| !matches!(it, Warning::Differing(_)))
    );
    let it = find(&it, "tcp_timeout_time_wait");
    assert_eq!((it.current, it.action), (60, Action::Keep));
}
