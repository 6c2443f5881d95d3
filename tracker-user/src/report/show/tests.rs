//! What the tables look like.

use super::*;
use crate::{
    recording::synthetic::{Space, Synthetic},
    source::Statistic,
};
use tracker_common::{
    Cause, Loss, Proto, Reason, State, Timer,
    layout::{PortKey, PortUse},
};

fn summary() -> Summary {
    let mut source = Synthetic::new();
    source.losses.count[Loss::MapFull.id()] = 3;
    source.namespaces.push(Space::new(7, "blue"));
    let host = source.host();
    host.insert(Proto::Tcp, 90_000);
    host.expire(State::TcpTimeWait, Timer::TcpTimeWait, 80_000, 120.0);
    host.die(State::TcpEstablished, Reason::EarlyDrop, 10);
    host.max_gap(Timer::TcpEstablished, 90_000, 12.0);
    host.statistics.insert(Statistic::EarlyDrop, 10);
    host.statistics.insert(Statistic::Drop, 2);
    host.counters.causes[Cause::Offloaded.id()] = 5;
    let key = PortKey {
        port: 443,
        proto: Proto::Tcp.id() as u16,
    };
    let shown = PortUse {
        inserts: 90_000,
        deaths: 80_010,
        entry_us: 9_600_000_000_000,
    };
    host.ports = vec![(key, shown)];
    Summary::of(&source.recording(900))
}

#[test]
fn the_tables_read_like_this() {
    let expected = "\
gateway: 15 m from 2026-01-01T00:00:00Z, kernel 6.12.57, ebpf
Balance   90,000 inserted - 80,010 destroyed = 9,990 live - 0 at the start; nothing lost
Table     mean 9,990, 99 % of the time at most 9,990, peak 9,990 of 65,536 (15 %), 65,536 buckets
Lifetime  median 2 m, 99 % 2 m, longest 2 m (80,000 seen)
Overdue   median 500 ms, 99 % 500 ms, longest 500 ms (80,000 seen)
Losses    3 entries not followed: the map of live entries was full
Kernel    2 packets dropped (drop), 10 entries evicted to make room (early_drop)
Hooks     insert __nf_conntrack_hash_insert (kprobe), destroy nf_ct_helper_destroy (kprobe)

Inserts
  protocol  entries  a second  pickups
  tcp        90,000       100        ·

States
  state          entered  moved on  expired  killed  median  99 %  longest  entries in it
  tcp_time_wait   80,000         ·   80,000       ·     2 m   2 m      2 m         10,667

Timers
  timer                    now  entries    gaps  max gap: median  99 %  99.9 %  longest  expired  a second   holds  at most
  tcp_timeout_established  5 d   90,000  90,000             12 s  12 s    12 s     12 s        ·         0   1,200    1,200
  tcp_timeout_time_wait    2 m        ·       ·                ·     ·       ·        ·   80,000      88.9  10,711   10,711

Deaths
  state            reason      entries
  tcp_established  early_drop       10
  tcp_time_wait    expired      80,000

Ports, by the table they take
  port     inserts  deaths  entry-seconds  share
  tcp/443   90,000  80,010          9.6 M  100 %

Namespaces
  namespace  inserted  destroyed   live   peak  lost
  host         90,000     80,010  9,990  9,990     0
  blue              ·          ·      ·      ·     0

Not attributed to a timer
  offloaded 5
";
    let text = table(&summary(), &Style::default());
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn the_tables_fit_a_terminal() {
    for width in [80, 100, 200] {
        let text = table(
            &summary(),
            &Style {
                width: Some(width),
                colour: false,
            },
        );
        assert!(
            text.lines()
                .all(|line| line.chars().count() <= usize::from(width)),
            "{text}"
        );
    }
}

#[test]
fn an_empty_recording_is_shown_as_such() {
    let summary = Summary::of(&Synthetic::new().recording(0));
    let text = table(&summary, &Style::default());
    assert!(text.contains("0 inserted - 0 destroyed"), "{text}");
    assert!(!text.contains("States"), "{text}");
    assert!(json(&summary).ends_with("}\n"));
}
