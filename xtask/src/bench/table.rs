//! Markdown tables of what was measured.

use std::fmt::Display;

use super::Bench;
use super::budget::{Judged, Verdict};
use super::native::Native;
use super::report::{Report, Runs, Spent, User, Whole};

/// Everything about one kernel.
pub fn kernel(bench: &Bench) -> String {
    let Bench {
        spec,
        release,
        report,
        judged,
    } = bench;
    let user = report.user.as_ref().map(user).unwrap_or_default();
    format!(
        "## Kernel {release}\n\nPrinted by `cargo xtask bench --kernel {spec}`.\n\n\
         Instructions per unit, and what watching adds:\n\n{}\n\
         One UDP flow for the whole machine, with what the observer does in user space meanwhile:\n\n{}\n\
         The same flood under each observer, as `tracker bench --duration 2s` prints it there, where each nanosecond \
         is an instruction:\n\n```\n{}\n```\n\n\
         What the kernel's statistics say of each program:\n\n{}\n\
         tracker's process:\n\n{user}\n\
         Budgets:\n\n{}\n",
        costs(report),
        whole(&report.whole),
        report.flood.as_deref().unwrap_or_default().trim_end(),
        programs(&report.programs),
        budgets(judged),
    )
}

/// The start on this machine, the inner functions there, and what advice takes.
pub fn native(native: &Native, functions: &str, advice: &[Judged]) -> String {
    let came = match native {
        Native::Took(took) => format!(
            "From exec to the end of `tracker profile --duration 1ms`: {:.2} s.",
            took.as_secs_f64()
        ),
        Native::LeftOut => "The start was not timed natively.".to_owned(),
        Native::Refused { status, said } => format!(
            "The start was not timed natively: tracker ended with {status} on the machine that \
             printed this, saying \"{said}\""
        ),
    };
    format!(
        "## Outside of a guest\n\n{came}\n\nPrinted by `tracker bench --native` on the machine that printed \
         this:\n\n```\n{functions}\n```\n\n{}\n",
        budgets(advice)
    )
}

/// What each case takes and what watching adds, by kprobes too if that was measured.
pub fn costs(report: &Report) -> String {
    let head = ["what", "per", "unobserved", "watched", "added"];
    let measured = report.costs.iter().map(|cost| {
        let row = [
            format!("{} (`{}`)", cost.what, cost.name),
            cost.per.clone(),
            whole_number(cost.unobserved),
            whole_number(cost.tracker),
            whole_number(cost.added()),
        ];
        let probed = cost.kprobes.zip(cost.added_by_kprobes());
        (row, probed)
    });
    if !report.costs.iter().any(|cost| cost.kprobes.is_some()) {
        return table(head, measured.map(|(row, _)| row));
    }
    let [what, per, unobserved, watched, added] = head;
    table(
        [what, per, unobserved, watched, added, "by kprobes", "added"],
        measured.map(|([what, per, unobserved, watched, added], probed)| {
            let (by, more) = probed.unzip();
            let number = |value: Option<f64>| value.map_or_else(String::new, whole_number);
            [
                what,
                per,
                unobserved,
                watched,
                added,
                number(by),
                number(more),
            ]
        }),
    )
}

fn whole(rows: &[Whole]) -> String {
    let alone = rows.first().map_or(0.0, |row| row.mean);
    table(
        [
            "observer",
            "instructions per flow",
            "added",
            "flows reported",
        ],
        rows.iter().map(|row| {
            [
                row.observer.clone(),
                whole_number(row.mean),
                whole_number(row.mean - alone),
                row.seen
                    .map_or_else(String::new, |seen| format!("{seen} of {}", row.made)),
            ]
        }),
    )
}

fn programs(rows: &[Runs]) -> String {
    table(
        [
            "case",
            "program",
            "attached as",
            "runs per unit",
            "instructions per run",
            "loaded",
            "verified",
        ],
        rows.iter().map(|row| {
            [
                row.case.clone(),
                row.program.clone(),
                row.kind.clone(),
                format!("{:.3}", row.per_unit),
                whole_number(row.instructions),
                row.translated.to_string(),
                match row.verified {
                    0 => "not told".to_owned(),
                    verified => verified.to_string(),
                },
            ]
        }),
    )
}

