//! `tracker whatif`: what other settings would do, beside today's.

use comfy_table::Cell;

use super::Style;
use crate::{
    analysis::{
        advice::FloodKind,
        whatif::{Filling, Side, Tried, WhatIf},
    },
    units,
};

/// For programs.
#[must_use]
pub fn json(answer: &WhatIf) -> String {
    serde_json::to_string_pretty(answer).unwrap_or_default()
}

/// For people.
#[must_use]
pub fn table(answer: &WhatIf, style: Style) -> String {
    let settings = answer.settings.iter().map(setting);
    let header = ["setting", "now", "then", "saves", "harm"];
    let mut text = style.grid(header, &[0, 4], settings);
    text.push('\n');
    text.push_str(&style.grid(["", "now", "then"], &[0], rows(answer)));
    if !answer.warnings.is_empty() {
        text.push('\n');
    }
    for warning in &answer.warnings {
        text.push_str(&style.paragraph(&format!("- {warning}"), 2));
    }
    text
}

fn setting(it: &Tried) -> [Cell; 5] {
    let value = |value: u64| {
        if it.is_timer {
            units::whole(value)
        } else {
            units::grouped(value)
        }
    };
    [
        Cell::new(it.name.rsplit('.').next().unwrap_or_default()),
        Cell::new(it.current.map_or_else(|| "?".to_owned(), value)),
        Cell::new(value(it.value)),
        Cell::new(units::signed(it.entries_saved)),
        Cell::new(harm(it)),
    ]
}

fn harm(it: &Tried) -> String {
    let mut parts = Vec::new();
    if let Some(harm) = &it.harm {
        parts.push(format!(
            "{} of {} resumed after more than {}: at most {:.1e}",
            units::count(harm.exceedances),
            units::plural(harm.connections, "connection", "connections"),
            units::whole(it.value),
            harm.harm_upper_95.unwrap_or(1.0)
        ));
        if let Some(worst) = &harm.worst_stratum {
            parts.push(format!(
                "worst {} port {} in {}: {} of {}",
                worst.proto,
                worst.port,
                worst.namespace,
                units::count(worst.exceedances),
                units::count(worst.connections)
            ));
        }
    }
    let idle = it.harm.as_ref().map_or(0, |harm| harm.idle);
    if idle > 0 {
        parts.push(format!(
            "{} idle for longer when the watch ended",
            units::plural(idle, "entry was", "entries were")
        ));
    }
    parts.extend(it.remark.clone());
    if parts.is_empty() && it.is_timer {
        parts.push("none: it is not shorter".to_owned());
    }
    parts.join("; ")
}

/// Lines of both sides.
fn rows(answer: &WhatIf) -> Vec<[Cell; 3]> {
    let (now, then) = (&answer.now, &answer.then);
    let row = |name: &str, text: &dyn Fn(&Side) -> String| {
        [name.to_owned(), text(now), text(then)].map(Cell::new)
    };
    let number = |of: Option<u64>| of.map_or_else(|| "?".to_owned(), units::grouped);
    let bytes = |of: Option<u64>| of.map_or_else(|| "?".to_owned(), units::bytes);
    let mut rows = vec![
        row("entries on average", &|it| {
            units::grouped(it.counts.count_mean.round() as u64)
        }),
        row("in 99 % of the time at most", &|it| {
            units::grouped(it.counts.count_p99)
        }),
        row("at the peak", &|it| units::grouped(it.counts.count_peak)),
        row("expired ones stay for", &|it| {
            units::seconds(it.counts.overdue_s)
        }),
        row("nf_conntrack_max", &|it| match it.max {
            Some(0) => "unlimited".to_owned(),
            max => number(max),
        }),
        row("nf_conntrack_buckets", &|it| number(it.buckets)),
        row("entries in a chain", &|it| {
            it.chain_mean.map_or_else(|| "?".to_owned(), units::rate)
        }),
        row("memory at the peak", &|it| {
            units::bytes(it.memory_peak_bytes)
        }),
        row("memory when full", &|it| match it.max {
            Some(0) => "unbounded".to_owned(),
            _ => bytes(it.memory_bytes),
        }),
    ];
    for then in &then.flood {
        // Of a timer that could not be read only the value that is tried is known.
        let now = now.flood.iter().find(|it| it.kind == then.kind);
        let what = match then.kind {
            FloodKind::Syn => "SYNs without an answer",
            FloodKind::AnsweredSyn => "SYNs with one",
            FloodKind::Udp => "datagrams",
        };
        let name = format!(
            "{} {what} a second fill it in",
            units::rate(then.rate_per_s)
        );
        rows.push(
            [
                name,
                now.map_or_else(|| "?".to_owned(), filling),
                filling(then),
            ]
            .map(Cell::new),
        );
    }
    rows
}

