//! A recording becomes a scenario: connections like those that were seen, for the lab to make.
//!
//! For each protocol and destination port it has a population that arrives as connections did, opens,
//! talks, pauses, falls silent or closes as often, and for as long, as the recording says. What the
//! recording tells only of the whole namespace is taken to be the same for all its ports, but for how
//! long entries were in the table and their longest pauses, which it has for each.

mod closing;
mod course;
mod datagrams;
mod kind;
mod length;
mod measured;
mod rehearsal;
mod seen;
mod size;
mod target;
mod tcp;
#[cfg(test)]
mod tests;
mod write;

use std::time::Duration;

use tracker_common::{Proto, Timer};

use crate::{
    lab::scenario::{ScenarioError, Timeouts},
    recording::{NamespaceRecord, Recording},
    units,
};
use course::Course;
use kind::Kind;
use length::Length;
use seen::Seen;
use write::File;

/// How a recording is to be played.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Name or inode number of the namespace; the one with most inserts if left out.
    pub namespace: Option<String>,
    /// Share of the connections; as many as the lab plays in some minutes if left out.
    pub scale: Option<f64>,
    /// How long is played, the warm-up included. If left out, as much as the watch and the timers ask
    /// for, about [`LONGEST`] at most.
    pub duration: Option<Duration>,
    /// Share of connections that a plan may cut, for a proof; one of 10,000 if left out.
    pub max_harm: Option<f64>,
    /// Timers that a plan changes, and how long they become.
    pub changes: Vec<(Timer, u64)>,
}

/// How long is played, unless more is asked for or a timer needs it.
pub const LONGEST: Duration = Duration::from_secs(2 * 3600);

/// A scenario made of a recording.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// The scenario's file.
    pub text: String,
    /// The namespace that it plays.
    pub namespace: String,
    /// How long it plays.
    pub duration: Duration,
    /// Share of the connections that it plays.
    pub scale: f64,
    /// What it does not play, a sentence each.
    pub left_out: Vec<String>,
}

/// A recording cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It has no such namespace.
    #[error("the recording has no namespace `{name}`, but {known}. Name one of them")]
    Namespace {
        /// What was asked for.
        name: String,
        /// Those that it has.
        known: String,
    },
    /// Nothing that can be played was seen.
    #[error(
        "no connection of TCP, UDP or ICMP began during the watch, so there is nothing to play. \
         Record for longer, or while there is traffic"
    )]
    Nothing,
    /// What was made is no scenario.
    #[error(
        "what was made of the recording cannot be played: {0}. With a smaller --rate-scale or a shorter \
         --duration there is less of it"
    )]
    Scenario(#[from] ScenarioError),
    /// Nothing could be compared.
    #[error("what was made of the recording proves nothing: {0}. Give a longer --duration")]
    Proof(String),
}

/// Makes a scenario of a recording.
///
/// # Errors
/// When the recording has nothing to play, or not the namespace that is wanted.
pub fn scenario(recording: &Recording, wanted: &Wanted) -> Result<Replay, ReplayError> {
    let record = namespace(recording, wanted.namespace.as_deref())?;
    let mut seen = Seen {
        record,
        watch: recording.duration.as_secs_f64(),
        play: 0.0,
    };
    let length = Length::of(&seen, wanted.duration, &wanted.changes);
    seen.play = length.all.as_secs_f64();
    let kinds = [
        tcp::kinds(&seen),
        datagrams::udp(&seen),
        datagrams::echoes(&seen),
    ]
    .concat();
    let course = Course::of(recording, record, &length);
    let mut file = File {
        description: description(recording, record, &course),
        settings: settings(&seen),
        course: &course,
        length: &length,
        kinds: &kinds,
        scale: 1.0,
        max_harm: wanted.max_harm.unwrap_or(1e-4),
        untested: length.untested.clone(),
    };
    let (played, silent): (Vec<Kind>, Vec<Kind>) = kinds
        .iter()
        .cloned()
        .partition(|kind| file.count(kind) > FEWEST);
    file.kinds = &played;
    if played.is_empty() {
        return Err(ReplayError::Nothing);
    }
    file.scale = match wanted.scale {
        Some(scale) => scale,
        None => size::scale(&file)?,
    };
    let mut left_out = left_out(recording, record, &course);
    left_out.extend(silent.iter().map(|kind| {
        let name = &kind.name;
        format!("{name}, of which nothing began in the part that is played")
    }));
    if !wanted.changes.is_empty() {
        let truth = rehearsal::rehearse(&file.to_string())?;
        let armed = Timeouts::default();
        for &(timer, seconds) in wanted.changes.iter().filter(|it| armed.has(it.0)) {
            let is_known = file.untested.iter().any(|it| it.0 == timer);
            let why = (!is_known).then(|| rehearsal::obstacle(&seen, &truth, timer, seconds));
            file.untested.extend(why.flatten().map(|why| (timer, why)));
        }
    }
    Ok(Replay {
        text: file.to_string(),
        namespace: record.name.clone(),
        duration: length.all,
        scale: file.scale,
        left_out,
    })
}

