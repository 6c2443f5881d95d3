//! Everything that `tracker show` prints.

use std::collections::BTreeMap;

use serde::Serialize;
use tracker_common::{Cause, Loss};

use super::{
    Balance, Count, Death, Insert, Observed, Occupancies, PortRow, Quantiles, StateRow, StratumRow,
    TableSize, TimerRow, occupancy::ByTimer,
};
use crate::{recording::Recording, source::Hook};

/// A recording, summed up.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Version of this shape.
    pub schema_version: u32,
    /// `ebpf`.
    pub source: String,
    /// `uname -r`.
    pub kernel: String,
    /// Host name.
    pub host: String,
    /// Unix time at the start, in seconds.
    pub started: u64,
    /// Length of the watch.
    pub duration_s: f64,
    /// The watch ended well.
    pub complete: bool,
    /// Hooks, as the kernel took them.
    pub hooks: Vec<Hook>,
    /// All namespaces together.
    #[serde(flatten)]
    pub all: Body,
    /// What was lost, by name.
    pub losses: BTreeMap<&'static str, u64>,
    /// Each namespace.
    pub namespaces: Vec<NamespaceSummary>,
    /// Settings that an operator should know of.
    pub remarks: Vec<String>,
}

/// One namespace, summed up.
#[derive(Clone, Debug, Serialize)]
pub struct NamespaceSummary {
    /// Name.
    pub name: String,
    /// Inode number.
    pub inum: u32,
    /// What it did.
    #[serde(flatten)]
    pub body: Body,
}

/// What happened, in one namespace or in all. Rows are there only if something in them is.
#[derive(Clone, Debug, Serialize)]
pub struct Body {
    /// What went in and out.
    pub balance: Balance,
    /// By protocol.
    pub inserts: Vec<Insert>,
    /// By state and reason.
    pub deaths: Vec<Death>,
    /// By state.
    pub states: Vec<StateRow>,
    /// By timer.
    pub timers: Vec<TimerRow>,
    /// Insert to death.
    pub lifetime: Quantiles,
    /// Removal minus expiry.
    pub overdue: Quantiles,
    /// Entries in the table.
    pub count: Count,
    /// Its size.
    pub table: TableSize,
    /// By destination port; the one that fills the table most comes first.
    pub ports: Vec<PortRow>,
    /// By destination port and timer.
    pub strata: Vec<StratumRow>,
    /// What the kernel counted itself, as far as it does.
    pub kernel_statistics: BTreeMap<&'static str, u64>,
    /// Packets whose gap could not be attributed, by cause.
    pub unattributed: BTreeMap<&'static str, u64>,
}

impl Body {
    fn of(observed: &Observed, occupancy: Option<&ByTimer>) -> Self {
        use tracker_common::layout::HistogramId::{Lifetime, Overdue};
        let causes = Cause::ALL.iter();
        Self {
            balance: Balance::of(observed),
            inserts: Insert::rows(observed),
            deaths: Death::rows(observed),
            states: StateRow::rows(observed),
            timers: TimerRow::rows(observed, occupancy),
            lifetime: Quantiles::of(observed.histogram(Lifetime)),
            overdue: Quantiles::of(observed.histogram(Overdue)),
            count: Count::of(observed),
            table: TableSize::of(observed),
            ports: PortRow::rows(observed),
            strata: StratumRow::rows(observed),
            kernel_statistics: observed
                .statistics
                .iter()
                .map(|(it, &count)| (it.name(), count))
                .collect(),
            unattributed: causes
                .map(|cause| (cause.name(), observed.counters.causes[cause.id()]))
                .collect(),
        }
    }
}

impl Summary {
    /// Sums a recording up.
    #[must_use]
    pub fn of(recording: &Recording) -> Self {
        let description = &recording.description;
        // A file that is gone by now has told the rest.
        let occupancies = Occupancies::of(recording)
            .inspect_err(|error| log::warn!("who keeps entries in the table is not told: {error}"))
            .ok();
        let occupancies = occupancies.as_ref();
        let losses = Loss::ALL
            .iter()
            .map(|it| (it.name(), recording.losses.count[it.id()]));
        Self {
            schema_version: 1,
            source: description.source.clone(),
            kernel: description.kernel.clone(),
            host: description.host.clone(),
            started: description.started,
            duration_s: recording.duration.as_secs_f64(),
            complete: recording.complete,
            hooks: description.hooks.clone(),
            all: Body::of(
                &Observed::recording(recording),
                occupancies.map(|it| &it.all),
            ),
            losses: losses.collect(),
            namespaces: recording
                .namespaces
                .iter()
                .enumerate()
                .map(|(index, namespace)| NamespaceSummary {
                    name: namespace.name.clone(),
                    inum: namespace.inum,
                    body: Body::of(
                        &Observed::namespace(recording, namespace),
                        occupancies.and_then(|it| it.namespaces.get(index)),
                    ),
                })
                .collect(),
            remarks: description.remarks.clone(),
        }
    }

