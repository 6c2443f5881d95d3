//! `tracker doctor`: what a machine offers, as tables or JSON.

use comfy_table::Cell;

use super::Style;
use crate::{doctor::Checkup, source::ebpf::Offer, units};

/// As JSON, with a line end.
#[must_use]
pub fn json(checkup: &Checkup) -> String {
    let mut text = serde_json::to_string_pretty(checkup).unwrap_or_default();
    text.push('\n');
    text
}

/// For people.
#[must_use]
pub fn table(checkup: &Checkup, style: &Style) -> String {
    let mut text = String::new();
    let verdict = match checkup.can_observe {
        true if checkup.hooks.is_empty() => "should let itself be watched (not tried)",
        true => "can be watched",
        false => "cannot be watched by you",
    };
    text += &style.paragraph(&format!("{} {verdict}.", checkup.host), 0);
    text.push('\n');
    for (name, value) in facts(checkup) {
        text += &format!("  {name:<11} {value}\n");
    }
    let mut section = |title: &str, body: String| {
        if !body.is_empty() {
            text.push('\n');
            text += &style.heading(title);
            text.push('\n');
            text += &body;
        }
    };
    section("Hooks", hooks(checkup, style));
    let lines = checkup
        .owners
        .sysctl_files
        .iter()
        .chain(&checkup.owners.modprobe_files);
    let rows = lines.map(|it| {
        let live = checkup.sysctls.get(&it.name).map(u64::to_string);
        [
            Cell::new(&it.file),
            Cell::new(&it.name),
            Cell::new(&it.value),
            Cell::new(live.unwrap_or_default()),
        ]
    });
    section(
        "Set by files",
        style.grid(["file", "setting", "set", "now"], &[0, 1], rows),
    );
    let remedies = checkup.remedies.iter();
    section(
        "To know and to do",
        remedies
            .map(|it| style.paragraph(&format!("- {it}"), 2))
            .collect(),
    );
    text
}

fn facts(checkup: &Checkup) -> Vec<(&'static str, String)> {
    let types = match (checkup.has_btf, checkup.has_module_btf) {
        (false, _) => "none",
        (true, false) => "of the kernel",
        (true, true) => "of the kernel and of conntrack's module",
    };
    let conntrack = match checkup.conntrack {
        "built_in" => "built into the kernel",
        "loaded" => "a module, loaded",
        "not_loaded" => "a module, not loaded",
        _ => "absent",
    };
    let mut facts = vec![
        ("kernel", checkup.kernel.clone()),
        ("lockdown", checkup.lockdown.to_owned()),
        ("types (BTF)", types.to_owned()),
        ("conntrack", format!("{conntrack}; {}", checkup.tracking)),
    ];
    if !checkup.missing_capabilities.is_empty() {
        facts.push(("you lack", checkup.missing_capabilities.join(", ")));
    }
    if let Some(table) = checkup.table {
        facts.push((
            "table",
            format!(
                "{} of {} entries, {} buckets",
                units::grouped(table.count),
                units::grouped(table.max),
                units::grouped(table.buckets)
            ),
        ));
    }
    facts
}

fn hooks(checkup: &Checkup, style: &Style) -> String {
    let rows = checkup.offers.iter().map(|offer| {
        let taken = checkup.hooks.iter().find(|it| it.event == offer.event);
        let took = taken.map(|it| format!("{} {}", it.kind, it.symbol));
        [
            Cell::new(offer.event),
            Cell::new(has(offer)),
            Cell::new(took.unwrap_or_default()),
        ]
    });
    style.grid(["event", "the kernel has", "taken"], &[0, 1, 2], rows)
}

fn has(offer: &Offer) -> String {
    match (offer.candidates.first(), offer.required) {
        (Some(best), _) => format!("{} {}", best.kind, best.symbol),
        (None, true) => "nothing, and it is needed".to_owned(),
        (None, false) => "nothing".to_owned(),
    }
}
