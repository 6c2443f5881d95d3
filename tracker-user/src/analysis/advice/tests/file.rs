//! A plan that was written can be read, and nothing else.

use std::path::Path;

use super::{advised, short_connections};
use crate::{
    analysis::advice::{
        Action,
        file::{PlanFile, PlanFileError},
    },
    settings::Name,
};
use tracker_common::Timer;

fn json() -> serde_json::Value {
    serde_json::to_value(advised(&mut short_connections(90_000), 900)).unwrap()
}

fn read(json: &serde_json::Value) -> Result<PlanFile, PlanFileError> {
    PlanFile::parse(Path::new("plan.json"), &json.to_string())
}

#[test]
fn what_was_written_is_read() {
    let plan = advised(&mut short_connections(90_000), 900);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.json");
    std::fs::write(&path, serde_json::to_string(&plan).unwrap()).unwrap();
    let read = PlanFile::open(&path).unwrap();
    assert_eq!(read.settings.len(), plan.settings.len());
    for (read, written) in read.settings.iter().zip(&plan.settings) {
        assert_eq!(read.name.full(), written.name);
        assert_eq!(read.recommended, written.recommended);
        assert_eq!(read.evidence, written.evidence);
    }
    assert_eq!(read.machine.id.as_deref(), Some("5f2c"));
    assert_eq!(read.namespaces[0].name, "host");
    assert_eq!(read.table.max, plan.table.max);
    assert_eq!(read.table.flood.len(), 3);
    assert_eq!((read.guard, read.predicted), (plan.guard, plan.predicted));
    let changes = read.changes().unwrap();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].name, Name::Timer(Timer::TcpTimeWait));
    assert_eq!(read.settings[0].action, Action::Lower);
}

#[test]
fn whatever_else_is_refused_with_its_remedy() {
    let mut older = json();
    older["schema_version"] = 1.into();
    let mut foreign = json();
    foreign.as_object_mut().unwrap().remove("schema_version");
    let mut no_guard = json();
    no_guard.as_object_mut().unwrap().remove("guard");
    let mut unknown = json();
    unknown["settings"][0]["name"] = "net.netfilter.nf_conntrack_tcp_timeout_timewait".into();
    let mut zero = json();
    zero["settings"][0]["recommended"] = 0.into();
    let mut contradiction = json();
    contradiction["settings"][0]["action"] = "raise".into();
    let mut twice = json();
    twice["settings"][1] = twice["settings"][0].clone();
    for (json, says) in [
        (
            older,
            "has version 1 of a plan's shape, and this tracker knows 2",
        ),
        (foreign, "is no plan"),
        (no_guard, "missing field `guard`"),
        (unknown, "Write nf_conntrack_tcp_timeout_time_wait"),
        (zero, "cannot be 0"),
        (contradiction, "is to raise from 120 to 60"),
        (twice, "is in it twice"),
    ] {
        let said = read(&json).unwrap_err().to_string();
        assert!(said.contains(says), "{said}");
        assert!(said.contains("tracker recommend --format json"), "{said}");
    }
    for (text, says) in [
        ("", "x is no whole plan: EOF"),
        ("{", "x is no whole plan: EOF"),
        ("[]", "x is no plan."),
        ("[2]", "x is no plan."),
        ("null", "x is no plan."),
        ("7", "x is no plan."),
        (r#"{"schema_version": "2"}"#, "x is no plan."),
    ] {
        let said = PlanFile::parse(Path::new("x"), text);
        let said = said.unwrap_err().to_string();
        assert!(said.starts_with(says), "{text}: {said}");
    }
    let missing = PlanFile::open(Path::new("/nonexistent/plan.json"));
    assert!(matches!(missing, Err(PlanFileError::Unreadable { .. })));
}
