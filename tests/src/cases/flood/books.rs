//! What must hold of every report, whatever happened: nothing is lost, and all sums agree.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// Bits of the kernel's taint that a bug sets: it died, it warned, a CPU was stuck.
const TAINT_OF_BUGS: u64 = 1 << 7 | 1 << 9 | 1 << 14;

/// The books of a report: complete, and balanced as a whole and for each namespace. Nothing is lost but events that the
/// kernel says it did not show; how many these are.
pub fn accounted(report: &Value) -> Result<u64> {
    ensure!(report["complete"] == json!(true), "it is not complete");
    let missed = missed(report)?;
    let namespaces = report["namespaces"].as_array().context("no namespaces")?;
    ensure!(!namespaces.is_empty(), "no namespace is reported");
    for part in std::iter::once(report).chain(namespaces) {
        balanced(part, missed).with_context(|| format!("of {}", part["name"]))?;
    }
    Ok(missed)
}

/// Events that the kernel says it did not show; there is no other loss.
pub fn missed(report: &Value) -> Result<u64> {
    let losses = report["losses"].as_object().context("no losses")?;
    let mut others = losses.iter().filter(|(name, _)| *name != MISSED);
    ensure!(others.all(|(_, count)| *count == 0), "losses: {losses:?}");
    number(&report["losses"][MISSED])
}

/// The kernel's own counter of skipped programs.
const MISSED: &str = "probe_missed";

fn balanced(part: &Value, missed: u64) -> Result<()> {
    let balance = &part["balance"];
    let of = |name: &str| number(&balance[name]);
    let came = of("inserted")? + of("live_at_start")?;
    let went = of("destroyed")? + of("live_at_end")?;
    let lost = balance["lost"].as_i64().context("no lost")?;
    ensure!(
        came.checked_add_signed(-lost) == Some(went) && lost.unsigned_abs() <= missed,
        "balance: {balance}, missed {missed}"
    );
    ensure!(
        total(&part["inserts"], "count")? == of("inserted")?,
        "inserts: {} and {balance}",
        part["inserts"]
    );
    ensure!(
        total(&part["deaths"], "count")? == of("destroyed")?,
        "deaths: {} and {balance}",
        part["deaths"]
    );
    Ok(())
}

/// The kernel has not complained.
pub fn no_complaint() -> Result<()> {
    let taint: u64 = fs::read_to_string("/proc/sys/kernel/tainted")?
        .trim()
        .parse()?;
    ensure!(taint & TAINT_OF_BUGS == 0, "the kernel is tainted: {taint}");
    Ok(())
}

/// A number of a report.
pub fn number(value: &Value) -> Result<u64> {
    value
        .as_u64()
        .with_context(|| format!("{value} is no number"))
}

/// Sum of a column.
pub fn total(rows: &Value, column: &str) -> Result<u64> {
    let rows = rows.as_array().context("no rows")?;
    rows.iter().map(|row| number(&row[column])).sum()
}

/// Deaths for one reason, over all states.
pub fn deaths(report: &Value, reason: &str) -> Result<u64> {
    let rows = report["deaths"].as_array().context("no deaths")?;
    let rows = rows.iter().filter(|row| row["reason"] == reason);
    rows.map(|row| number(&row["count"])).sum()
}

/// Entries that the kernel's garbage collector has evicted at most, which no counter of the kernel tells: where the table
/// is nearly full, it evicts those that were not answered in each of its passes, of which there is one a second at most.
pub fn swept(unanswered: u64, seconds: f64) -> u64 {
    unanswered * (seconds.ceil() as u64 + 1)
}
