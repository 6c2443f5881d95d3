//! What is known of one scope: a namespace, or all of them together.

use std::collections::BTreeMap;

use tracker_common::{Reason, State, Timer};
use tracker_user::lab::truth::{Samples, Span, Tally};

use super::compare::Want;
use super::hist::Zero;
use super::page::Page;

/// How long expired entries stayed in the table.
#[derive(Debug)]
pub enum Overdue {
    /// As these samples.
    Samples(Samples),
    /// It is not known of any, but only how many there are.
    Count(u64),
}

/// What is known of those that live on, and of those that came back.
#[derive(Debug)]
pub struct Seldom {
    /// Time since the last refresh of each entry that lives at the end, by the timer that it armed.
    pub idle: BTreeMap<Timer, Samples>,
    /// Last refresh to insert of each that came back, by the timer that let it expire.
    pub returns: BTreeMap<Timer, Samples>,
}

/// Everything that is known of one scope.
#[derive(Debug)]
pub struct Scope {
    /// What is counted of its entries.
    pub tally: Tally,
    /// Entries in the table when the watch began.
    pub live_at_start: u64,
    /// Entries in the table when it ended.
    pub live_at_end: u64,
    /// Removal minus expiry.
    pub overdue: Overdue,
    /// What happens seldom; none if it is not known.
    pub seldom: Option<Seldom>,
    /// Jiffies that entries may have been in a state beyond those of visits that ended: because they still live, or
    /// stayed in the table after they had expired.
    pub beyond: BTreeMap<State, u64>,
    /// Likewise of a port.
    pub beyond_port: BTreeMap<(tracker_common::Proto, u16), u64>,
    /// Entry-jiffies under each timer; none if not all of them are known.
    pub held: Option<BTreeMap<Timer, Span>>,
    /// Entry-jiffies in the table.
    pub presence: Span,
    /// What the highest count that was read may be.
    pub peak: Span,
}

impl Scope {
    /// Adds what this scope's part of the report must hold.
    pub fn want(&self, page: &mut Page<'_>) {
        let tally = &self.tally;
        let counts = [
            ("inserted", tally.insert_count()),
            ("destroyed", tally.death_count()),
            ("live_at_start", self.live_at_start),
            ("live_at_end", self.live_at_end),
            ("lost", 0),
        ];
        for (name, count) in counts {
            page.put(&format!("balance.{name}"), Want::Count(count));
        }
        for (proto, inserts) in &tally.inserts {
            let row = format!("inserts[{}]", proto.name());
            page.put(&format!("{row}.proto"), Want::Anything);
            page.put(&format!("{row}.count"), Want::Count(inserts.count));
            page.put(&format!("{row}.pickups"), Want::Count(inserts.pickups));
        }
        for ((state, reason), count) in &tally.deaths {
            let row = format!("deaths[{}/{}]", state.name(), reason.name());
            page.put(&format!("{row}.state"), Want::Anything);
            page.put(&format!("{row}.reason"), Want::Anything);
            page.put(&format!("{row}.count"), Want::Count(*count));
        }
        self.want_states(page);
        self.want_timers(page);
        page.samples("lifetime", &tally.lifetime, Zero::Counts);
        self.want_overdue(page);
        self.want_ports(page);
        self.want_strata(page);
        let peak = self.peak;
        let most = Want::Between(peak.low as f64, peak.high as f64);
        page.put("count.max", most);
        page.put("count.p99", Want::Between(0.0, peak.high as f64));
        let mean = page.span(self.presence, page.duration_s);
        page.put("count.mean", mean);
    }

