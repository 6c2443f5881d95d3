//! What is not played, and that it is said.

use super::*;

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
fn changes_that_no_played_connection_comes_near_are_said() {
    let recording = web(3_600, 0, 0);
    let of = |timer, seconds| {
        let wanted = Wanted {
            changes: vec![(timer, seconds)],
            ..Wanted::default()
        };
        scenario(&recording, &wanted).unwrap().text
    };
    let nobody = "udp_timeout = \"no connection that is played comes under it\"";
    for seconds in [20, 60] {
        let text = of(Timer::Udp, seconds);
        assert!(text.contains(nobody), "{text}");
    }
    // They all expire, and none goes on.
    let text = of(Timer::TcpTimeWait, 180);
    let far = "tcp_timeout_time_wait = \"no connection that is played pauses for nearly 2 m";
    assert!(text.contains(far), "{text}");
    let text = of(Timer::TcpTimeWait, 60);
    assert!(!text.contains("untested"), "{text}");
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
