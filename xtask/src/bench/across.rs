//! What watching adds, on all kernels side by side.

use std::collections::BTreeSet;

use super::Bench;

/// A row for each case, a column for each kernel.
pub fn table(benches: &[Bench]) -> String {
    let mut text = String::from(
        "## All kernels\n\nPrinted by `cargo xtask bench`. Instructions that watching adds:\n\n",
    );
    let mut rows = vec![
        head("what", benches, |bench| bench.spec.to_string()),
        head("---", benches, |_| "---".to_owned()),
        head("attached as", benches, kinds),
    ];
    let cases = benches.first().map_or(&[][..], |bench| &bench.report.costs);
    for case in cases {
        let what = format!("{} (`{}`), per {}", case.what, case.name, case.per);
        rows.push(head(&what, benches, |bench| {
            let cost = bench.report.cost(&case.name);
            cost.map_or_else(String::new, |cost| format!("{:.0}", cost.added()))
        }));
    }
    for cells in rows {
        text += &format!("| {} |\n", cells.join(" | "));
    }
    text
}

fn head(what: &str, benches: &[Bench], cell: impl Fn(&Bench) -> String) -> Vec<String> {
    std::iter::once(what.to_owned())
        .chain(benches.iter().map(cell))
        .collect()
}

/// How the programs were attached that tracker chose by itself: those of the first that is told of each.
fn kinds(bench: &Bench) -> String {
    let mut seen = BTreeSet::new();
    let first = bench
        .report
        .programs
        .iter()
        .filter(|runs| seen.insert((&runs.case, &runs.program)));
    let kinds: BTreeSet<&str> = first.map(|runs| runs.kind.as_str()).collect();
    kinds.into_iter().collect::<Vec<_>>().join(", ")
}
