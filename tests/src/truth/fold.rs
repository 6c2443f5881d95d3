//! From a ledger to what is known of a scope.

use std::collections::BTreeMap;

use tracker_common::{Proto, Reason, State, Timer};
use tracker_user::lab::truth::{Outcome, Samples, Span, Tally};

use super::ledger::{Death, Entry, Followed, Ledger, Step, UNTOLD};
use super::scope::{Overdue, Scope, Seldom};

/// Seconds from the end of the traffic to that of the watch, at most.
const SPARE_S: u64 = 3;

/// Counts what the ledger holds of a namespace, or of all.
pub fn ledger(ledger: &Ledger, namespace: Option<&str>, watch: (u64, u64)) -> Scope {
    let second = (1.0 / ledger.jiffy_s) as u64;
    let mut fold = Fold {
        spare: SPARE_S * second,
        ..Fold::default()
    };
    for entry in &ledger.entries {
        if namespace.is_none_or(|name| name == entry.namespace) {
            fold.add(entry, watch);
        }
    }
    let mut returns: BTreeMap<Timer, Samples> = BTreeMap::new();
    for back in &ledger.returns {
        if namespace.is_none_or(|name| name == back.namespace) {
            let timer = id(&back.timer, Timer::from_name);
            let gaps = returns.entry(timer).or_default();
            gaps.add(Span::exactly(back.gap));
        }
    }
    let peak = peaks(&mut fold.changes, 2 * second);
    let held = fold.held();
    Scope {
        tally: fold.tally,
        live_at_start: fold.live_at_start,
        live_at_end: fold.live_at_end,
        overdue: Overdue::Samples(fold.overdue),
        seldom: Some(Seldom {
            idle: fold.idle,
            returns,
        }),
        beyond: fold.beyond,
        beyond_port: fold.beyond_port,
        held,
        presence: fold.presence,
        peak,
    }
}

#[derive(Debug, Default)]
struct Fold {
    tally: Tally,
    live_at_start: u64,
    live_at_end: u64,
    overdue: Samples,
    beyond: BTreeMap<State, u64>,
    beyond_port: BTreeMap<(Proto, u16), u64>,
    presence: Span,
    changes: Vec<(u64, i64)>,
    idle: BTreeMap<Timer, Samples>,
    /// Jiffies from the end of the traffic to that of the watch, at most.
    spare: u64,
    held: BTreeMap<Timer, Held>,
    /// Of an entry not all times under timers are known.
    is_partial: bool,
}

/// Time that entries spent under a timer.
#[derive(Debug, Default, Clone, Copy)]
struct Held {
    time: Span,
    /// Entries that died or lived on under it.
    last: u64,
    expired: u64,
}

impl Fold {
    /// A report does not tell under which timer it was that an expired entry was left in the table, and it knows only
    /// the interval of a death.
    fn held(&self) -> Option<BTreeMap<Timer, Span>> {
        const INTERVAL_S: u64 = 1;
        let second = self.spare / SPARE_S;
        let overdue = self
            .overdue
            .iter()
            .map(|(span, _)| span.high)
            .max()
            .unwrap_or(0);
        let each = self.held.iter().map(|(&timer, it)| {
            let slack = it.last * INTERVAL_S * second;
            let time = Span {
                low: it.time.low.saturating_sub(slack),
                high: it.time.high + slack + it.expired * overdue,
            };
            (timer, time)
        });
        (!self.is_partial).then(|| each.collect())
    }

    fn add_held(&mut self, entry: &Entry, end: u64) {
        let is_told = entry.steps.iter().all(|step| step.timer != UNTOLD);
        if entry.before || entry.followed != Followed::Wholly || !is_told {
            self.is_partial = true;
            return;
        }
        let (left, spare) = entry
            .death
            .as_ref()
            .map_or((end, self.spare), |death| (death.at, 0));
        let ends = entry.steps.iter().skip(1).map(|next| next.at).chain([left]);
        for (number, (step, until)) in entry.steps.iter().zip(ends).enumerate() {
            let held = self.held.entry(timer(step)).or_default();
            let is_last = number + 1 == entry.steps.len();
            held.time.low += until.saturating_sub(step.at);
            held.time.high += until.saturating_sub(step.at);
            if is_last {
                held.time.high += spare;
                held.last += 1;
            }
            let is_expired = |death: &Death| death.reason.name() == Reason::Expired.name();
            if is_last && entry.death.as_ref().is_some_and(is_expired) {
                held.expired += 1;
            }
        }
    }

