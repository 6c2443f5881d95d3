//! Connections of one kind, as a scenario's population.

use tracker_common::Proto;

use super::measured::Measured;

/// Connections of one kind.
#[derive(Clone, Debug)]
pub struct Kind {
    pub name: String,
    pub proto: Proto,
    /// Destination ports; none of echoes.
    pub ports: Vec<u16>,
    pub arrivals: Arrivals,
    pub script: Vec<Step>,
}

/// When connections begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrivals {
    /// So many during the watch, at the times at which most connections began.
    Course(f64),
    /// So many were there before it.
    AtStart(f64),
}

/// A step of a script.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// As a file has it.
    Plain(&'static str),
    Talk {
        lasts: Measured,
        pause: Measured,
        answered: bool,
    },
    Pause(Measured),
    Choose(Vec<(f64, Vec<Self>)>),
}

/// One of several ways, by weight; none of those that never were.
pub fn choose(ways: impl IntoIterator<Item = (f64, Vec<Step>)>) -> Vec<Step> {
    let mut ways: Vec<_> = ways
        .into_iter()
        .filter(|(weight, _)| *weight > 0.0)
        .collect();
    match ways.len() {
        0 => Vec::new(),
        1 => ways.remove(0).1,
        _ => vec![Step::Choose(ways)],
    }
}

/// What follows one after the other.
pub fn then<const N: usize>(parts: [Vec<Step>; N]) -> Vec<Step> {
    parts.into_iter().flatten().collect()
}

/// A step as a file has it.
pub fn plain(text: &'static str) -> Vec<Step> {
    vec![Step::Plain(text)]
}
