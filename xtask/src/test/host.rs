//! The tests that cargo runs on this machine.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result};

use super::tally::Tally;
use crate::workspace;

/// Runs `cargo test` and counts.
pub fn run(filter: Option<&str>) -> Result<Tally> {
    let started = Instant::now();
    let mut cargo = workspace::cargo();
    // Every package's tests are wanted, also after a failure.
    cargo
        .args(["test", "--no-fail-fast"])
        .args(filter)
        .stdout(Stdio::piped());
    let mut child = cargo.spawn().context("cannot run cargo test")?;
    let mut text = String::new();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            println!("{line}");
            text += &line;
            text.push('\n');
        }
    }
    let status = child.wait()?;
    let tally = Tally::of_cargo(&text).with_status(status.success());
    Ok(Tally {
        place: "this machine".into(),
        took: started.elapsed(),
        ..tally
    })
}
