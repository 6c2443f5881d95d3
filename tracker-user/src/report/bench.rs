//! `tracker bench`: observers side by side, as a table or as JSON.

use comfy_table::Cell;

use super::Style;
use crate::{
    bench::{Report, Row, Spent, cpu::Cpu, native::Native, programs::Program},
    units,
};

/// The report as JSON, with a line end.
#[must_use]
pub fn json(report: &Report) -> String {
    let mut text = serde_json::to_string_pretty(report).unwrap_or_default();
    text.push('\n');
    text
}

/// The report as tables.
#[must_use]
pub fn table(report: &Report, style: &Style) -> String {
    let mut text = style.heading(&title(report));
    text.push('\n');
    text += &machine(report, *style);
    text.push('\n');
    text += &style.heading("The observer's own process");
    text.push('\n');
    text += &process(report, *style);
    for row in &report.observers {
        let losses = row.spent.iter().flat_map(|spent| &spent.losses);
        for (name, &count) in losses {
            let line = format!("{} lost {}: {}", row.observer, name, units::grouped(count));
            text += &style.paragraph(&line, 2);
        }
        if let Some(why) = &row.left_out {
            text += &style.paragraph(&format!("{} is left out: {why}", row.observer), 2);
        }
    }
    let programs = programs(&report.programs, *style);
    if !programs.is_empty() {
        text.push('\n');
        text += &style.heading("tracker's programs in the kernel, by its statistics");
        text.push('\n');
        text += &programs;
    }
    text.push('\n');
    text + &native(&report.native, *style)
}

/// What the hooks' inner functions take.
#[must_use]
pub fn native(native: &Native, style: Style) -> String {
    if let Some(why) = &native.refused {
        let line = format!("The hooks' inner functions could not be timed: {why}");
        return style.paragraph(&line, 2);
    }
    let rows = native
        .functions
        .iter()
        .map(|it| [Cell::new(&it.function), Cell::new(format!("{:.2}", it.ns))]);
    let grid = style.grid(["inner function of the hooks", "ns a call"], &[0], rows);
    format!(
        "{}\n{grid}",
        style.heading("On this machine's processor, without a hook")
    )
}

fn title(report: &Report) -> String {
    let flood = report.observers.iter().find_map(|row| row.spent.as_ref());
    let flood = flood.map_or_else(String::new, |spent| {
        format!(
            ": {} packets make {} entries",
            units::grouped(spent.packets),
            units::grouped(spent.entries)
        )
    });
    format!(
        "{}{flood}, kernel {}, {}",
        report.scenario,
        report.kernel,
        units::plural(report.cpus as u64, "CPU", "CPUs")
    )
}

/// Rows that were measured.
fn measured(report: &Report) -> impl Iterator<Item = (&Row, &Spent)> {
    report
        .observers
        .iter()
        .filter_map(|row| Some((row, row.spent.as_ref()?)))
}

fn machine(report: &Report, style: Style) -> String {
    let rows = measured(report).map(|(row, spent)| {
        [
            Cell::new(&row.observer),
            Cell::new(units::rate(spent.entries_per_s)),
            seconds(spent.machine.kernel_s),
            seconds(spent.machine.user_s),
            micros(Some(spent.us_per_entry)),
            micros(spent.added_us_per_entry),
            count(spent.seen.map(|seen| seen.inserted)),
            count(spent.seen.map(|seen| seen.destroyed)),
            count(spent.unseen),
        ]
    });
    let header = [
        "observer",
        "entries/s",
        "kernel",
        "user",
        "an entry",
        "added",
        "inserts seen",
        "deaths seen",
        "unseen",
    ];
    style.grid(header, &[0], rows)
}

fn process(report: &Report, style: Style) -> String {
    let rows = measured(report).filter_map(|(row, spent)| {
        let (cpu, memory): (Cpu, _) = (spent.process?, spent.memory?);
        Some([
            Cell::new(&row.observer),
            seconds(cpu.kernel_s),
            seconds(cpu.user_s),
            micros(Some(cpu.sum() * 1e6 / spent.entries.max(1) as f64)),
            Cell::new(units::bytes(memory.peak_bytes)),
            Cell::new(units::bytes(memory.maps_bytes)),
        ])
    });
    let header = ["observer", "kernel", "user", "an entry", "memory", "maps"];
    style.grid(header, &[0], rows)
}

