//! A script, flattened: nothing of it is a tree any more, so a living connection keeps only a place.

use std::ops::Range;

use tracker_common::Proto;

use super::step::{Branch, Do, Placed};
use crate::lab::random::Chance;
use crate::lab::scenario::{Number, Spread};

/// Steps in a row that send nothing before a connection is given up: a script may repeat nothing,
/// very often.
const IDLE: u32 = 10_000;
/// Repetitions within repetitions, at most.
const DEPTH: usize = 8;

/// A script as it is run.
#[derive(Clone, Debug, PartialEq)]
pub struct Program(Vec<Op>);

#[derive(Clone, Debug, PartialEq)]
enum Op {
    Do(Do),
    /// Draws how often what comes next is to be repeated; up to `end` it is left out if never.
    Begin {
        times: Spread<Number>,
        end: usize,
    },
    /// Goes back to the beginning of what is repeated.
    Again {
        begin: usize,
    },
    /// Goes on somewhere, by weight.
    Choose(Vec<(f64, usize)>),
    Jump(usize),
}

/// Why a script cannot be run, and where that is in the file.
pub type Fault = (Range<usize>, String);

impl Program {
    /// Flattens a script of a protocol.
    pub fn new(script: &[Placed], proto: Proto) -> Result<Self, Fault> {
        let mut program = Self(Vec::new());
        program.add(script, proto, 0)?;
        Ok(program)
    }

    fn add(&mut self, script: &[Placed], proto: Proto, depth: usize) -> Result<(), Fault> {
        for placed in script {
            let step = &placed.get_ref().0;
            let fault = |what: String| Err((placed.span(), what));
            if let Some(of) = step.proto()
                && of != proto
            {
                let (of, proto) = (of.name(), proto.name());
                return fault(format!("a step of {of} in a script of {proto}"));
            }
            if let Some(what) = step.excess() {
                return fault(what);
            }
            match step {
                Do::Repeat { .. } | Do::Choose(_) if depth == DEPTH => {
                    return fault(format!("more than {DEPTH} scripts within one another"));
                }
                Do::Repeat { times, script } => {
                    let begin = self.0.len();
                    self.0.push(Op::Begin {
                        times: times.clone(),
                        end: 0,
                    });
                    self.add(script, proto, depth + 1)?;
                    self.0.push(Op::Again { begin });
                    let end = self.0.len();
                    self.0[begin] = Op::Begin {
                        times: times.clone(),
                        end,
                    };
                }
                Do::Choose(branches) => {
                    let sum: f64 = branches.iter().map(|branch| branch.weight).sum();
                    let bad = |branch: &Branch| !(0.0..=1e9).contains(&branch.weight);
                    if branches.iter().any(bad) || sum <= 0.0 {
                        return fault("weights that are negative, or all 0".to_owned());
                    }
                    self.add_branches(branches, proto, depth)?;
                }
                step => self.0.push(Op::Do(step.clone())),
            }
        }
        Ok(())
    }

    fn add_branches(
        &mut self,
        branches: &[Branch],
        proto: Proto,
        depth: usize,
    ) -> Result<(), Fault> {
        let choose = self.0.len();
        self.0.push(Op::Jump(0));
        let mut ways = Vec::new();
        let mut jumps = Vec::new();
        for branch in branches {
            ways.push((branch.weight, self.0.len()));
            self.add(&branch.script, proto, depth + 1)?;
            jumps.push(self.0.len());
            self.0.push(Op::Jump(0));
        }
        let end = self.0.len();
        for jump in jumps {
            self.0[jump] = Op::Jump(end);
        }
        self.0[choose] = Op::Choose(ways);
        Ok(())
    }
}

/// A place in a program.
#[derive(Clone, Debug, Default)]
pub struct Place {
    next: usize,
    /// How often the repetitions around it are still to be done.
    loops: Vec<u32>,
    idle: u32,
}

impl Place {
    /// The next step, if there is one.
    pub fn step<'a>(&mut self, program: &'a Program, chance: &mut Chance) -> Option<&'a Do> {
        loop {
            let op = program.0.get(self.next)?;
            self.idle += 1;
            if self.idle > IDLE {
                return None;
            }
            self.next += 1;
            match op {
                Op::Do(Do::Vanish {}) => return None,
                Op::Do(step) => return Some(step),
                Op::Begin { times, end } => match times.draw(chance) {
                    0 => self.next = *end,
                    times => self.loops.push(times - 1),
                },
                Op::Again { begin } => match self.loops.last_mut() {
                    Some(left) if *left > 0 => {
                        *left -= 1;
                        self.next = begin + 1;
                    }
                    _ => {
                        self.loops.pop();
                    }
                },
                Op::Choose(ways) => {
                    let sum: f64 = ways.iter().map(|(weight, _)| weight).sum();
                    let mut left = chance.unit() * sum;
                    let chosen = ways.iter().find(|(weight, _)| {
                        left -= weight;
                        left < 0.0
                    });
                    let last = ways.last().map(|(_, place)| *place);
                    self.next = chosen.map(|(_, place)| *place).or(last)?;
                }
                Op::Jump(to) => self.next = *to,
            }
        }
    }

    /// Something was sent.
    pub fn sent(&mut self) {
        self.idle = 0;
    }
}
