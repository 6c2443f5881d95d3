//! What advice on a long recording takes, which needs no kernel.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde::Deserialize;

use super::budget::{About, Judged};
use crate::process::capture;

/// What `bench-day` prints.
#[derive(Deserialize)]
struct Taken {
    cpu_s: f64,
    peak_kib: f64,
}

/// Holds `tracker recommend` on a day's recording of 10 million connections against its limits: a second of a CPU,
/// which is what it takes where nothing else runs, and memory.
pub fn judge(programs: &Path) -> Result<Vec<Judged>> {
    let text = capture(Command::new(programs.join("bench-day")).arg(programs.join("tracker")))?;
    let taken: Taken = serde_json::from_str(&text)?;
    let judged = |what, unit, limit, measured| Judged {
        about: About::Advice,
        what,
        unit,
        limit,
        measured: Some(measured),
    };
    Ok(vec![
        judged(
            "advice on a day of 10 million connections",
            "s of a CPU",
            1.0,
            taken.cpu_s,
        ),
        judged(
            "the same: resident memory, at most",
            "MiB",
            100.0,
            taken.peak_kib / 1_024.0,
        ),
    ])
}