fn programs(programs: &[Program], style: Style) -> String {
    let rows = programs.iter().map(|program| {
        [
            Cell::new(&program.name),
            Cell::new(units::grouped(program.runs)),
            Cell::new(format!("{:.0}", program.ns_per_run)),
            count(program.loaded.map(u64::from)),
            count(program.verified.map(u64::from)),
        ]
    });
    let header = ["program", "runs", "ns a run", "loaded", "verified"];
    style.grid(header, &[0], rows)
}

fn seconds(seconds: f64) -> Cell {
    Cell::new(format!("{seconds:.3} s"))
}

fn micros(us: Option<f64>) -> Cell {
    Cell::new(us.map_or_else(|| "·".to_owned(), |us| format!("{us:.2} µs")))
}

fn count(count: Option<u64>) -> Cell {
    Cell::new(count.map_or_else(|| "·".to_owned(), units::grouped))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::bench::{listener::Counted, memory::Memory, native::Timed};

    fn row(observer: &str, seen: Option<u64>) -> Row {
        let cpu = Cpu {
            user_s: 0.25,
            kernel_s: 1.0,
        };
        let spent = Spent {
            packets: 60_000,
            entries: 50_000,
            seconds: 5.0,
            entries_per_s: 10_000.0,
            machine: cpu,
            busy_s: 1.25,
            us_per_entry: 25.0,
            added_us_per_entry: seen.map(|_| 1.5),
            process: seen.map(|_| cpu),
            memory: seen.map(|_| Memory {
                peak_bytes: 3 << 20,
                maps_bytes: 0,
            }),
            seen: seen.map(|inserted| Counted {
                inserted,
                destroyed: 1_000,
                overruns: 2,
            }),
            unseen: seen.map(|inserted| 50_000 - inserted),
            losses: seen
                .map(|inserted| ("messages".to_owned(), 99_000 - inserted))
                .into_iter()
                .collect::<BTreeMap<_, _>>(),
        };
        Row {
            observer: observer.to_owned(),
            left_out: None,
            spent: Some(spent),
        }
    }

    #[test]
    fn the_tables_read_like_this() {
        let report = Report {
            schema_version: 1,
            scenario: "udp-flood".to_owned(),
            seed: 1,
            kernel: "6.12.57".to_owned(),
            cpus: 2,
            interrupted: false,
            observers: vec![
                row("nobody", None),
                row("counting listener", Some(49_000)),
                Row {
                    observer: "conntrack -E".to_owned(),
                    left_out: Some("it is not here".to_owned()),
                    spent: None,
                },
            ],
            programs: vec![Program {
                name: "insert_fentry".to_owned(),
                runs: 50_000,
                ns_per_run: 300.4,
                loaded: Some(2_000),
                verified: None,
            }],
            native: Native {
                functions: vec![Timed {
                    function: "the bucket of a time".to_owned(),
                    ns: 3.5,
                }],
                refused: None,
            },
        };
        let expected = "\
udp-flood: 60,000 packets make 50,000 entries, kernel 6.12.57, 2 CPUs
  observer           entries/s   kernel     user  an entry    added  inserts seen  deaths seen  unseen
  nobody                10,000  1.000 s  0.250 s  25.00 µs        ·             ·            ·       ·
  counting listener     10,000  1.000 s  0.250 s  25.00 µs  1.50 µs        49,000        1,000   1,000

The observer's own process
  observer            kernel     user  an entry   memory  maps
  counting listener  1.000 s  0.250 s  25.00 µs  3.0 MiB   0 B
counting listener lost messages: 50,000
conntrack -E is left out: it is not here

tracker's programs in the kernel, by its statistics
  program          runs  ns a run  loaded  verified
  insert_fentry  50,000       300   2,000         ·

On this machine's processor, without a hook
  inner function of the hooks  ns a call
  the bucket of a time              3.50
";
        let text = table(&report, &Style::default());
        assert_eq!(text, expected, "\n{text}");
        let json: serde_json::Value = serde_json::from_str(&json(&report)).unwrap();
        assert_eq!(json["observers"][1]["seen"]["inserted"], 49_000);
        assert_eq!(json["observers"][2]["left_out"], "it is not here");
    }
}