fn filling(it: &Filling) -> String {
    let fills = it.fills_in_s.map(units::seconds);
    fills.unwrap_or_else(|| "never".to_owned())
}

#[cfg(test)]
mod tests {
    use tracker_common::{Proto, State, Timer, layout::HistogramId};

    use super::*;
    use crate::{analysis::whatif::whatif, recording::synthetic::Synthetic};

    fn answer(settings: &[&str]) -> WhatIf {
        let mut source = Synthetic::new();
        let host = source.host();
        host.insert(Proto::Tcp, 90_000);
        host.expire(State::TcpTimeWait, Timer::TcpTimeWait, 90_000, 120.0);
        host.max_gap(Timer::TcpTimeWait, 90_000, 0.3);
        host.count(13_000);
        let settings: Vec<_> = settings.iter().map(|it| it.parse().unwrap()).collect();
        whatif(&[source.recording(900)], &settings, Some(1_000.0))
    }

    #[test]
    fn both_sides_are_beside_each_other() {
        let it = answer(&["tcp_timeout_time_wait=60", "max=16384"]);
        let text = table(&it, Style::default());
        for line in [
            "nf_conntrack_tcp_timeout_time_wait     2 m     1 m  6,000  0 of 90,000 connections resumed after more than 1 m: at most 3.3e-5",
            "nf_conntrack_max                    65,536  16,384",
            "1,000 SYNs without an answer a second fill it in",
            "  52.5 s",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(text.contains("entries on average"), "{text}");
    }

    #[test]
    fn sizes_that_do_not_fit_say_what_would() {
        let it = answer(&["max=1000", "buckets=200"]);
        assert_eq!(
            it.settings[0].remark.as_deref(),
            Some(
                "the peak does not fit: packets are dropped and entries evicted. Give more than 13,000"
            )
        );
        let text = table(&it, Style::default());
        assert!(text.contains("chains long. Give about 1,000"), "{text}");
        assert_eq!(
            answer(&["max=14000", "buckets=16384"]).settings[0].remark,
            None
        );
        let text = table(&answer(&["max=0"]), Style::default());
        assert!(text.contains("unbounded"), "{text}");
    }

    #[test]
    fn who_was_idle_at_the_end_is_told_beside_the_bound() {
        let mut source = Synthetic::new();
        let host = source.host();
        host.insert(Proto::Tcp, 90_000);
        host.expire(State::TcpTimeWait, Timer::TcpTimeWait, 80_000, 120.0);
        host.max_gap(Timer::TcpTimeWait, 90_000, 0.0);
        for _ in 0..7_000 {
            let idle = host.histogram(HistogramId::Idle(Timer::TcpTimeWait));
            idle.add(100_000_000);
        }
        let value = "tcp_timeout_time_wait=60".parse().unwrap();
        let text = table(
            &whatif(&[source.recording(900)], &[value], None),
            Style::default(),
        );
        let told = "at most 3.9e-5; 7,000 entries were idle for longer when the watch ended";
        assert!(text.contains(told), "{text}");
    }

    #[test]
    fn a_timer_that_nothing_is_known_of_says_so() {
        let it = answer(&["udp_timeout=10", "tcp_timeout_time_wait=240"]);
        let text = table(&it, Style::default());
        assert!(text.contains("no connection was seen under it"), "{text}");
        assert!(text.contains("none: it is not shorter"), "{text}");
        let json: serde_json::Value = serde_json::from_str(&json(&it)).unwrap();
        assert!(json["settings"][0]["harm"].is_null());
        assert!(json["then"]["count_mean"].as_f64() > json["now"]["count_mean"].as_f64());
        assert_eq!(json["now"]["max"], 65_536);
    }
}
