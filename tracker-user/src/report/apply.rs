//! `tracker apply` and `tracker rollback`: what differs, and what became of it.

use comfy_table::Cell;

use super::Style;
use crate::{
    apply::{Change, Drift, Intent, Outcome, Restored},
    kernel::owners::KubeProxy,
    settings::Name,
    units,
};

/// What is to be changed, who else is to be told, and what to know; for a machine with so many CPUs.
#[must_use]
pub fn intent(intent: &Intent, cpus: u32, style: &Style) -> String {
    let mut text = String::new();
    if intent.changes.is_empty() {
        if intent.delegated.is_empty() {
            text += "No value differs from the plan.\n";
        }
    } else {
        let rows = intent.changes.iter().map(|it| {
            [
                Cell::new(it.name.short()),
                Cell::new(&it.place.name),
                Cell::new(value(it.name, it.before)),
                Cell::new(value(it.name, it.after)),
            ]
        });
        text += &style.grid(["setting", "namespace", "now", "plan"], &[0, 1], rows);
    }
    if !intent.delegated.is_empty() {
        if !text.is_empty() {
            text += "\n";
        }
        text += &style.paragraph(
            "kube-proxy runs here and would overwrite these when it starts anew, so they are not \
             written. Put them into its configuration (KubeProxyConfiguration):",
            0,
        );
        for line in KubeProxy::configuration(&intent.delegated, cpus).lines() {
            text += &format!("  {line}\n");
        }
    }
    for warning in &intent.warnings {
        text += &style.paragraph(&format!("- {warning}"), 2);
    }
    text
}

/// What became of each setting.
#[must_use]
pub fn outcome(outcome: &Outcome, style: &Style) -> String {
    let mut text = String::new();
    let rebooted = outcome
        .changes
        .iter()
        .any(|(_, it)| *it == Restored::Rebooted);
    let rows = outcome
        .changes
        .iter()
        .filter(|(_, it)| *it != Restored::Rebooted)
        .map(|(change, restored)| row(change, restored));
    text += &style.grid(["setting", "namespace", "value", ""], &[0, 1, 3], rows);
    if rebooted {
        text += &style.paragraph(
            "The machine has been started anew since the plan was applied: live values are those of \
             that start.",
            0,
        );
    }
    match outcome.own_file {
        Some(true) => text += "The file that sets the values at boot is as it was before.\n",
        Some(false) => {
            text += &style.paragraph(
                "The file that sets the values at boot has been changed by somebody else, and stays \
                 as it is: restore it with --force.",
                0,
            );
        }
        None => {}
    }
    let is_unseen = |it: &(Change, Restored)| it.1 == Restored::Unseen;
    if outcome.changes.iter().any(is_unseen) {
        text += &style.paragraph(
            "What is not to be seen from here stays remembered: run tracker rollback on the machine itself, \
             outside of containers, or forget it with --forget.",
            0,
        );
    }
    let is_stranger = |it: &(Change, Restored)| matches!(it.1, Restored::Stranger(_));
    if outcome.changes.iter().any(is_stranger) {
        text += &style.paragraph(
            "The number of a namespace is another one's by now, or it has got another name: if it is the same \
             one, restore it with --force, and if it is gone, forget it with --forget.",
            0,
        );
    }
    if let Some(stale) = &outcome.stale {
        text += &style.paragraph(stale, 0);
    }
    if outcome.conflicts().next().is_some() {
        text += &style.paragraph(
            "Somebody else has set values since the plan was applied, and they stay: restore those \
             too with --force.",
            0,
        );
    }
    text
}

/// What of the plan is not in force any more at the end of a guard, and what that means.
#[must_use]
pub fn drifted(drifted: &[Drift], changes: &[Change], style: &Style) -> String {
    let rows = drifted.iter().map(|it| {
        let name = it.change.name;
        let gone = || "gone".to_owned();
        [
            Cell::new(name.short()),
            Cell::new(&it.change.place.name),
            Cell::new(value(name, it.change.after)),
            Cell::new(it.now.map_or_else(gone, |now| value(name, now))),
        ]
    });
    let mut text = style.grid(["setting", "namespace", "written", "now"], &[0, 1], rows);
    let judged = if drifted.len() == changes.len() {
        "Nothing of the plan is in force any more: it was not the plan that was judged."
    } else {
        "This is not in force any more: it was not the whole plan that was judged."
    };
    text += &style.paragraph(
        &format!(
            "{judged} No harm was seen, and nothing is set at boot. See with tracker doctor who else sets \
             values, go back with tracker rollback, and apply the plan again."
        ),
        0,
    );
    text
}

fn row(change: &Change, restored: &Restored) -> [Cell; 4] {
    let (now, said) = match restored {
        Restored::Done | Restored::Rebooted => (Some(change.before), "restored".to_owned()),
        Restored::Already => (Some(change.before), "as before".to_owned()),
        Restored::Changed(now) => {
            let old = value(change.name, change.before);
            (Some(*now), format!("set by somebody else, was {old}"))
        }
        Restored::Gone => (None, "gone".to_owned()),
        Restored::Unseen => (None, "not to be seen from here".to_owned()),
        Restored::Stranger(name) if *name == change.place.name => {
            (None, "another namespace of this name".to_owned())
        }
        Restored::Stranger(name) => (None, format!("not this namespace, but {name}")),
    };
    [
        Cell::new(change.name.short()),
        Cell::new(&change.place.name),
        Cell::new(now.map_or_else(String::new, |now| value(change.name, now))),
        Cell::new(said),
    ]
}

/// A value with its unit.
fn value(name: Name, value: u64) -> String {
    match name {
        Name::Timer(_) => units::whole(value),
        Name::Max if value == 0 => "unlimited".to_owned(),
        _ => units::grouped(value),
    }
}
