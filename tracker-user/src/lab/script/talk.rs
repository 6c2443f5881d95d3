//! A step that goes on for long: the connection keeps what is left of it.

use std::time::Duration;

use tracker_common::Proto;

use super::step::{Do, End};
use crate::lab::scenario::{Number, Spread};

/// Pauses of one step, at most.
const MOST_PAUSES: u32 = 10_000;

/// A talk under way.
#[derive(Debug)]
pub(super) struct Talk {
    says: Do,
    /// The longest pause: the first one.
    first: Duration,
    /// Each of the others.
    every: Duration,
    pauses: u32,
    /// How often something was said.
    said: u32,
}

impl Talk {
    /// One that lasts so long, with pauses of that length or a little shorter.
    pub fn new(lasts: Duration, pause: Duration, says: Do) -> Self {
        let first = pause.max(lasts / MOST_PAUSES).min(lasts);
        let rest = lasts - first;
        let others = match first.as_nanos() {
            0 => 0,
            first => rest.as_nanos().div_ceil(first) as u32,
        };
        Self {
            says,
            first,
            every: rest.checked_div(others).unwrap_or_default(),
            pauses: others + u32::from(!first.is_zero()),
            said: 0,
        }
    }

    /// What is said next, and how long after the last time; `None` when all is said.
    pub fn go_on(&mut self) -> Option<(Duration, Do)> {
        let pause = match self.said {
            0 => Duration::ZERO,
            said if said > self.pauses => return None,
            1 => self.first,
            _ => self.every,
        };
        self.said += 1;
        Some((pause, self.says.clone()))
    }
}

/// What the ends of a protocol say each time.
pub(super) fn says(proto: Proto, bytes: &Spread<Number>, answered: bool) -> Do {
    let (bytes, response) = (bytes.clone(), bytes.clone());
    let think = Spread::constant(0.0);
    let from = End::Client;
    match (proto, answered) {
        (Proto::Tcp, true) => Do::Request {
            bytes,
            response,
            think,
        },
        (Proto::Tcp, false) => Do::Send {
            from,
            bytes,
            acknowledged: true,
        },
        (Proto::Udp, true) => Do::Exchange {
            bytes,
            response,
            think,
        },
        (Proto::Udp, false) => Do::Datagram { from, bytes },
        (_, answered) => Do::Echo { bytes, answered },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(lasts: u64, pause: u64) -> Vec<u64> {
        let (lasts, pause) = (Duration::from_secs(lasts), Duration::from_secs(pause));
        let mut talk = Talk::new(lasts, pause, Do::Vanish {});
        let said = std::iter::from_fn(|| talk.go_on());
        said.map(|(pause, _)| pause.as_secs()).collect()
    }

    #[test]
    fn the_longest_pause_comes_once_and_the_end_in_time() {
        assert_eq!(pauses(100, 40), [0, 40, 30, 30]);
        assert_eq!(pauses(80, 40), [0, 40, 40]);
        assert_eq!(pauses(10, 40), [0, 10]);
        assert_eq!(pauses(0, 0), [0]);
        let often = pauses(1_000_000, 0);
        assert_eq!(often.len(), 10_001);
        assert_eq!(often.iter().sum::<u64>(), 1_000_000);
    }
}
