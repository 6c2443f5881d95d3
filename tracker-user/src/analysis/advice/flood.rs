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

/// What a table has room for.
pub struct Room {
    /// `nf_conntrack_max`; 0 is unlimited.
    pub max: u64,
    /// Entries at the peak of the usual traffic.
    pub peak: u64,
    /// Time for which expired entries stay until they are collected, in seconds, on average.
    pub overdue_s: f64,
}

impl Room {
    /// Packets per second that fill what the peak leaves, if their entries expire after so many seconds;
    /// `None` if nothing does.
    fn rate(&self, seconds: u64) -> Option<f64> {
        let stay = (seconds as f64 + self.overdue_s).max(1.0);
        (self.max > 0).then(|| self.max.saturating_sub(self.peak) as f64 / stay)
    }

    /// Seconds until so many packets per second fill what the peak leaves; `None` if they never do, since
    /// as many entries go as come by then.
    pub fn fills_in(&self, rate: f64, seconds: u64) -> Option<f64> {
        let fills = self.rate(seconds).is_some_and(|least| rate >= least);
        fills.then(|| self.max.saturating_sub(self.peak) as f64 / rate)
    }
}

/// Rates that fill what the peak leaves of the table, before and after.
pub fn rates(timers: &[(Timer, Setting)], before: &Room, after: &Room) -> Vec<Flood> {
    KINDS
        .iter()
        .filter_map(|&(kind, timer)| {
            let (_, setting) = timers.iter().find(|it| it.0 == timer)?;
            Some(Flood {
                kind,
                rate_before_per_s: before.rate(setting.current),
                rate_after_per_s: after.rate(setting.recommended),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expired_entries_fill_a_table_as_well() {
        let room = |overdue_s| Room {
            max: 30_000,
            peak: 10_000,
            overdue_s,
        };
        // 10 s each, 10,000 are there at a time.
        assert_eq!(room(0.0).fills_in(1_000.0, 10), None);
        assert_eq!(room(30.0).fills_in(1_000.0, 10), Some(20.0));
        assert_eq!(room(30.0).rate(10), Some(500.0));
        let unlimited = Room {
            max: 0,
            ..room(30.0)
        };
        assert_eq!(
            (unlimited.rate(10), unlimited.fills_in(1e9, 10)),
            (None, None)
        );
    }
}