    /// Entries that made room in a full table.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        let deaths = self.tally.deaths.iter();
        deaths
            .filter(|((_, reason), _)| *reason == Reason::EarlyDrop)
            .map(|(_, count)| count)
            .sum()
    }

    fn want_overdue(&self, page: &mut Page<'_>) {
        match &self.overdue {
            Overdue::Samples(samples) => page.samples("overdue", samples, Zero::Counts),
            Overdue::Count(count) => {
                page.put("overdue.count", Want::Count(*count));
                for quantile in ["p50_s", "p90_s", "p99_s", "p999_s", "max_s"] {
                    page.put(&format!("overdue.{quantile}"), Want::Anything);
                }
            }
        }
    }

    fn want_states(&self, page: &mut Page<'_>) {
        for (state, row) in &self.tally.states {
            let path = format!("states[{}]", state.name());
            page.put(&format!("{path}.name"), Want::Anything);
            page.put(&format!("{path}.entered"), Want::Count(row.entered));
            page.put(&format!("{path}.moved_on"), Want::Count(row.moved_on));
            page.put(&format!("{path}.expired"), Want::Count(row.expired));
            page.put(&format!("{path}.killed"), Want::Count(row.killed));
            page.samples(&format!("{path}.residency"), &row.residency, Zero::Counts);
            let mut time = row.residency.sum();
            time.high += self.beyond.get(state).copied().unwrap_or(0);
            let occupancy = page.span(time, page.duration_s);
            page.put(&format!("{path}.occupancy_mean"), occupancy);
        }
    }

    fn want_timers(&self, page: &mut Page<'_>) {
        for (timer, row) in &self.tally.timers {
            let path = format!("timers[{}]", timer.name());
            let setting = page.settings.and_then(|all| all.get(timer.name())).copied();
            let rate = row.expired as f64 / page.duration_s;
            page.put(&format!("{path}.name"), Want::Anything);
            page.put(
                &format!("{path}.current_s"),
                setting.map_or(Want::Anything, Want::Count),
            );
            page.samples(&format!("{path}.resumed_gaps"), &row.resumed, Zero::IsNone);
            page.samples(&format!("{path}.max_gap"), &row.longest, Zero::Counts);
            page.put(&format!("{path}.expired"), Want::Count(row.expired));
            page.put(
                &format!("{path}.expired_per_s"),
                Want::Between(rate * 0.99, rate * 1.01),
            );
            let held = self.held.as_ref().map(|all| all.get(timer).copied());
            let mean = held.map_or(Want::Anything, |held| {
                page.span(held.unwrap_or_default(), page.duration_s)
            });
            page.put(&format!("{path}.occupancy_mean"), mean);
            page.put(&format!("{path}.occupancy_peak"), Want::Anything);
            self.want_seldom(page, *timer);
        }
    }

    fn want_seldom(&self, page: &mut Page<'_>, timer: Timer) {
        let path = format!("timers[{}]", timer.name());
        let Some(Seldom { idle, returns }) = &self.seldom else {
            page.anything(&format!("{path}.idle"));
            page.anything(&format!("{path}.returns"));
            return;
        };
        for (name, all) in [("idle", idle), ("returns", returns)] {
            let none = Samples::default();
            let samples = all.get(&timer).unwrap_or(&none);
            page.samples(&format!("{path}.{name}"), samples, Zero::Counts);
        }
    }

    fn want_strata(&self, page: &mut Page<'_>) {
        for ((proto, port, timer), longest) in &self.tally.strata {
            let path = format!("strata[{}/{port}/{}]", proto.name(), timer.name());
            for name in ["proto", "port", "timer"] {
                page.put(&format!("{path}.{name}"), Want::Anything);
            }
            page.put(&format!("{path}.connections"), Want::Count(longest.count()));
            page.samples(
                &format!("{path}.max_gap"),
                longest,
                Zero::BelowASecondIsNone,
            );
        }
    }

    fn want_ports(&self, page: &mut Page<'_>) {
        for (key, row) in &self.tally.ports {
            let path = format!("ports[{}/{}]", key.0.name(), key.1);
            page.put(&format!("{path}.proto"), Want::Anything);
            page.put(&format!("{path}.port"), Want::Anything);
            page.put(&format!("{path}.inserts"), Want::Count(row.inserts));
            page.put(&format!("{path}.deaths"), Want::Count(row.deaths));
            let mut time = row.presence;
            time.high += self.beyond_port.get(key).copied().unwrap_or(0);
            let seconds = page.span(time, 1.0);
            page.put(&format!("{path}.entry_seconds"), seconds);
        }
    }
}
