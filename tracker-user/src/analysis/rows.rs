//! Rows of a summary, as they stand in its JSON. Times are in seconds.

use serde::Serialize;
use tracker_common::{Proto, Reason, State, Timer, layout::HistogramId};

use super::{Observed, occupancy::ByTimer};
use crate::recording::{Distribution, StratumRecord};

/// inserted - destroyed - (live at end - live at start): what nobody saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// Entries inserted.
    pub inserted: u64,
    /// Entries destroyed.
    pub destroyed: u64,
    /// Entries at the start.
    pub live_at_start: u64,
    /// Entries at the end.
    pub live_at_end: u64,
    /// 0, or how many deaths (above 0) or inserts (below 0) went unseen.
    pub lost: i64,
}

impl Balance {
    pub(in crate::analysis) fn of(observed: &Observed) -> Self {
        let inserted = sum(observed.counters.inserts.iter());
        let destroyed = sum(observed.counters.deaths.iter().flatten());
        let (live_at_start, live_at_end) = (observed.live_at_start, observed.live);
        let lost = i128::from(inserted)
            - i128::from(destroyed)
            - (i128::from(live_at_end) - i128::from(live_at_start));
        let lost = i64::try_from(lost).unwrap_or(if lost < 0 { i64::MIN } else { i64::MAX });
        Self {
            inserted,
            destroyed,
            live_at_start,
            live_at_end,
            lost,
        }
    }
}

/// Inserts of a protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Insert {
    /// Protocol.
    pub proto: &'static str,
    /// Entries inserted.
    pub count: u64,
    /// Of these, mid-stream.
    pub pickups: u64,
}

impl Insert {
    pub(super) fn rows(observed: &Observed) -> Vec<Self> {
        let counters = &observed.counters;
        Proto::ALL
            .iter()
            .map(|proto| Self {
                proto: proto.name(),
                count: counters.inserts[proto.id()],
                pickups: counters.pickups[proto.id()],
            })
            .filter(|row| row.count > 0 || row.pickups > 0)
            .collect()
    }
}

/// Deaths in a state for a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Death {
    /// State at death.
    pub state: &'static str,
    /// Why.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
}

impl Death {
    pub(super) fn rows(observed: &Observed) -> Vec<Self> {
        let row = |state: State, reason: Reason| Self {
            state: state.name(),
            reason: reason.name(),
            count: observed.counters.deaths[state.id()][reason.id()],
        };
        State::ALL
            .iter()
            .flat_map(|&state| Reason::ALL.iter().map(move |&reason| row(state, reason)))
            .filter(|row| row.count > 0)
            .collect()
    }
}

/// Quantiles of a distribution: upper edges of buckets that are at most 3.2 % wide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Quantiles {
    /// Values.
    pub count: u64,
    /// Median.
    pub p50_s: f64,
    /// 90 %.
    pub p90_s: f64,
    /// 99 %.
    pub p99_s: f64,
    /// 99.9 %.
    pub p999_s: f64,
    /// Largest, exact.
    pub max_s: f64,
}

impl Quantiles {
    pub(super) fn of(distribution: &Distribution) -> Self {
        let at = |q| distribution.quantile_us(q) as f64 / 1e6;
        Self {
            count: distribution.count(),
            p50_s: at(0.5),
            p90_s: at(0.9),
            p99_s: at(0.99),
            p999_s: at(0.999),
            max_s: if distribution.is_empty() {
                0.0
            } else {
                distribution.max_us as f64 / 1e6
            },
        }
    }
}

/// Visits to a state that began during the watch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StateRow {
    /// Name.
    pub name: &'static str,
    /// Visits begun.
    pub entered: u64,
    /// Ended by another state.
    pub moved_on: u64,
    /// Ended by expiry.
    pub expired: u64,
    /// Ended by any other death.
    pub killed: u64,
    /// Their lengths.
    pub residency: Quantiles,
    /// Entries in this state at a time, on average: by Little's law the time spent in it over the
    /// time watched. Visits that began before the watch are not in it.
    pub occupancy_mean: f64,
}

impl StateRow {
    pub(super) fn rows(observed: &Observed) -> Vec<Self> {
        State::ALL
            .iter()
            .map(|&state| {
                let counters = &observed.counters;
                let residency = observed.histogram(HistogramId::Residency(state));
                let spent_us = residency
                    .sum_us
                    .saturating_add(counters.live_us[state.id()]);
                Self {
                    name: state.name(),
                    entered: counters.entered[state.id()],
                    moved_on: counters.moved_on[state.id()],
                    expired: counters.expired[state.id()],
                    killed: counters.killed[state.id()],
                    residency: Quantiles::of(residency),
                    occupancy_mean: observed.rate(spent_us) / 1e6,
                }
            })
            .filter(|row| row.entered > 0 || row.residency.count > 0 || row.occupancy_mean > 0.0)
            .collect()
    }
}

