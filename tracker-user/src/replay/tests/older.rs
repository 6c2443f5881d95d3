//! Entries that are older than the watch, outlive it, or come back within it.

use super::*;

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
