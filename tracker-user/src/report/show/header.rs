//! The lines above the tables: who watched what, and whether it adds up.

use std::time::{Duration, UNIX_EPOCH};

use crate::{
    analysis::{Body, Quantiles, Summary},
    report::Style,
    source::Statistic,
    units,
};

/// Who watched what, and whether it adds up.
pub fn header(summary: &Summary, style: Style) -> String {
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
        line(
            "Watch",
            "did not end well: its last interval may be missing",
        );
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
    if let Some(counted) = counted(all) {
        line("Kernel", &counted);
    }
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
            text.push_str(&format!(
                " of {} ({})",
                units::grouped(max),
                units::percent(share)
            ));
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

/// What the kernel counted itself, if that is anything.
fn counted(all: &Body) -> Option<String> {
    let counted: Vec<String> = all
        .kernel_statistics
        .iter()
        .filter(|&(_, &count)| count > 0)
        .map(|(name, &count)| {
            let words = Statistic::from_name(name).map_or(*name, Statistic::words);
            format!("{} {words} ({name})", units::count(count))
        })
        .collect();
    (!counted.is_empty()).then(|| counted.join(", "))
}

/// Losses in words.
fn losses(summary: &Summary) -> String {
    let lost: Vec<String> = summary
        .losses
        .iter()
        .filter(|&(_, &count)| count > 0)
        .map(|(name, &count)| format!("{} {}", units::count(count), words(name)))
        .collect();
    if lost.is_empty() {
        "none".to_owned()
    } else {
        lost.join("; ")
    }
}

/// What a loss means.
fn words(name: &str) -> &str {
    match name {
        "map_full" => "entries not followed: the map of live entries was full",
        "read_failed" => "entries that could not be read",
        "probe_missed" => "events that the kernel did not show, because another program ran",
        "namespaces_full" => "events of namespaces beyond those there is room for",
        "stack_failed" => "deaths whose call stack could not be read (counted as deleted)",
        other => other,
    }
}
