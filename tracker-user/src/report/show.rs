//! `tracker show`: a summary as tables, or as JSON.

use std::time::{Duration, UNIX_EPOCH};

use comfy_table::Cell;

use super::Style;
use crate::{
    analysis::{Body, Quantiles, Summary},
    units,
};

/// Ports that are shown.
const PORTS: usize = 10;

/// The summary as JSON, with a line end.
#[must_use]
pub fn json(summary: &Summary) -> String {
    let mut text = serde_json::to_string_pretty(summary).unwrap_or_default();
    text.push('\n');
    text
}

/// The summary as tables.
#[must_use]
pub fn table(summary: &Summary, style: &Style) -> String {
    let mut text = header(summary, *style);
    let all = &summary.all;
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            text.push('\n');
            text.push_str(&style.heading(title));
            text.push('\n');
            text.push_str(&body);
        }
    };
    section("Inserts", inserts(all, summary.duration_s, *style));
    section("States", states(all, *style));
    section("Timers", timers(all, *style));
    section("Deaths", deaths(all, *style));
    section("Ports, by the table they take", ports(all, *style));
    section("Namespaces", namespaces(summary, *style));
    section("Not attributed to a timer", unattributed(all));
    section("Remarks", summary.remarks.iter().map(|it| style.paragraph(it, 0)).collect());
    text
}

/// Who watched what, and whether it adds up.
fn header(summary: &Summary, style: Style) -> String {
    let all = &summary.all;
    let balance = &all.balance;
    let started = humantime::format_rfc3339_seconds(
        UNIX_EPOCH + Duration::from_secs(summary.started.min(u64::from(u32::MAX))),
    );
    let title = format!(
        "{}: {} from {started}, kernel {}, {}",
        summary.host,
        units::seconds(summary.duration_s),
        summary.kernel,
        summary.source
    );
    let mut text = style.heading(&title);
    text.push('\n');
    let mut line = |name: &str, body: &str| {
        text.push_str(&style.paragraph(&format!("{name:<9} {body}"), 10));
    };
    if !summary.complete {
        line("Watch", "did not end well: its last interval may be missing");
    }
    line(
        "Balance",
        &format!(
            "{} inserted - {} destroyed = {} live - {} at the start{}",
            units::grouped(balance.inserted),
            units::grouped(balance.destroyed),
            units::grouped(balance.live_at_end),
            units::grouped(balance.live_at_start),
            match balance.lost {
                0 => "; nothing lost".to_owned(),
                lost => format!("; {lost} LOST"),
            }
        ),
    );
    line("Table", &occupancy(all));
    line("Lifetime", &spread(&all.lifetime));
    line("Overdue", &spread(&all.overdue));
    line("Losses", &losses(summary));
    let hooks: Vec<String> = summary
        .hooks
        .iter()
        .map(|hook| format!("{} {} ({})", hook.event, hook.symbol, hook.kind))
        .collect();
    if !hooks.is_empty() {
        line("Hooks", &hooks.join(", "));
    }
    text
}

fn occupancy(all: &Body) -> String {
    let mut text = format!(
        "mean {}, 99 % of the time at most {}, peak {}",
        units::count(all.count.mean.round() as u64),
        units::count(all.count.p99),
        units::count(all.count.max)
    );
    match all.table.max {
        Some(0) => text.push_str(" (unlimited)"),
        Some(max) => {
            let share = all.count.max as f64 / max as f64;
            text.push_str(&format!(" of {} ({})", units::grouped(max), units::percent(share)));
        }
        None => {}
    }
    if let Some(buckets) = all.table.buckets.filter(|&it| it > 0) {
        text.push_str(&format!(", {} buckets", units::grouped(buckets)));
    }
    text
}

fn spread(it: &Quantiles) -> String {
    if it.count == 0 {
        return "none seen".to_owned();
    }
    format!(
        "median {}, 99 % {}, longest {} ({} seen)",
        units::seconds(it.p50_s),
        units::seconds(it.p99_s),
        units::seconds(it.max_s),
        units::count(it.count)
    )
}

/// Losses in words.
fn losses(summary: &Summary) -> String {
    let lost: Vec<String> = summary
        .losses
        .iter()
        .filter(|&(_, &count)| count > 0)
        .map(|(name, &count)| format!("{} {}", units::count(count), words(name)))
        .collect();
    if lost.is_empty() { "none".to_owned() } else { lost.join("; ") }
}

/// What a loss means.
fn words(name: &str) -> &str {
    match name {
        "map_full" => "entries not followed: the map of live entries was full",
        "read_failed" => "entries that could not be read",
        "probe_missed" => "events that the kernel did not show, because another program ran",
        "namespaces_full" => "events of namespaces beyond those there is room for",
        "ports_full" => "entries of ports beyond those there is room for",
        "stack_failed" => "deaths whose call stack could not be read (counted as deleted)",
        other => other,
    }
}

fn inserts(all: &Body, seconds: f64, style: Style) -> String {
    if all.inserts.is_empty() {
        return String::new();
    }
    let rows = all.inserts.iter().map(|row| {
        [
            Cell::new(row.proto),
            Cell::new(units::count(row.count)),
            Cell::new(units::rate(if seconds > 0.0 { row.count as f64 / seconds } else { 0.0 })),
            number(row.pickups),
        ]
    });
    style.grid(["protocol", "entries", "a second", "pickups"], &[0], rows)
}

