//! tracker's programs in the kernel: how long each takes, by the kernel's own statistics.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::source::ebpf::statistics::{ProgramStatistics, programs};

/// A program, and what it took during a flood.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Program {
    /// The first 15 bytes of its name, which end in how it is attached.
    pub name: String,
    /// Times that it ran.
    pub runs: u64,
    /// Nanoseconds a run. In a guest whose clock counts instructions, these are instructions.
    pub ns_per_run: f64,
    /// Its instructions, as the kernel has translated them.
    pub loaded: Option<u32>,
    /// Instructions that the verifier walked, where it tells.
    pub verified: Option<u32>,
}

/// The programs that are in the kernel by now. None where it does not show them.
#[must_use]
pub fn there() -> BTreeSet<u32> {
    let all = programs().unwrap_or_default();
    all.into_iter().map(|program| program.id).collect()
}

/// Those that came since, and ran.
#[must_use]
pub fn since(before: &BTreeSet<u32>) -> Vec<Program> {
    let all = programs().unwrap_or_default();
    ran(before, all)
}

fn ran(before: &BTreeSet<u32>, all: Vec<ProgramStatistics>) -> Vec<Program> {
    let mut ran: Vec<Program> = all
        .into_iter()
        .filter(|program| program.runs > 0 && !before.contains(&program.id))
        .map(|program| Program {
            ns_per_run: program.ns as f64 / program.runs as f64,
            name: program.name,
            runs: program.runs,
            loaded: program.loaded,
            verified: program.verified,
        })
        .collect();
    ran.sort_by(|a, b| a.name.cmp(&b.name));
    ran
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_since_and_ran_counts() {
        let program = |id, name: &str, runs| ProgramStatistics {
            id,
            name: name.to_owned(),
            runs,
            ns: 300,
            loaded: Some(20),
            verified: None,
        };
        let all = vec![
            program(1, "old", 5),
            program(2, "udp_packet_fent", 3),
            program(3, "census", 0),
        ];
        let ran = ran(&BTreeSet::from([1]), all);
        assert_eq!(ran.len(), 1);
        assert_eq!(ran[0].name, "udp_packet_fent");
        assert!((ran[0].ns_per_run - 100.0).abs() < f64::EPSILON);
    }
}