    fn add(&mut self, entry: &Entry, (begin, end): (u64, u64)) {
        let (Some(first), Some(last)) = (entry.steps.first(), entry.steps.last()) else {
            return;
        };
        let proto = id(&entry.proto, Proto::from_name);
        let (died, removed) = entry
            .death
            .as_ref()
            .map_or((end, end), |death| (death.at, death.removed));
        let since = if entry.before { begin } else { first.at };
        self.presence.low += died.saturating_sub(since);
        self.presence.high += removed.saturating_sub(since);
        self.changes.push((since, 1));
        if entry.before {
            self.live_at_start += 1;
        } else {
            self.tally.inserted(proto, entry.pickup);
        }
        self.add_held(entry, end);
        let kept = entry.followed != Followed::NotAtAll;
        // An older entry that no packet touched was never looked at.
        if entry.followed == Followed::Wholly && (!entry.before || entry.steps.len() > 1) {
            self.add_gaps((proto, entry.port), &entry.steps);
            if entry.death.is_none() {
                self.add_idle(&entry.steps, end);
            }
        }
        if !entry.before {
            if kept {
                self.add_states(entry, end);
            } else {
                self.tally.entered(state(first));
            }
            let key = (proto, entry.port);
            let port = self.tally.ports.entry(key).or_default();
            port.inserts += 1;
            if kept {
                if entry.death.is_some() {
                    port.deaths += 1;
                    port.presence.low += died.saturating_sub(since);
                    port.presence.high += died.saturating_sub(since);
                }
                *self.beyond_port.entry(key).or_default() += removed - died;
            }
        }
        let Some(death) = &entry.death else {
            self.live_at_end += 1;
            return;
        };
        self.changes.push((death.removed, -1));
        let reason = id(death.reason.name(), Reason::from_name);
        let last_state = id(&death.state, State::from_name);
        self.tally.died(last_state, reason);
        if !entry.before && kept {
            self.tally.lifetime.add(Span::exactly(death.at - first.at));
        }
        if reason == Reason::Expired {
            self.overdue.add(Span {
                low: 0,
                high: death.removed - death.at,
            });
            self.tally.expired(timer(last));
        }
    }

    fn add_states(&mut self, entry: &Entry, end: u64) {
        let mut visits: Vec<(State, u64)> = Vec::new();
        let mut visit = |state, at| {
            if visits.last().is_none_or(|(last, _)| *last != state) {
                visits.push((state, at));
            }
        };
        for (number, step) in entry.steps.iter().enumerate() {
            let told = entry.followed == Followed::Wholly && step.timer != UNTOLD;
            // What a packet changed is noticed by the next one, which mostly can tell when it was.
            let noticed = match entry.steps.get(number + 1) {
                Some(next) if !told && number > 0 => next.at,
                _ => step.at,
            };
            visit(state(step), noticed);
        }
        if let Some(death) = &entry.death {
            visit(id(&death.state, State::from_name), death.at);
        }
        let left = visits.iter().skip(1).map(|(_, at)| Some(*at)).chain([None]);
        for (&(state, at), left) in visits.iter().zip(left) {
            self.tally.entered(state);
            match (left, &entry.death) {
                (Some(left), _) => {
                    let residency = Span::exactly(left - at);
                    self.tally.left(state, Outcome::MovedOn, residency);
                }
                (None, Some(death)) => {
                    let outcome = match id(death.reason.name(), Reason::from_name) {
                        Reason::Expired => Outcome::Expired,
                        _ => Outcome::Killed,
                    };
                    let residency = Span::exactly(death.at - at);
                    self.tally.left(state, outcome, residency);
                    *self.beyond.entry(state).or_default() += death.removed - death.at;
                }
                (None, None) => {
                    *self.beyond.entry(state).or_default() += end.saturating_sub(at);
                }
            }
        }
    }

    /// The watch ends somewhat after the traffic.
    fn add_idle(&mut self, steps: &[Step], end: u64) {
        if let Some(last) = steps.last().filter(|last| last.timer != UNTOLD) {
            let least = end.saturating_sub(last.at);
            self.idle.entry(timer(last)).or_default().add(Span {
                low: least,
                high: least + self.spare,
            });
        }
    }

    fn add_gaps(&mut self, port: (Proto, u16), steps: &[Step]) {
        let mut longest: BTreeMap<Timer, Span> = BTreeMap::new();
        let told = |step: &Step| step.timer != UNTOLD;
        for (step, next) in steps.iter().zip(steps.iter().skip(1)) {
            if !told(step) {
                continue;
            }
            let seen = longest.entry(timer(step)).or_default();
            if !told(next) {
                continue;
            }
            let gap = Span::exactly(next.at - step.at);
            *seen = gap.longer(*seen);
            self.tally.resumed(timer(step), gap);
        }
        if let Some(last) = steps.last().filter(|last| told(last)) {
            longest.entry(timer(last)).or_default();
        }
        for (timer, gap) in longest {
            self.tally.longest_to(port, timer, gap);
        }
    }
}

/// The most entries that lasted for at least `span` jiffies, and the most at any time.
fn peaks(changes: &mut [(u64, i64)], span: u64) -> Span {
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
    Span {
        low: plateau.unsigned_abs(),
        high: peak.unsigned_abs(),
    }
}

fn state(step: &Step) -> State {
    id(&step.state, State::from_name)
}

fn timer(step: &Step) -> Timer {
    id(&step.timer, Timer::from_name)
}

/// The one with this name, as tracker prints it.
fn id<T>(name: &str, find: impl Fn(&str) -> Option<T>) -> T {
    find(name).unwrap_or_else(|| panic!("the ledger names `{name}`, which tracker never does"))
}