    /// Something was lost, or the balance is off: the numbers are not the whole truth.
    #[must_use]
    pub fn has_losses(&self) -> bool {
        self.losses.values().any(|&count| count > 0) || self.all.balance.lost != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::synthetic::{Space, Synthetic};
    use crate::source::Statistic;
    use tracker_common::{Proto, Reason, State, Timer};

    fn summary() -> Summary {
        let mut source = Synthetic::new();
        source.namespaces.push(Space::new(7, "blue"));
        let host = source.host();
        host.insert(Proto::Tcp, 10);
        host.counters.pickups[Proto::Tcp.id()] = 2;
        host.expire(State::TcpTimeWait, Timer::TcpTimeWait, 4, 120.0);
        host.die(State::TcpEstablished, Reason::EarlyDrop, 1);
        host.counters.live_us[State::TcpEstablished.id()] = 5 * 600_000_000;
        host.max_gap(Timer::TcpEstablished, 6, 30.0);
        host.statistics.insert(Statistic::EarlyDrop, 1);
        let blue = &mut source.namespaces[1];
        blue.insert(Proto::Udp, 3);
        blue.statistics.insert(Statistic::EarlyDrop, 4);
        blue.set(Timer::Udp, 60);
        Summary::of(&source.recording(600))
    }

    #[test]
    fn the_balance_is_what_went_in_less_what_went_out() {
        let it = summary();
        assert_eq!(
            it.all.balance,
            Balance {
                inserted: 13,
                destroyed: 5,
                live_at_start: 0,
                live_at_end: 8,
                lost: 0
            }
        );
        assert!(!it.has_losses());
    }

    #[test]
    fn occupancy_is_time_spent_over_time_watched() {
        let it = summary();
        let find = |name| it.all.states.iter().find(|row| row.name == name).unwrap();
        assert!((find("tcp_time_wait").occupancy_mean - 4.0 * 120.0 / 600.0).abs() < 1e-9);
        assert!((find("tcp_established").occupancy_mean - 5.0).abs() < 1e-9);
    }

    #[test]
    fn a_timer_that_differs_between_namespaces_has_no_length_in_the_total() {
        let mut source = Synthetic::new();
        source.namespaces.push(Space::new(7, "blue"));
        source.host().max_gap(Timer::Udp, 1, 1.0);
        source.namespaces[1].set(Timer::Udp, 60);
        source.namespaces[1].max_gap(Timer::Udp, 1, 1.0);
        let it = Summary::of(&source.recording(60));
        assert_eq!(it.all.timers[0].current_s, None);
        assert_eq!(it.namespaces[1].body.timers[0].current_s, Some(60));
        assert_eq!(it.all.timers[0].max_gap.count, 2);
    }

    #[test]
    fn an_empty_recording_has_a_summary() {
        let it = Summary::of(&Synthetic::new().recording(0));
        assert_eq!((it.all.states.len(), it.all.timers.len()), (0, 0));
        assert_eq!(it.all.count.max, 0);
    }

    #[test]
    fn the_json_has_every_name_that_others_rely_on() {
        let json = serde_json::to_value(summary()).unwrap();
        for name in [
            "schema_version",
            "source",
            "kernel",
            "host",
            "started",
            "duration_s",
            "complete",
            "hooks",
            "balance",
            "inserts",
            "deaths",
            "states",
            "timers",
            "lifetime",
            "overdue",
            "count",
            "table",
            "ports",
            "strata",
            "kernel_statistics",
            "losses",
            "unattributed",
            "namespaces",
        ] {
            assert!(json.get(name).is_some(), "{name}");
        }
        assert_eq!(json["losses"].as_object().unwrap().len(), Loss::ALL.len());
        assert_eq!(
            json["unattributed"].as_object().unwrap().len(),
            Cause::ALL.len()
        );
        assert_eq!(json["namespaces"][1]["balance"]["inserted"], 3);
        assert_eq!(json["timers"][0]["max_gap"]["count"], 6);
        assert!(json["timers"][0]["occupancy_mean"].is_number());
        assert_eq!(json["deaths"][0]["reason"], "early_drop");
        assert_eq!(json["kernel_statistics"]["early_drop"], 5);
        assert_eq!(json["kernel_statistics"]["drop"], 0);
        let blue = &json["namespaces"][1];
        assert_eq!(blue["kernel_statistics"]["early_drop"], 4);
    }
}
