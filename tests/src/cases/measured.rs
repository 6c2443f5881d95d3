//! Deciding a case by comparing tracker's whole report with the truth.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use serde_json::Value;
use tracker_user::lab::clock::ClockError;

use super::places::Places;
use super::tracker::{end_with, program, show};
use super::{Kind, Measured, all};
use crate::net::{NetError, Topology};
use crate::traffic::{Stage, TrafficError};
use crate::truth::{Ledger, LedgerError, Watch, diff, expect};

/// The variable that names the file in which the traffic part writes the truth.
const TRUTH: &str = "TRACKER_TRUTH";

/// Why a case failed.
#[derive(Debug, thiserror::Error)]
pub enum MeasuredError {
    /// A program could not be started.
    #[error("{what} could not be started: {source}. Name tracker's binary in the variable TRACKER")]
    Start {
        /// The command line.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// A program failed.
    #[error("{what} ended with {status}: {said}. See what it says")]
    Ended {
        /// The command line.
        what: String,
        /// How it ended.
        status: ExitStatus,
        /// Its stderr.
        said: String,
    },
    /// The report is no JSON.
    #[error("the report is no JSON: {source}. Look at what `tracker show --json` prints")]
    NoJson {
        /// The parser's answer.
        source: serde_json::Error,
    },
    /// The report is not the truth.
    #[error("{} fields differ:\n  {}", .0.len(), .0.join("\n  "))]
    Differs(Vec<String>),
    /// The namespaces refuse.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The traffic could not be made.
    #[error(transparent)]
    Traffic(#[from] TrafficError),
    /// The truth was not written down.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The time refuses.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// A file of the kernel cannot be read.
    #[error("{path}: {source}. The cases need root and a Linux with /proc")]
    Proc {
        /// The file.
        path: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// Runs a case: topologies, tracker around the traffic, comparison.
pub fn run(name: &str, case: &Measured, places: &mut Places) -> Result<(), MeasuredError> {
    let recording = PathBuf::from(format!("/tmp/{name}.db"));
    let truth = PathBuf::from(format!("/tmp/{name}.truth"));
    for prefix in case.prefixes {
        places.prepare(prefix)?;
    }
    let mut stage = Stage::open(case.prefixes[0], Ledger::default())?;
    (case.before)(&mut stage)?;
    for entry in &mut stage.ledger.entries {
        entry.before = true;
        entry.causes.clear();
    }
    stage.ledger.save(&truth)?;
    let routers = case
        .prefixes
        .iter()
        .map(|prefix| router(prefix))
        .collect::<Result<Vec<_>, _>>()?;

    end_with(&mut profile(case, &recording, name, &truth), case.exit)?;
    let report = show(&recording)?;
    let ledger = Ledger::load(&truth)?;
    let watch = watch(ledger.span, &report, routers)?;
    let mut wants = expect(&ledger, &watch);
    (case.adjust)(&mut wants);
    let differences = diff(&wants, &report);
    if !differences.is_empty() {
        return Err(MeasuredError::Differs(differences));
    }
    // What a failed case leaves serves to see why.
    let _ = fs::remove_file(&recording);
    let _ = fs::remove_file(&truth);
    Ok(())
}

fn router(prefix: &str) -> Result<(String, u64), NetError> {
    let router = Topology::attach(prefix).router.clone();
    Ok((router.name().to_owned(), router.inum()?))
}

/// The command that watches while this program makes a case's traffic.
fn profile(case: &Measured, recording: &Path, name: &str, truth: &Path) -> Command {
    let mut command = Command::new(program());
    let own = env::current_exe().unwrap_or_else(|_| "vm-cases".into());
    command
        .arg("profile")
        .args(["--netns", case.netns])
        .args(case.options)
        .arg("-o")
        .arg(recording)
        .arg("--")
        .arg(own);
    command.args(["traffic", name]).env(TRUTH, truth);
    command
}

/// The traffic part of a case, run while tracker watches.
pub fn traffic(name: &str) -> anyhow::Result<()> {
    let truth =
        PathBuf::from(env::var_os(TRUTH).unwrap_or_else(|| format!("/tmp/{name}.truth").into()));
    let case = all().into_iter().find(|case| case.name == name);
    let Some(Kind::Measured(case)) = case.map(|case| case.kind) else {
        anyhow::bail!("no case {name} makes traffic. See vm-cases --list");
    };
    // Without a case around it, the traffic has a topology of its own: to be looked at by other means.
    let before = Ledger::load(&truth).unwrap_or_default();
    let mut stage = Stage::open(case.prefixes[0], before)?;
    let begin = stage.clock.now()?;
    (case.traffic)(&mut stage)?;
    stage.ledger.span = (begin, stage.clock.now()?);
    stage.ledger.save(&truth)?;
    Ok(())
}

/// What the comparison needs to know of a watch.
pub fn watch(
    span: (u64, u64),
    report: &Value,
    namespaces: Vec<(String, u64)>,
) -> Result<Watch, MeasuredError> {
    let init = |name: &str| {
        let path = format!("/proc/sys/net/netfilter/nf_conntrack_{name}");
        fs::read_to_string(path)
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0)
    };
    let read =
        |path| fs::read_to_string(path).map_err(|source| MeasuredError::Proc { path, source });
    let symbols = read("/proc/kallsyms")?;
    let has = |symbol: &str| {
        symbols
            .lines()
            .any(|line| line.split_whitespace().nth(2) == Some(symbol))
    };
    let sole = "__nf_ct_delete_from_lists";
    let hooked = [
        ("insert", "__nf_conntrack_hash_insert"),
        ("tcp_packet", "nf_conntrack_tcp_packet"),
        ("udp_packet", "nf_conntrack_udp_packet"),
        ("udplite_packet", "nf_conntrack_udplite_packet"),
        ("icmp_packet", "nf_conntrack_icmp_packet"),
        ("icmpv6_packet", "nf_conntrack_icmpv6_packet"),
        ("gre_packet", "nf_conntrack_gre_packet"),
        ("sctp_packet", "nf_conntrack_sctp_packet"),
        (
            "destroy",
            if has(sole) {
                sole
            } else {
                "nf_ct_remove_expectations"
            },
        ),
    ];
    Ok(Watch {
        span,
        duration_s: report
            .get("duration_s")
            .and_then(Value::as_f64)
            .unwrap_or(1.0),
        kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
        table: (init("max"), init("buckets")),
        events: hooked
            .iter()
            .filter(|(_, symbol)| has(symbol))
            .copied()
            .collect(),
        namespaces,
    })
}