fn user(user: &User) -> String {
    let share = |spent: &Spent| {
        let per_second = spent.cpu_ns as f64 / spent.wall_ns as f64 * 1e3;
        format!(
            "{per_second:.2} million instructions a second ({:.2} % of a core)",
            spent.percent()
        )
    };
    let memory = |spent: &Spent| format!("{:.1} MiB", spent.peak_mib());
    let busy = format!("with {} new UDP flows a second", user.busy_flows);
    table(
        ["what", "measured"],
        [
            [
                "CPU, idle table, interval 1 s".to_owned(),
                share(&user.idle),
            ],
            [format!("CPU, {busy}"), share(&user.busy)],
            [
                "resident memory at most, idle".to_owned(),
                memory(&user.idle),
            ],
            [
                format!("resident memory at most, {busy}"),
                memory(&user.busy),
            ],
            [
                "from exec to the measured command's start, the hooks attached".to_owned(),
                millions(user.attached_ns),
            ],
            [
                "from exec to the end of `tracker profile --duration 1ms`".to_owned(),
                millions(user.shortest_ns),
            ],
        ],
    )
}

/// What watching adds in the cases that have budgets.
pub fn added(report: &Report) -> String {
    let number = |value: Option<f64>| value.map_or_else(|| "not measured".to_owned(), whole_number);
    table(
        ["case", "unobserved", "tracker adds", "by kprobes"],
        report.costs.iter().map(|cost| {
            [
                cost.name.clone(),
                whole_number(cost.unobserved),
                whole_number(cost.added()),
                number(cost.added_by_kprobes()),
            ]
        }),
    )
}

/// The limits, and whether they are kept.
pub fn budgets(judged: &[Judged]) -> String {
    let number = |value: f64, unit: &str| match unit {
        "instructions" => whole_number(value),
        _ => format!("{value:.2}"),
    };
    table(
        ["budget", "limit", "measured", "verdict"],
        judged.iter().map(|it| {
            [
                it.what.to_owned(),
                format!("under {} {}", it.limit, it.unit),
                it.measured.map_or_else(
                    || "not here".to_owned(),
                    |value| format!("{} {}", number(value, it.unit), it.unit),
                ),
                verdict(it),
            ]
        }),
    )
}

fn verdict(it: &Judged) -> String {
    let share = it.measured.map_or(0.0, |value| 100.0 * value / it.limit);
    match it.verdict() {
        Verdict::Kept => format!("kept: {share:.0} % of it"),
        Verdict::Exceeded => format!("**exceeded**: {share:.0} % of it"),
        Verdict::Missing => "**not measured**".to_owned(),
        Verdict::Unknown => "not known".to_owned(),
    }
}

fn whole_number(value: f64) -> String {
    format!("{value:.0}")
}

fn millions(ns: u64) -> String {
    format!(
        "{:.0} million instructions and waits of as many ns",
        ns as f64 / 1e6
    )
}

/// A table of Markdown, whose columns stand below one another also where it is not rendered.
pub fn table<T: Display, const N: usize>(
    head: [&str; N],
    rows: impl IntoIterator<Item = [T; N]>,
) -> String {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned))
        .chain(rows.into_iter().map(|row| row.map(|cell| cell.to_string())))
        .collect();
    let mut widths = [3; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(widths);
        let padded: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text += &format!("| {} |\n", padded.join(" | "));
        if number == 0 {
            let rule = widths.map(|width| "-".repeat(width));
            text += &format!("| {} |\n", rule.join(" | "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::budget::About;
    use super::*;

    #[test]
    fn a_table_has_a_head_and_rows_in_columns() {
        let text = table(["a", "better"], [[10, 2], [1000, 20]]);
        let expected = "\
| a    | better |
| ---- | ------ |
| 10   | 2      |
| 1000 | 20     |
";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_budget_stands_beside_what_was_measured_and_the_verdict() {
        let judged = |measured| Judged {
            about: About::Instructions,
            what: "a packet",
            unit: "instructions",
            limit: 300.0,
            measured,
        };
        let expected = "\
| budget   | limit                  | measured         | verdict                   |
| -------- | ---------------------- | ---------------- | ------------------------- |
| a packet | under 300 instructions | 270 instructions | kept: 90 % of it          |
| a packet | under 300 instructions | 330 instructions | **exceeded**: 110 % of it |
| a packet | under 300 instructions | not here         | **not measured**          |
";
        let text = budgets(&[judged(Some(270.0)), judged(Some(330.0)), judged(None)]);
        assert_eq!(text, expected, "\n{text}");
    }
}
