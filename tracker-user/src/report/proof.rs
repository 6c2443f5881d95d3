//! `tracker lab prove`: what a plan promised, and what came.

use comfy_table::Cell;

use super::Style;
use crate::{
    proof::{Check, Likeness, Outcome, Proof, Untested},
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
    if proof.holds.is_none() {
        return untested(&proof.untested);
    }
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
    text += &changes;
    text += &each(&proof.untested);
    if let Some(likeness) = &proof.likeness {
        text += &like(*likeness);
    }
    text.push('\n');
    let header = ["", "today", "predicted", "measured", "off", "may be", ""];
    text += &style.grid(header, &[0, 6], proof.checks.iter().map(row));
    text.push('\n');
    text += match proof.outcome() {
        Outcome::Holds => "It holds.\n",
        Outcome::Partly => "What was tested holds.\n",
        Outcome::Fails | Outcome::Nothing => "It does not hold.\n",
    };
    text
}

/// Of a plan that changes nothing, or nothing that can be tested.
fn untested(changes: &[Untested]) -> String {
    if changes.is_empty() {
        return "The plan changes nothing: there is nothing to prove.\n".to_owned();
    }
    each(changes) + "Nothing that the plan changes can be tested so.\n"
}

fn each(untested: &[Untested]) -> String {
    let line = |it: &Untested| {
        let name = it.name.trim_start_matches("net.netfilter.");
        format!("Not tested: {name}: {}.\n", it.why)
    };
    untested.iter().map(line).collect()
}

/// How near the play is to what was recorded.
fn like(likeness: Likeness) -> String {
    let number = |it: f64| units::grouped(it.round() as u64);
    let (recorded, played) = (number(likeness.recorded), number(likeness.played));
    let mut text = format!(
        "{played} entries on average are played under today's settings; {recorded} would be as many as were recorded.\n"
    );
    if !likeness.is_near() {
        text += "That is other traffic than was recorded: what follows says less of it.\n";
    }
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