/// Connections without which a kind is not played: less than that is a rate of nothing.
const FEWEST: f64 = 1e-3;

fn namespace<'a>(
    recording: &'a Recording,
    name: Option<&str>,
) -> Result<&'a NamespaceRecord, ReplayError> {
    let all = &recording.namespaces;
    let Some(name) = name else {
        let busiest = all.iter().max_by_key(|it| it.counters.inserted());
        return busiest.ok_or(ReplayError::Nothing);
    };
    let found = all
        .iter()
        .find(|it| it.name == name || it.inum.to_string() == name);
    found.ok_or_else(|| ReplayError::Namespace {
        name: name.to_owned(),
        known: all
            .iter()
            .map(|it| it.name.as_str())
            .collect::<Vec<_>>()
            .join(", "),
    })
}

/// The namespace's timers and the table's size, as far as a scenario has them.
fn settings(seen: &Seen<'_>) -> Vec<(String, u64)> {
    let known = Timeouts::default();
    let timers = Timer::ALL.iter().filter(|timer| known.has(**timer));
    let timers = timers.map(|timer| (timer.name().to_owned(), seen.timeout(*timer) as u64));
    let table = seen.record.table.unwrap_or_default();
    let sizes = [("max", table.max), ("buckets", table.buckets)];
    let sizes = sizes.map(|(name, size)| (name.to_owned(), size));
    timers
        .chain(sizes)
        .filter(|(_, value)| *value > 0)
        .collect()
}

fn description(recording: &Recording, record: &NamespaceRecord, course: &Course) -> String {
    format!(
        "As recorded on {} ({}), namespace {}: {} of {}.",
        recording.description.host,
        recording.description.kernel,
        record.name,
        units::duration(course.part),
        units::duration(recording.duration),
    )
}

/// What the lab cannot make, or was not to.
fn left_out(recording: &Recording, record: &NamespaceRecord, course: &Course) -> Vec<String> {
    let mut left_out = Vec::new();
    let others = recording.namespaces.len().saturating_sub(1) as u64;
    if others > 0 {
        let others = units::plural(others, "other namespace", "other namespaces");
        left_out.push(format!(
            "{others} of the recording: only {} is played",
            record.name
        ));
    }
    for proto in [
        Proto::Gre,
        Proto::Sctp,
        Proto::Udplite,
        Proto::Dccp,
        Proto::Other,
    ] {
        let inserts = record.counters.inserts[proto.id()];
        if inserts > 0 {
            let entries = units::plural(inserts, "entry", "entries");
            left_out.push(format!("{entries} of protocol {}", proto.name()));
        }
    }
    let nowhere = record.ports.iter().filter(|it| it.port == 0);
    let nowhere = nowhere.filter(|it| matches!(it.proto, Some(Proto::Tcp | Proto::Udp)));
    let inserts: u64 = nowhere.map(|it| it.inserts).sum();
    if inserts > 0 {
        let entries = units::plural(inserts, "entry", "entries");
        left_out.push(format!("port 0 of {entries}, which are played to another"));
    }
    if course.part + Duration::from_secs(60) < recording.duration {
        let (played, all) = (
            units::duration(course.part),
            units::duration(recording.duration),
        );
        left_out.push(format!(
            "all but {played} of {all}, about the highest count"
        ));
    }
    left_out
}