/// What happened under a timer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimerRow {
    /// Name, as the sysctl's after `nf_conntrack_`.
    pub name: &'static str,
    /// Its length; `None` if unknown, or if namespaces differ.
    pub current_s: Option<u64>,
    /// Gaps that a refresh ended.
    pub resumed_gaps: Quantiles,
    /// Longest of them, of each entry that was seen under the timer (0 if it had none).
    pub max_gap: Quantiles,
    /// Entries that it keeps in the table, on average; `None` if the recording could not be read any more.
    pub occupancy_mean: Option<f64>,
    /// The same, in the interval of the recording that had the most of them.
    pub occupancy_peak: Option<f64>,
    /// Entries that it ran out on.
    pub expired: u64,
    /// The same, per second.
    pub expired_per_s: f64,
    /// Last refresh to insert, of those of them that came back: gaps that it was too short for.
    pub returns: Quantiles,
    /// Time since the last refresh of the entries that lived under it when the watch ended.
    pub idle: Quantiles,
}

impl TimerRow {
    pub(super) fn rows(observed: &Observed, occupancy: Option<&ByTimer>) -> Vec<Self> {
        let kept = |timer| occupancy.map(|it| it.get(&timer).copied().unwrap_or_default());
        Timer::ALL
            .iter()
            .map(|&timer| Self {
                name: timer.name(),
                current_s: observed.timer(timer),
                resumed_gaps: Quantiles::of(observed.histogram(HistogramId::Gap(timer))),
                max_gap: Quantiles::of(observed.histogram(HistogramId::MaxGap(timer))),
                occupancy_mean: kept(timer).map(|it| it.mean),
                occupancy_peak: kept(timer).map(|it| it.peak),
                expired: observed.counters.timer_expired[timer.id()],
                expired_per_s: observed.rate(observed.counters.timer_expired[timer.id()]),
                returns: Quantiles::of(observed.histogram(HistogramId::Return(timer))),
                idle: Quantiles::of(observed.histogram(HistogramId::Idle(timer))),
            })
            .filter(|row| {
                let samples = [row.resumed_gaps, row.max_gap, row.returns, row.idle];
                row.expired > 0 || samples.iter().any(|it| it.count > 0)
            })
            .collect()
    }
}

/// Entries in the table over time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Count {
    /// Mean.
    pub mean: f64,
    /// Not exceeded in 99 % of the time.
    pub p99: u64,
    /// Highest.
    pub max: u64,
}

impl Count {
    pub(in crate::analysis) fn of(observed: &Observed) -> Self {
        let course = &observed.course;
        Self {
            mean: course.mean(),
            p99: course.quantile(0.99),
            max: course.peak(),
        }
    }
}

/// Size of the table; `None` if it could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TableSize {
    /// `nf_conntrack_max`; 0 is unlimited.
    pub max: Option<u64>,
    /// `nf_conntrack_buckets`.
    pub buckets: Option<u64>,
}

impl TableSize {
    pub(in crate::analysis) fn of(observed: &Observed) -> Self {
        let table = observed.table;
        Self {
            max: table.map(|it| it.max),
            buckets: table.map(|it| it.buckets),
        }
    }
}

/// Entries of a destination port.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PortRow {
    /// Protocol, or `other_ports`: all those together that there was no room for.
    pub proto: &'static str,
    /// Port; 0 where there are none.
    pub port: u16,
    /// Entries inserted.
    pub inserts: u64,
    /// Entries destroyed that had been seen inserted. Where ports are too many, one that was inserted on one CPU and
    /// died on another may be among those of `other_ports` in one of the two.
    pub deaths: u64,
    /// Their lifetimes, summed: who fills the table.
    pub entry_seconds: f64,
}

impl PortRow {
    pub(super) fn rows(observed: &Observed) -> Vec<Self> {
        let rows = observed.ports.iter().map(|port| Self {
            proto: port.name(),
            port: port.port,
            inserts: port.inserts,
            deaths: port.deaths,
            entry_seconds: port.entry_us as f64 / 1e6,
        });
        rows.filter(|row| row.inserts > 0 || row.deaths > 0)
            .collect()
    }
}

/// Entries of a destination port that a timer ever armed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StratumRow {
    /// Protocol, or `other_ports`.
    pub proto: &'static str,
    /// Port; 0 where there are none.
    pub port: u16,
    /// The timer.
    pub timer: &'static str,
    /// Entries that were seen under it.
    pub connections: u64,
    /// Longest gap that a refresh ended, of each of them that had one of a second or more.
    pub max_gap: Quantiles,
}

impl StratumRow {
    pub(super) fn rows(observed: &Observed) -> Vec<Self> {
        let row = |it: &StratumRecord| Self {
            proto: it.name(),
            port: it.port,
            timer: it.timer.name(),
            connections: it.connections,
            max_gap: Quantiles::of(&it.max_gaps),
        };
        observed.strata.iter().map(row).collect()
    }
}

pub(super) fn sum<'a>(values: impl Iterator<Item = &'a u64>) -> u64 {
    values.fold(0, |sum, &value| sum.saturating_add(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_neither_live_nor_died_are_lost() {
        let mut observed = Observed::nothing();
        observed.counters.inserts[0] = 78_279;
        observed.counters.deaths[0][0] = 78_277;
        assert_eq!(Balance::of(&observed).lost, 2);
        observed.live = 2;
        assert_eq!(Balance::of(&observed).lost, 0);
        observed.live_at_start = 1;
        assert_eq!(Balance::of(&observed).lost, 1);
        observed.live = 5;
        assert_eq!(Balance::of(&observed).lost, -2);
    }
}
