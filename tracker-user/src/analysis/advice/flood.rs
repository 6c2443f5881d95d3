//! What fills the table.

use tracker_common::Timer;

use super::{Flood, FloodKind, Setting};

/// Each kind of flood, and the timer that bounds its entries' stay: by Little's law a rate R keeps
/// R × T entries in the table.
pub const KINDS: [(FloodKind, Timer); 3] = [
    (FloodKind::Syn, Timer::TcpSynSent),
    (FloodKind::AnsweredSyn, Timer::TcpSynRecv),
    (FloodKind::Udp, Timer::Udp),
];

/// Rates that fill what the peak leaves of the table, before and after: each with its maximum and
/// its peak. The time until the collector comes is left out, so a flood may need a little less.
pub fn rates(timers: &[(Timer, Setting)], before: (u64, u64), after: (u64, u64)) -> Vec<Flood> {
    KINDS
        .iter()
        .filter_map(|&(kind, timer)| {
            let (_, setting) = timers.iter().find(|it| it.0 == timer)?;
            Some(Flood {
                kind,
                rate_before_per_s: rate(before, setting.current),
                rate_after_per_s: rate(after, setting.recommended),
            })
        })
        .collect()
}

/// Packets per second that fill a table of this maximum beside this peak.
fn rate((max, peak): (u64, u64), seconds: u64) -> Option<f64> {
    (max > 0).then(|| max.saturating_sub(peak) as f64 / seconds.max(1) as f64)
}
