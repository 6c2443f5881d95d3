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
const PATIENCE: Duration = Duration::from_secs(3600);

/// Waits so long, and on until no entry is about to expire; then deletes all that are left. Asked to
/// stop, it does that at once.
pub fn settle(
    topology: &Topology,
    clock: &Clock,
    witness: &mut dyn Witness,
    length: Duration,
    control: &Control,
) -> Result<Flush, RunError> {
    let calm = clock.jiffies(CALM);
    let earliest = clock.now()? + clock.jiffies(length);
    // No packet comes any more, so what is to come is known by now.
    let is_calm = |witness: &dyn Witness, jiffy: u64| {
        !witness.expires(jiffy.saturating_sub(calm), jiffy + calm)
    };
    let candidates = (earliest..earliest + clock.jiffies(PATIENCE)).step_by(calm as usize / 2);
    let chosen = candidates
        .into_iter()
        .find(|&jiffy| is_calm(witness, jiffy))
        .unwrap_or(earliest);
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
