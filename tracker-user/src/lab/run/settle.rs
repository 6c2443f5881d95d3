//! The end of a run: what is to expire does, and the rest is deleted.

use std::time::Duration;

use super::{Clock, Control, RunError, Topology, Witness, flush};

/// When the table was flushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flush {
    /// Jiffy before it.
    pub from: u64,
    /// Jiffy after it.
    pub to: u64,
    /// No entry was to expire within a second of it.
    pub is_calm: bool,
}

/// How far from the flush no entry is to expire.
const CALM: Duration = Duration::from_secs(1);
/// How long such a moment is worth waiting for.
const PATIENCE: Duration = Duration::from_secs(600);

/// Waits until all have expired that do within this time, and on until no other is about to; then
/// deletes all that are left. Without a time, or asked to stop, it does that at once.
pub fn settle(
    topology: &Topology,
    clock: &Clock,
    witness: &mut dyn Witness,
    length: Option<Duration>,
    control: &Control,
) -> Result<Flush, RunError> {
    let calm = clock.jiffies(CALM).max(1);
    let is_calm = |witness: &dyn Witness, jiffy: u64| {
        !witness.expires(jiffy.saturating_sub(calm), jiffy + calm)
    };
    let mut chosen = clock.now()?;
    if let Some(length) = length {
        // No packet comes any more, so what is to come is known by now.
        let earliest = last_within(witness, chosen, chosen + clock.jiffies(length));
        let mut later = (earliest..earliest + clock.jiffies(PATIENCE)).step_by(calm as usize);
        chosen = later
            .find(|&jiffy| is_calm(witness, jiffy))
            .unwrap_or(earliest);
    }
    if !control.wait(clock.time_to(chosen)?) {
        clock.sleep_to(chosen)?;
    }
    let (from, _) = clock.around()?;
    let is_calm = is_calm(witness, from);
    flush(&topology.router)?;
    let (_, to) = clock.around()?;
    witness.flushed(from, to);
    Ok(Flush { from, to, is_calm })
}

/// The first jiffy after which nothing expires until `end`.
fn last_within(witness: &dyn Witness, begin: u64, end: u64) -> u64 {
    let (mut first, mut last) = (begin, end);
    while first < last {
        let middle = first.midpoint(last);
        if witness.expires(middle, end) {
            first = middle + 1;
        } else {
            last = middle;
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::packet::Packet;

    /// Entries that expire at these jiffies.
    struct Entries(Vec<u64>);

    impl Witness for Entries {
        fn sent(&mut self, _packet: &Packet, _from: u64, _to: u64) {}

        fn expires(&self, from: u64, to: u64) -> bool {
            self.0.iter().any(|at| (from..=to).contains(at))
        }

        fn flushed(&mut self, _from: u64, _to: u64) {}
    }

    #[test]
    fn what_expires_in_time_is_waited_for_and_nothing_else() {
        let entries = Entries(vec![90, 120, 150, 300]);
        assert_eq!(last_within(&entries, 100, 200), 151);
        assert_eq!(last_within(&entries, 100, 140), 121);
        assert_eq!(last_within(&entries, 200, 250), 200);
        assert_eq!(last_within(&entries, 100, 100), 100);
    }
}
