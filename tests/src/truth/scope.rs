//! The counters of one scope: a namespace, or all of them together.

use std::collections::BTreeMap;

use super::compare::Want;
use super::hist::Samples;
use super::ledger::{Entry, Followed, Ledger, Name, Reason, Step, UNTOLD};
use super::page::Page;

/// How often a state was entered and left.
#[derive(Debug, Default)]
struct StateRow {
    entered: u64,
    moved_on: u64,
    expired: u64,
    killed: u64,
    residency: Samples,
    /// Time that living entries have spent in it by the end of the watch.
    open: u64,
    /// Time for which expired entries stayed in the table.
    overdue: u64,
}

/// What happened under one timer.
#[derive(Debug, Default)]
struct TimerRow {
    resumed: Samples,
    max_gap: Samples,
    expired: u64,
}

/// Entries towards one destination port.
#[derive(Debug, Default)]
struct PortRow {
    inserts: u64,
    deaths: u64,
    low: u64,
    high: u64,
}

/// Everything that is counted in one scope.
#[derive(Debug, Default)]
pub struct Scope {
    inserted: u64,
    destroyed: u64,
    live_at_start: u64,
    live_at_end: u64,
    inserts: BTreeMap<Name, (u64, u64)>,
    deaths: BTreeMap<(Name, Reason), u64>,
    states: BTreeMap<Name, StateRow>,
    timers: BTreeMap<Name, TimerRow>,
    lifetime: Samples,
    overdue: Samples,
    ports: BTreeMap<(Name, u16), PortRow>,
    /// Entry-jiffies in the table, at least and at most.
    presence: (u64, u64),
    changes: Vec<(u64, i64)>,
}

impl Scope {
    /// Counts what the ledger holds of a namespace, or of all.
    #[must_use]
    pub fn count(ledger: &Ledger, namespace: Option<&str>, watch: (u64, u64)) -> Self {
        let mut scope = Self::default();
        for entry in &ledger.entries {
            if namespace.is_none_or(|name| name == entry.namespace) {
                scope.add(entry, watch);
            }
        }
        scope
    }

    fn add(&mut self, entry: &Entry, (begin, end): (u64, u64)) {
        let (Some(first), Some(last)) = (entry.steps.first(), entry.steps.last()) else {
            return;
        };
        let gone = entry
            .death
            .as_ref()
            .map_or((end, end), |death| (death.at, death.removed));
        let since = if entry.before { begin } else { first.at };
        self.presence.0 += gone.0.saturating_sub(since);
        self.presence.1 += gone.1.saturating_sub(since);
        self.changes.push((since, 1));
        if entry.before {
            self.live_at_start += 1;
        } else {
            self.inserted += 1;
            let row = self.inserts.entry(entry.proto.clone()).or_default();
            row.0 += 1;
            row.1 += u64::from(entry.pickup);
        }
        let kept = entry.followed != Followed::NotAtAll;
        // An older entry that no packet touched was never looked at.
        if entry.followed == Followed::Wholly && (!entry.before || entry.steps.len() > 1) {
            self.add_gaps(&entry.steps);
        } else if !kept {
            self.add_gaps(&entry.steps[..1]);
        }
        if !entry.before {
            if kept {
                self.add_states(entry, end);
            } else {
                self.states.entry(first.state.clone()).or_default().entered += 1;
            }
            let port = self
                .ports
                .entry((entry.proto.clone(), entry.port))
                .or_default();
            port.inserts += 1;
            if kept {
                port.deaths += u64::from(entry.death.is_some());
                port.low += gone.0.saturating_sub(since);
                port.high += gone.1.saturating_sub(since);
            }
        }
        let Some(death) = &entry.death else {
            self.live_at_end += 1;
            return;
        };
        self.changes.push((death.removed, -1));
        self.destroyed += 1;
        *self
            .deaths
            .entry((death.state.clone(), death.reason))
            .or_default() += 1;
        if !entry.before && kept {
            self.lifetime.add(death.at - first.at);
        }
        if death.reason == Reason::Expired {
            self.overdue.add_range(0, death.removed - death.at);
            self.timers.entry(last.timer.clone()).or_default().expired += 1;
        }
    }

    fn add_states(&mut self, entry: &Entry, end: u64) {
        let mut visits: Vec<(Name, u64)> = Vec::new();
        for (number, step) in entry.steps.iter().enumerate() {
            let told = entry.followed == Followed::Wholly && step.timer != UNTOLD;
            // What a packet changed is noticed by the next one, which mostly can tell when it was.
            let noticed = match entry.steps.get(number + 1) {
                Some(next) if !told && number > 0 => next.at,
                _ => step.at,
            };
            if visits.last().is_none_or(|(state, _)| *state != step.state) {
                visits.push((step.state.clone(), noticed));
            }
        }
        if let Some(death) = &entry.death
            && visits
                .last()
                .is_some_and(|(state, _)| *state != death.state)
        {
            visits.push((death.state.clone(), death.at));
        }
        let left = visits.iter().skip(1).map(|(_, at)| Some(*at)).chain([None]);
        for ((state, at), left) in visits.iter().zip(left) {
            let row = self.states.entry(state.clone()).or_default();
            row.entered += 1;
            match (left, &entry.death) {
                (Some(left), _) => {
                    row.moved_on += 1;
                    row.residency.add(left - at);
                }
                (None, Some(death)) => {
                    let expired = death.reason == Reason::Expired;
                    row.expired += u64::from(expired);
                    row.killed += u64::from(!expired);
                    row.residency.add(death.at - at);
                    row.overdue += death.removed - death.at;
                }
                (None, None) => row.open += end.saturating_sub(*at),
            }
        }
    }

