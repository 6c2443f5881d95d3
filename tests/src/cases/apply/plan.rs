//! A plan to apply, without a watch before it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::cases::tracker::program;
use crate::net::Netns;

/// A plan on the disk: settings with what they are and what they become, for some namespaces.
pub struct Plan {
    /// The plan.
    pub file: PathBuf,
    /// Where `apply` is to remember the old values.
    pub state: PathBuf,
}

impl Plan {
    /// Writes it.
    pub fn write(places: &[&Netns], settings: &[(&str, u64, u64)]) -> Result<Self> {
        let plan = Self {
            file: "/tmp/plan.json".into(),
            state: "/tmp/applied/state.json".into(),
        };
        let places = places
            .iter()
            .map(|it| json!({ "inum": 1, "name": it.name() }));
        let settings = settings.iter().map(|&(name, current, recommended)| {
            let action = if recommended < current {
                "lower"
            } else {
                "raise"
            };
            json!({
                "name": format!("net.netfilter.{name}"), "current": current,
                "recommended": recommended, "action": action, "reason": "seen", "entries_saved": 0,
                "evidence": {
                    "connections": 90_000, "exceedances": 0, "harm_upper_95": 3.3e-5,
                    "max_gap_s": 0.3, "worst_stratum": null,
                },
            })
        });
        let text = json!({
            "schema_version": 2, "policy": "balanced", "max_harm": 1e-4,
            "machine": { "id": null, "host": "elsewhere" }, "kernel": "6.12", "scope": "all",
            "namespaces": places.collect::<Value>(), "settings": settings.collect::<Value>(),
            "observed": {
                "hosts": ["elsewhere"], "duration_s": 900.0, "inserts": 90_000, "deaths": 90_000,
                "count_mean": 5.0, "count_peak": 6, "little_mean": 5.0,
            },
            "table": {
                "max": 1, "buckets": 1, "memory_bytes": 1, "current_max": 1, "current_buckets": 1,
                "current_memory_bytes": 1, "needed": 1, "chain_mean": 1.0, "flood": [],
            },
            "predicted": {
                "count_mean": 4.0, "count_p99": 4, "count_peak": 5, "overdue_s": 1.0,
                "little_mean": 4.0,
            },
            "guard": {
                "max_harm": 1e-4, "inserts_per_s": 100.0, "pickups_per_s": 0.0,
                "returns_per_s": 0.0, "early_drop_per_s": 0.0, "drop_per_s": 0.0,
                "insert_failed_per_s": 0.0,
            },
            "warnings": [],
        });
        fs::write(&plan.file, text.to_string())?;
        Ok(plan)
    }

    /// The command that applies it without asking.
    pub fn apply(&self) -> Command {
        let mut command = Command::new(program());
        command
            .arg("apply")
            .arg(&self.file)
            .args(["--yes", "--any-machine", "--state"]);
        command.arg(&self.state);
        command
    }

    /// The command that takes it back.
    pub fn rollback(&self) -> Command {
        let mut command = Command::new(program());
        command.args(["rollback", "--state"]).arg(&self.state);
        command
    }

    /// Fails unless a process that was killed or refused has left nothing.
    pub fn is_forgotten(&self) -> Result<()> {
        ensure!(!self.state.exists(), "old values are still remembered");
        Ok(())
    }
}
