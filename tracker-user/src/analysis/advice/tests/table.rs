//! The table's size.

use std::time::Duration;

use tracker_common::{Proto, State, Timer};

use super::{advised, find, short_connections};
use crate::{
    analysis::{advice::*, whatif::whatif},
    recording::synthetic::Synthetic,
    source::Statistic,
};

#[test]
fn a_table_that_is_too_small_is_raised_and_buckets_follow() {
    let mut source = Synthetic::new();
    let host = source.host();
    host.insert(Proto::Udp, 60_000);
    host.count(60_000);
    let plan = advised(&mut source, 60);
    // 60,000 and 4.5 standard deviations, / 0.8, a quarter for floods, in multiples of 1,024.
    assert_eq!(plan.table.max, 96_256);
    assert_eq!(plan.table.buckets, 65_536);
    assert_eq!(plan.table.memory_bytes, Some(96_256 * 256 + 65_536 * 8));
    assert_eq!(find(&plan, "max").action, Action::Raise);
    assert_eq!(find(&plan, "buckets").action, Action::Keep);
}

#[test]
fn the_memory_given_binds_but_never_below_what_is_needed() {
    let mut source = Synthetic::new();
    source.host().insert(Proto::Udp, 60_000);
    let recording = source.recording(60);
    let sized = |memory| {
        let request = Request {
            memory: Some(memory),
            ..Request::default()
        };
        plan(std::slice::from_ref(&recording), &request)
    };
    let tight = sized(20 << 20);
    assert_eq!(tight.table.max, 78_848);
    assert!(
        tight
            .warnings
            .iter()
            .any(|it| matches!(it, Warning::Memory { .. }))
    );
    assert_eq!(sized(1 << 20).table.max, 65_536);
    assert_eq!(sized(1 << 30).table.max, 96_256);
    // A table that is larger than needed goes down to the memory given, not further.
    let mut idle = Synthetic::new();
    idle.host().insert(Proto::Udp, 100);
    let request = Request {
        memory: Some(8 << 20),
        ..Request::default()
    };
    let plan = plan(&[idle.recording(60)], &request);
    assert_eq!(plan.table.max, 31_744);
    assert_eq!(find(&plan, "max").action, Action::Lower);
}

#[test]
fn a_maximum_is_not_lowered_below_what_is_there_until_shorter_timers_have_had_effect() {
    let recording = short_connections(90_000).recording(900);
    let sized = |memory| {
        let request = Request {
            memory: Some(memory),
            ..Request::default()
        };
        plan(std::slice::from_ref(&recording), &request)
    };
    let all = sized(1 << 30);
    assert_eq!(all.predicted.count_peak, 6_858);
    let entry = 256 + 8;
    let tight = sized((all.table.needed + 1_024) * entry);
    let it = find(&tight, "max");
    assert_eq!(it.action, Action::Keep);
    assert!(
        it.reason.contains("not until shorter timers"),
        "{}",
        it.reason
    );
    let wide = sized(3 * all.table.needed * entry);
    assert_eq!(find(&wide, "max").action, Action::Lower);
    let value = ["max=9000", "tcp_timeout_time_wait=60"].map(|it| it.parse().unwrap());
    let answer = whatif(&[recording], &value, None);
    assert_eq!(
        answer.settings[0].remark.as_deref(),
        Some(
            "today's peak of 12,857 does not fit: set the timers first, and this when they have had effect"
        )
    );
}

#[test]
fn a_table_that_was_full_shows_no_more_than_the_least_that_is_needed() {
    let mut source = Synthetic::new();
    let host = source.host();
    host.insert(Proto::Udp, 65_536);
    host.statistics.insert(Statistic::Drop, 3_000);
    let plan = advised(&mut source, 60);
    let it = find(&plan, "max");
    assert_eq!(it.action, Action::Raise);
    assert!(it.reason.starts_with("it was full"), "{}", it.reason);
    assert!(it.reason.ends_with("or more"), "{}", it.reason);
    assert!(plan.warnings.contains(&Warning::Full {
        refused: 3_000,
        evicted: 0
    }));
}

#[test]
fn buckets_are_no_more_than_memory_has_entries_for() {
    let mut source = Synthetic::new();
    source.host().insert(Proto::Udp, 10);
    let buckets = |source: &mut Synthetic, max, buckets| {
        source.host().table = Some(crate::source::Table {
            count: 10,
            max,
            buckets,
        });
        find(&advised(source, 60), "buckets").recommended
    };
    assert_eq!(buckets(&mut source, 0x7fff_ffff, 65_536), 813_056);
    // The ratio of kernels before 5.15.
    assert_eq!(buckets(&mut source, 262_144, 65_536), 65_536);
    assert_eq!(buckets(&mut source, 262_144, 32_768), 262_144);
}

#[test]
fn too_many_buckets_are_named() {
    let mut source = Synthetic::new();
    source.host().insert(Proto::Udp, 10);
    source.host().table = Some(crate::source::Table {
        count: 10,
        max: 4_096,
        buckets: 262_144,
    });
    let plan = advised(&mut source, 60);
    let it = find(&plan, "buckets");
    assert_eq!((it.action, it.recommended), (Action::Lower, 4_096));
    assert!(plan.warnings.contains(&Warning::ResizeStalls));
}

#[test]
fn growth_and_failover_multiply_what_is_needed() {
    let mut source = Synthetic::new();
    source.host().insert(Proto::Udp, 60_000);
    let recording = source.recording(60);
    let needed = |growth, failover| {
        let request = Request {
            growth,
            failover,
            ..Request::default()
        };
        let plan = plan(std::slice::from_ref(&recording), &request);
        (plan.table.needed, plan.predicted.count_peak)
    };
    assert_eq!(needed(1.0, 1.0), (96_256, 60_000));
    // What is predicted of the traffic that was seen stays.
    assert_eq!(needed(1.5, 1.0), (143_360, 60_000));
    assert_eq!(needed(1.5, 2.0), (284_672, 60_000));
    assert_eq!(needed(1.0, 3.0), needed(3.0, 1.0));
}

#[test]
fn a_collector_that_comes_in_rounds_makes_no_head_room() {
    // A hundred a second that live for 30 s, and are removed every 20 s.
    let mut source = Synthetic::new();
    let mut samples = Vec::new();
    for second in 1..=600_u64 {
        source.at = Duration::from_secs(second);
        let host = source.host();
        host.insert(Proto::Udp, 100);
        host.max_gap(Timer::Udp, 100, 0.1);
        if second > 40 && second % 20 == 0 {
            host.expire(State::UdpReplied, Timer::Udp, 2_000, 30.0);
        }
        samples.push(source.now());
    }
    let peak = samples.iter().filter_map(|it| it.namespaces[0].table);
    let peak = peak.map(|it| it.count).max().unwrap();
    let plan = plan(&[source.recorded(&samples)], &Request::default());
    // No more than the peak with its head-room and a quarter for a flood.
    let most = peak as f64 / 0.8 * 1.25 + 1_024.0;
    assert!(
        (plan.table.needed as f64) < most,
        "{} {most}",
        plan.table.needed
    );
}
