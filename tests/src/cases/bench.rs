//! `tracker bench`: every observer is there, sees the flood, and goes.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::faces::poll;
use super::tracker::{end_with, program};
use super::{Case, Kind};
use crate::lab::no_namespace_is_left;

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![Case {
        name: "bench",
        kind: Kind::Free(bench),
    }]
}

/// A flood that is slow enough for every listener.
const FLOOD: [&str; 7] = [
    "bench",
    "dns",
    "--rate",
    "200",
    "--duration",
    "2s",
    "--json",
];

const OBSERVERS: [&str; 4] = [
    "nobody",
    "tracker profile",
    "conntrack -E",
    "counting listener",
];

fn bench() -> Result<()> {
    let printed = end_with(Command::new(program()).args(FLOOD), 0)?;
    let report: Value = serde_json::from_str(&printed)?;
    let rows = report["observers"].as_array().context("no observers")?;
    let names: Vec<&str> = rows
        .iter()
        .filter_map(|it| it["observer"].as_str())
        .collect();
    ensure!(names == OBSERVERS, "the observers are {names:?}");
    let made = rows[0]["entries"].as_u64().context("no entries")?;
    ensure!(made > 200, "only {made} entries were made");
    for row in &rows[1..] {
        let seen = &row["seen"];
        // The table is emptied at once, which is too much for a socket's buffer, but not for tracker.
        let lost = row.pointer("/losses/messages").and_then(Value::as_u64);
        let deaths = seen["destroyed"].as_u64().unwrap_or(0) + lost.unwrap_or(0);
        ensure!(
            row["entries"] == made && seen["inserted"] == made && deaths == made,
            "not all of {made} entries were seen: {row}"
        );
        ensure!(row["unseen"] == 0, "some are unseen: {row}");
        let own = |path: &str| row.pointer(path).and_then(Value::as_f64).unwrap_or(0.0);
        let cpu = own("/process/user_s") + own("/process/kernel_s");
        ensure!(cpu > 0.0, "it takes no time: {row}");
        ensure!(own("/memory/peak_bytes") > 1e5, "it takes no memory: {row}");
    }
    ensure!(rows[1]["losses"] == json!({}), "losses: {}", rows[1]);
    let maps = rows[1].pointer("/memory/maps_bytes");
    ensure!(
        maps.and_then(Value::as_u64) > Some(1 << 16),
        "tracker's maps take {maps:?}"
    );
    let programs = report["programs"].as_array().context("no programs")?;
    let runs = |name: &str| {
        let of_hook = programs
            .iter()
            .filter(|it| it["name"].as_str().is_some_and(|it| it.starts_with(name)));
        of_hook.filter_map(|it| it["runs"].as_u64()).sum::<u64>()
    };
    ensure!(runs("insert") == made, "programs: {programs:?}");
    ensure!(runs("udp_packet") > made, "programs: {programs:?}");
    poll("the end of the lab's namespaces", || {
        no_namespace_is_left().is_ok_and(|none| none).then_some(())
    })
}