fn states(all: &Body, style: Style) -> String {
    if all.states.is_empty() {
        return String::new();
    }
    let rows = all.states.iter().map(|row| {
        let time = |seconds| duration(row.residency.count, seconds);
        [
            Cell::new(row.name),
            number(row.entered),
            number(row.moved_on),
            number(row.expired),
            number(row.killed),
            time(row.residency.p50_s),
            time(row.residency.p99_s),
            time(row.residency.max_s),
            Cell::new(units::rate(row.occupancy_mean)),
        ]
    });
    let header = [
        "state", "entered", "moved on", "expired", "killed", "median", "99 %", "longest",
        "entries in it",
    ];
    style.grid(header, &[0], rows)
}

fn timers(all: &Body, style: Style) -> String {
    if all.timers.is_empty() {
        return String::new();
    }
    let rows = all.timers.iter().map(|row| {
        let time = |seconds| duration(row.max_gap.count, seconds);
        [
            Cell::new(row.name),
            Cell::new(row.current_s.map_or("-".to_owned(), units::whole)),
            number(row.max_gap.count),
            number(row.resumed_gaps.count),
            time(row.max_gap.p50_s),
            time(row.max_gap.p99_s),
            time(row.max_gap.p999_s),
            time(row.max_gap.max_s),
            number(row.expired),
            Cell::new(units::rate(row.expired_per_s)),
        ]
    });
    let header = [
        "timer", "now", "entries", "gaps", "max gap: median", "99 %", "99.9 %", "longest",
        "expired", "a second",
    ];
    style.grid(header, &[0], rows)
}

fn deaths(all: &Body, style: Style) -> String {
    if all.deaths.is_empty() {
        return String::new();
    }
    let rows = all
        .deaths
        .iter()
        .map(|row| [Cell::new(row.state), Cell::new(row.reason), Cell::new(units::count(row.count))]);
    style.grid(["state", "reason", "entries"], &[0, 1], rows)
}

fn ports(all: &Body, style: Style) -> String {
    if all.ports.is_empty() {
        return String::new();
    }
    let total: f64 = all.ports.iter().map(|row| row.entry_seconds).sum();
    let rows = all.ports.iter().take(PORTS).map(|row| {
        let share = if total > 0.0 { row.entry_seconds / total } else { 0.0 };
        [
            Cell::new(if row.port == 0 {
                row.proto.to_owned()
            } else {
                format!("{}/{}", row.proto, row.port)
            }),
            number(row.inserts),
            number(row.deaths),
            Cell::new(units::count(row.entry_seconds.round() as u64)),
            Cell::new(units::percent(share)),
        ]
    });
    style.grid(["port", "inserts", "deaths", "entry-seconds", "share"], &[0], rows)
}

fn namespaces(summary: &Summary, style: Style) -> String {
    if summary.namespaces.len() < 2 {
        return String::new();
    }
    let rows = summary.namespaces.iter().map(|it| {
        let balance = &it.body.balance;
        [
            Cell::new(&it.name),
            number(balance.inserted),
            number(balance.destroyed),
            number(balance.live_at_end),
            number(it.body.count.max),
            Cell::new(balance.lost),
        ]
    });
    style.grid(["namespace", "inserted", "destroyed", "live", "peak", "lost"], &[0], rows)
}

fn unattributed(all: &Body) -> String {
    let list: Vec<String> = all
        .unattributed
        .iter()
        .filter(|&(_, &count)| count > 0)
        .map(|(name, &count)| format!("{name} {}", units::count(count)))
        .collect();
    if list.is_empty() { String::new() } else { format!("  {}\n", list.join(", ")) }
}

/// A count; a dot where there is nothing, so that the eye finds what is.
fn number(number: u64) -> Cell {
    Cell::new(if number == 0 { "·".to_owned() } else { units::count(number) })
}

/// A time out of `count` of them.
fn duration(count: u64, seconds: f64) -> Cell {
    Cell::new(if count == 0 { "·".to_owned() } else { units::seconds(seconds) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::synthetic::{Space, Synthetic};
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
        host.counters.causes[Cause::Offloaded.id()] = 5;
        let key = PortKey { slot: 0, port: 443, proto: Proto::Tcp.id() as u32 };
        let shown = PortUse { inserts: 90_000, deaths: 80_010, entry_us: 9_600_000_000_000 };
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
Hooks     insert __nf_conntrack_hash_insert (kprobe), destroy nf_ct_helper_destroy (kprobe)

Inserts
  protocol  entries  a second  pickups
  tcp        90,000       100        ·

States
  state          entered  moved on  expired  killed  median  99 %  longest  entries in it
  tcp_time_wait   80,000         ·   80,000       ·     2 m   2 m      2 m         10,667

Timers
  timer                    now  entries    gaps  max gap: median  99 %  99.9 %  longest  expired  a second
  tcp_timeout_established  5 d   90,000  90,000             12 s  12 s    12 s     12 s        ·         0
  tcp_timeout_time_wait    2 m        ·       ·                ·     ·       ·        ·   80,000      88.9

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
            let text = table(&summary(), &Style { width: Some(width), colour: false });
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(width)), "{text}");
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
}
