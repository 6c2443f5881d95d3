//! `tracker lab prove`: what a plan promised, and what came.

use comfy_table::Cell;

use super::Style;
use crate::{
    proof::{Check, Proof},
    units,
};

/// A proof as JSON, with a line end.
#[must_use]
pub fn json(proof: &Proof) -> String {
    let mut text = serde_json::to_string_pretty(proof).unwrap_or_default();
    text.push('\n');
    text
}

/// A proof as tables.
#[must_use]
pub fn table(proof: &Proof, style: Style) -> String {
    let mut text = style.heading(&format!(
        "{}, seed {}, kernel {}: {} compared after {}",
        proof.scenario,
        proof.seed,
        proof.kernel,
        units::seconds(proof.compared_s),
        units::seconds(proof.warm_up_s),
    ));
    text.push('\n');
    let changes = proof.changes.iter().map(|it| {
        [
            Cell::new(it.name.trim_start_matches("net.netfilter.")),
            Cell::new(units::grouped(it.current)),
            Cell::new(units::grouped(it.recommended)),
        ]
    });
    let changes = style.grid(["setting", "today", "plan"], &[0], changes);
    text += if changes.is_empty() {
        "The plan changes nothing.\n"
    } else {
        &changes
    };
    text.push('\n');
    let header = ["", "today", "predicted", "measured", "off", "may be", ""];
    text += &style.grid(header, &[0, 6], proof.checks.iter().map(row));
    text.push('\n');
    text += match proof.holds {
        true => "It holds.\n",
        false => "It does not hold.\n",
    };
    text
}

fn row(check: &Check) -> [Cell; 7] {
    let number = |it: f64| units::grouped(it.round() as u64);
    let off = check.predicted.filter(|it| *it > 0.0);
    let off = off.map(|predicted| format!("{:+.1} %", 100.0 * (check.measured / predicted - 1.0)));
    let range = match (check.least > 0.0, check.most) {
        (true, most) => format!("{} to {}", number(check.least), number(most)),
        (false, most) => format!("up to {}", units::grouped(most.floor() as u64)),
    };
    [
        Cell::new(&check.what),
        Cell::new(number(check.today)),
        Cell::new(check.predicted.map_or_else(String::new, number)),
        Cell::new(number(check.measured)),
        Cell::new(off.unwrap_or_default()),
        Cell::new(range),
        Cell::new(if check.holds { "" } else { "FAILS" }),
    ]
}
