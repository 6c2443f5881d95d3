//! `tracker show`: a summary as tables, or as JSON.

mod header;
#[cfg(test)]
mod tests;

use comfy_table::Cell;

use super::Style;
use crate::{
    analysis::{Body, Quantiles, Summary, TimerRow},
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
    let mut text = header::header(summary, *style);
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
    section(
        "Came back after a timer let them expire",
        returns(all, *style),
    );
    section("Idle when the watch ended", idle(all, *style));
    section("Deaths", deaths(all, *style));
    section("Ports, by the table they take", ports(all, *style));
    section("Namespaces", namespaces(summary, *style));
    section("Not attributed to a timer", unattributed(all));
    section(
        "Remarks",
        summary
            .remarks
            .iter()
            .map(|it| style.paragraph(it, 0))
            .collect(),
    );
    text
}

fn inserts(all: &Body, seconds: f64, style: Style) -> String {
    let rows = all.inserts.iter().map(|row| {
        [
            Cell::new(row.proto),
            Cell::new(units::count(row.count)),
            Cell::new(units::rate(per(row.count as f64, seconds))),
            number(row.pickups),
        ]
    });
    style.grid(["protocol", "entries", "a second", "pickups"], &[0], rows)
}

fn states(all: &Body, style: Style) -> String {
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
        "state",
        "entered",
        "moved on",
        "expired",
        "killed",
        "median",
        "99 %",
        "longest",
        "entries in it",
    ];
    style.grid(header, &[0], rows)
}

fn timers(all: &Body, style: Style) -> String {
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
            held(row.occupancy_mean),
            held(row.occupancy_peak),
        ]
    });
    let header = [
        "timer",
        "now",
        "entries",
        "gaps",
        "max gap: median",
        "99 %",
        "99.9 %",
        "longest",
        "expired",
        "a second",
        "holds",
        "at most",
    ];
    style.grid(header, &[0], rows)
}

fn returns(all: &Body, style: Style) -> String {
    times(all, style, "last refresh to return: median", |row| {
        &row.returns
    })
}

fn idle(all: &Body, style: Style) -> String {
    times(all, style, "since the last refresh: median", |row| {
        &row.idle
    })
}

fn times(all: &Body, style: Style, what: &str, of: fn(&TimerRow) -> &Quantiles) -> String {
    let rows = all
        .timers
        .iter()
        .filter(|row| of(row).count > 0)
        .map(|row| {
            let times = of(row);
            [
                Cell::new(row.name),
                number(times.count),
                duration(times.count, times.p50_s),
                duration(times.count, times.p99_s),
                duration(times.count, times.max_s),
            ]
        });
    style.grid(["timer", "entries", what, "99 %", "longest"], &[0], rows)
}

fn deaths(all: &Body, style: Style) -> String {
    let rows = all.deaths.iter().map(|row| {
        [
            Cell::new(row.state),
            Cell::new(row.reason),
            Cell::new(units::count(row.count)),
        ]
    });
    style.grid(["state", "reason", "entries"], &[0, 1], rows)
}

fn ports(all: &Body, style: Style) -> String {
    let total: f64 = all.ports.iter().map(|row| row.entry_seconds).sum();
    let rows = all.ports.iter().take(PORTS).map(|row| {
        [
            Cell::new(if row.port == 0 {
                row.proto.to_owned()
            } else {
                format!("{}/{}", row.proto, row.port)
            }),
            number(row.inserts),
            number(row.deaths),
            Cell::new(units::count(row.entry_seconds.round() as u64)),
            Cell::new(units::percent(per(row.entry_seconds, total))),
        ]
    });
    style.grid(
        ["port", "inserts", "deaths", "entry-seconds", "share"],
        &[0],
        rows,
    )
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
    style.grid(
        ["namespace", "inserted", "destroyed", "live", "peak", "lost"],
        &[0],
        rows,
    )
}

fn unattributed(all: &Body) -> String {
    let list: Vec<String> = all
        .unattributed
        .iter()
        .filter(|&(_, &count)| count > 0)
        .map(|(name, &count)| format!("{name} {}", units::count(count)))
        .collect();
    if list.is_empty() {
        String::new()
    } else {
        format!("  {}\n", list.join(", "))
    }
}

/// A part of a whole, which may be nothing.
fn per(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// Entries that a timer keeps in the table.
fn held(entries: Option<f64>) -> Cell {
    number(entries.unwrap_or_default().round() as u64)
}

/// A count; a dot where there is nothing, so that the eye finds what is.
fn number(number: u64) -> Cell {
    Cell::new(if number == 0 {
        "·".to_owned()
    } else {
        units::count(number)
    })
}

/// A time out of `count` of them.
fn duration(count: u64, seconds: f64) -> Cell {
    Cell::new(if count == 0 {
        "·".to_owned()
    } else {
        units::seconds(seconds)
    })
}
