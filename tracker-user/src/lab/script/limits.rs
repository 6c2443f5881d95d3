//! How much a step can do, at most.

use super::connection::MOST_BYTES;
use super::step::Do;
use super::{tcp, udp};
use crate::lab::scenario::{Number, Spread};

impl Do {
    /// What the file asks of the step beyond that. What an open-ended distribution draws beyond it is
    /// cut instead.
    pub(super) fn excess(&self) -> Option<String> {
        let asked: &[(&str, &Spread<Number>, u32)] = match self {
            Self::Unanswered { retransmits, .. } | Self::HalfOpen { retransmits, .. } => {
                &[("retransmits", retransmits, tcp::MOST_OFTEN)]
            }
            Self::Retransmit { times, .. } => &[("times", times, tcp::MOST_OFTEN)],
            Self::ZeroWindow { probes, .. } => &[("probes", probes, tcp::MOST_OFTEN)],
            Self::Send {
                bytes,
                acknowledged: false,
                ..
            } => &[("bytes", bytes, tcp::MOST_UNACKNOWLEDGED)],
            Self::Datagram { bytes, .. } | Self::Echo { bytes, .. } | Self::Talk { bytes, .. } => {
                &[("bytes", bytes, MOST_BYTES)]
            }
            Self::Exchange {
                bytes, response, ..
            } => &[
                ("bytes", bytes, MOST_BYTES),
                ("response", response, MOST_BYTES),
            ],
            Self::Stream { count, bytes, .. } => &[
                ("count", count, udp::MOST_OFTEN),
                ("bytes", bytes, MOST_BYTES),
            ],
            _ => &[],
        };
        asked.iter().find_map(|(name, spread, most)| {
            let highest = spread.highest()?;
            let is_more = highest > f64::from(*most);
            is_more.then(|| format!("`{name}` goes up to {highest}, and {most} are the most here"))
        })
    }
}