    fn add_gaps(&mut self, steps: &[Step]) {
        let mut longest: BTreeMap<&Name, u64> = BTreeMap::new();
        let told = |step: &Step| step.timer != UNTOLD;
        for (step, next) in steps.iter().zip(steps.iter().skip(1)) {
            if !told(step) {
                continue;
            }
            if !told(next) {
                longest.entry(&step.timer).or_default();
                continue;
            }
            let gap = next.at - step.at;
            let seen = longest.entry(&step.timer).or_default();
            *seen = gap.max(*seen);
            if gap > 0 {
                self.timers
                    .entry(step.timer.clone())
                    .or_default()
                    .resumed
                    .add(gap);
            }
        }
        if let Some(last) = steps.last().filter(|last| told(last)) {
            longest.entry(&last.timer).or_default();
        }
        for (timer, gap) in longest {
            self.timers
                .entry(timer.clone())
                .or_default()
                .max_gap
                .add(gap);
        }
    }

    /// The most entries at any time, and the most that lasted for at least `span` jiffies.
    fn peaks(&self, span: u64) -> (u64, u64) {
        let mut changes = self.changes.clone();
        changes.sort_unstable();
        let (mut now, mut peak, mut plateau) = (0_i64, 0_i64, 0_i64);
        for (number, (at, change)) in changes.iter().enumerate() {
            now += change;
            peak = peak.max(now);
            if changes
                .get(number + 1)
                .is_none_or(|(next, _)| next - at >= span)
            {
                plateau = plateau.max(now);
            }
        }
        (
            u64::try_from(peak).unwrap_or(0),
            u64::try_from(plateau).unwrap_or(0),
        )
    }

    /// Adds what this scope's part of the report must hold.
    pub fn want(&self, page: &mut Page<'_>) {
        let counts = [
            ("inserted", self.inserted),
            ("destroyed", self.destroyed),
            ("live_at_start", self.live_at_start),
            ("live_at_end", self.live_at_end),
            ("lost", 0),
        ];
        for (name, count) in counts {
            page.put(&format!("balance.{name}"), Want::Count(count));
        }
        for (proto, (count, pickups)) in &self.inserts {
            let row = format!("inserts[{proto}]");
            page.put(&format!("{row}.proto"), Want::Anything);
            page.put(&format!("{row}.count"), Want::Count(*count));
            page.put(&format!("{row}.pickups"), Want::Count(*pickups));
        }
        for ((state, reason), count) in &self.deaths {
            let row = format!("deaths[{state}/{}]", reason.name());
            page.put(&format!("{row}.state"), Want::Anything);
            page.put(&format!("{row}.reason"), Want::Anything);
            page.put(&format!("{row}.count"), Want::Count(*count));
        }
        self.want_states(page);
        self.want_timers(page);
        page.samples("lifetime", &self.lifetime);
        page.samples("overdue", &self.overdue);
        for ((proto, port), row) in &self.ports {
            let path = format!("ports[{proto}/{port}]");
            page.put(&format!("{path}.proto"), Want::Anything);
            page.put(&format!("{path}.port"), Want::Anything);
            page.put(&format!("{path}.inserts"), Want::Count(row.inserts));
            page.put(&format!("{path}.deaths"), Want::Count(row.deaths));
            let seconds = page.span(row.low, row.high, 1.0);
            page.put(&format!("{path}.entry_seconds"), seconds);
        }
        let second = (1.0 / page.ledger.jiffy_s) as u64;
        let (peak, plateau) = self.peaks(2 * second);
        page.put("count.max", Want::Between(plateau as f64, peak as f64));
        page.put("count.p99", Want::Between(0.0, peak as f64));
        let mean = page.span(self.presence.0, self.presence.1, page.duration_s);
        page.put("count.mean", mean);
    }

    fn want_states(&self, page: &mut Page<'_>) {
        for (state, row) in &self.states {
            let path = format!("states[{state}]");
            page.put(&format!("{path}.name"), Want::Anything);
            page.put(&format!("{path}.entered"), Want::Count(row.entered));
            page.put(&format!("{path}.moved_on"), Want::Count(row.moved_on));
            page.put(&format!("{path}.expired"), Want::Count(row.expired));
            page.put(&format!("{path}.killed"), Want::Count(row.killed));
            page.samples(&format!("{path}.residency"), &row.residency);
            let (low, high) = row.residency.sum();
            let occupancy = page.span(low, high + row.open + row.overdue, page.duration_s);
            page.put(&format!("{path}.occupancy_mean"), occupancy);
        }
    }

    fn want_timers(&self, page: &mut Page<'_>) {
        for (timer, row) in &self.timers {
            let path = format!("timers[{timer}]");
            let setting = page
                .settings
                .and_then(|name| page.ledger.settings.get(name)?.get(timer))
                .copied();
            let rate = row.expired as f64 / page.duration_s;
            page.put(&format!("{path}.name"), Want::Anything);
            page.put(
                &format!("{path}.current_s"),
                setting.map_or(Want::Anything, Want::Count),
            );
            page.samples(&format!("{path}.resumed_gaps"), &row.resumed);
            page.samples(&format!("{path}.max_gap"), &row.max_gap);
            page.put(&format!("{path}.expired"), Want::Count(row.expired));
            page.put(
                &format!("{path}.expired_per_s"),
                Want::Between(rate * 0.99, rate * 1.01),
            );
        }
    }
}
