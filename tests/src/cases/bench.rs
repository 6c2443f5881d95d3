//! `tracker bench`: every observer is there, sees the flood, and goes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::errors::CANNOT_OBSERVE;
use super::tracker::{end_with, program};
use super::{Case, Kind};
use crate::lab::{Before, Hidden, signal_watcher};

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "bench",
            kind: Kind::Free(bench),
        },
        Case {
            name: "bench_interrupted",
            kind: Kind::Free(interrupted),
        },
        Case {
            name: "bench_killed",
            kind: Kind::Free(killed),
        },
        Case {
            name: "bench_observer_killed",
            kind: Kind::Free(observer_killed),
        },
    ]
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
    let before = Before::look()?;
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
    before.is_back()
}

/// Ctrl-C while the last observer watches, where `conntrack` is not installed.
fn interrupted() -> Result<()> {
    let before = Before::look()?;
    let done = {
        let _hidden = Hidden::program("conntrack")?;
        ended_in("counting listener", Signal::SIGINT)?
    };
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.code() == Some(130), "{}: {said}", done.status);
    let report: Value = serde_json::from_slice(&done.stdout)?;
    ensure!(report["interrupted"] == true, "{report}");
    let rows = report["observers"].as_array().context("no observers")?;
    for row in &rows[..2] {
        ensure!(
            row["entries"].as_u64() > Some(0),
            "it was not measured: {row}"
        );
    }
    for (row, why) in rows[2..].iter().zip([
        "conntrack is not here. Install it",
        "the bench was interrupted. Run it again",
    ]) {
        let said = row["left_out"].as_str().context("it is not left out")?;
        ensure!(said.starts_with(why) && row["entries"].is_null(), "{row}");
    }
    ensure!(folders()?.is_empty(), "{:?} are left", folders()?);
    before.is_back()
}

/// Killed while tracker watches: only the folder is left, which the next bench takes away.
fn killed() -> Result<()> {
    let before = Before::look()?;
    ended_in("tracker profile", Signal::SIGKILL)?;
    before.is_back()?;
    ensure!(folders()?.len() == 1, "{:?} are left", folders()?);
    let done = ended_in("tracker profile", Signal::SIGINT)?;
    ensure!(done.status.code() == Some(130), "{}", done.status);
    ensure!(folders()?.is_empty(), "{:?} are left", folders()?);
    before.is_back()
}

/// tracker is killed while it watches: its row says so, and the bench's status too.
fn observer_killed() -> Result<()> {
    let before = Before::look()?;
    let done = while_watched("tracker profile", |_| signal_watcher(Signal::SIGKILL))?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(
        done.status.code() == Some(CANNOT_OBSERVE),
        "{}: {said}",
        done.status
    );
    let report: Value = serde_json::from_slice(&done.stdout)?;
    let row = &report["observers"][1];
    let why = row["left_out"].as_str().context("it is not left out")?;
    ensure!(why.contains("SIGKILL") && row["entries"].is_null(), "{row}");
    before.is_back()
}

/// A bench that is sent a signal in the middle of the flood under an observer.
fn ended_in(observer: &str, signal: Signal) -> Result<Output> {
    while_watched(observer, |bench| Ok(kill(bench, signal)?))
}

/// Does something in the middle of the flood under an observer, and waits for the bench's end.
fn while_watched(observer: &str, work: impl FnOnce(Pid) -> Result<()>) -> Result<Output> {
    let mut bench: Child = Command::new(program())
        .args(FLOOD)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let stderr = bench.stderr.take().context("no pipe")?;
    let mut lines = BufReader::new(stderr).lines();
    lines
        .find(|line| line.as_ref().is_ok_and(|line| line.ends_with(observer)))
        .with_context(|| format!("the bench does not come to {observer}"))??;
    std::thread::sleep(Duration::from_secs(1));
    work(Pid::from_raw(bench.id().cast_signed()))?;
    Ok(bench.wait_with_output()?)
}

/// What benches have made for their observers to write in.
fn folders() -> Result<Vec<PathBuf>> {
    let all = fs::read_dir("/tmp")?.collect::<Result<Vec<_>, _>>()?;
    let of_bench = all.iter().filter(|it| {
        it.file_name()
            .to_string_lossy()
            .starts_with("tracker-bench")
    });
    Ok(of_bench.map(fs::DirEntry::path).collect())
}
