//! TCP's connections: how they open, how long they talk, and how they end.

use tracker_common::{Proto, Reason, State, Timer, layout::HistogramId};

use super::{
    closing::{self, CLOSING},
    kind::{Arrivals, Kind, Step, choose, plain, then},
    measured::Measured,
    seen::Seen,
    target::{ANY_PORT, Pauses, Target},
};

/// A pause that shows that a connection does not go on, if none that did was as long, in seconds.
const SILENT: f64 = 60.0;
/// Data that nobody acknowledges.
const UNACKNOWLEDGED: &str = "{ send = { from = \"client\", acknowledged = false } }";
/// The same, repeated until the kernel takes notice.
const REPEATED: &str = "{ retransmit = { from = \"client\", times = 4, acknowledged = false } }";

/// One population for each port, and one of what was there before.
pub fn kinds(seen: &Seen<'_>) -> Vec<Kind> {
    let openings = Openings::of(seen);
    let lives = Lives::of(seen);
    let targets = Target::all(seen, Proto::Tcp);
    let kind = |target| kind(seen, target, &openings, &lives);
    let mut kinds: Vec<Kind> = targets.iter().map(kind).collect();
    kinds.extend(residents(seen, &targets));
    kinds
}

/// How connections of the namespace opened.
struct Openings {
    unanswered: f64,
    refused: f64,
    /// Reset by the client when it was answered.
    scanned: f64,
    half_open: f64,
    picked_up: f64,
    established: f64,
    /// Mean seconds in the table of those that nobody answered.
    wait: f64,
}

impl Openings {
    fn of(seen: &Seen<'_>) -> Self {
        let unanswered = seen.expired_of_all(State::TcpSynSent, Timer::TcpSynSent);
        let half_open = seen.expired_of_all(State::TcpSynRecv, Timer::TcpSynRecv);
        let resets = |state: &State| seen.deaths(*state, Reason::ResetBeforeReply);
        let refused: f64 = State::ALL.iter().map(resets).sum();
        let waited = unanswered * seen.timeout(Timer::TcpSynSent)
            + half_open * seen.timeout(Timer::TcpSynRecv);
        // One that a timer cut is the same connection still.
        let returned = seen
            .measured(HistogramId::Return(Timer::TcpEstablished))
            .weight();
        let picked_up = (seen.pickups(Proto::Tcp) - returned).max(0.0);
        let reopened: f64 = CLOSING
            .iter()
            .map(|it| seen.deaths(*it, Reason::Reopened))
            .sum();
        let entered = seen.entered(State::TcpEstablished) - seen.pickups(Proto::Tcp) - reopened;
        Self {
            unanswered,
            refused,
            scanned: closing::scanned(seen),
            half_open,
            picked_up,
            established: entered.max(0.0),
            wait: waited / (unanswered + half_open + refused).max(1.0),
        }
    }

    fn never(&self) -> f64 {
        self.unanswered + self.refused + self.scanned + self.half_open
    }

    fn open(&self) -> f64 {
        self.established + self.picked_up
    }

    /// Share of a target's connections that were established.
    fn established_share(&self, target: &Target) -> f64 {
        if self.never() == 0.0 {
            return 1.0;
        }
        let timers = [Timer::TcpEstablished, Timer::TcpUnacknowledged];
        let seen = timers.iter().filter_map(|timer| target.connections(*timer));
        let own = seen.reduce(f64::max).map(|count| count / target.inserts);
        let all = self.open() / (self.open() + self.never());
        own.unwrap_or(all).min(1.0)
    }
}

/// What becomes of established connections of the namespace.
struct Lives {
    /// How long those talked that were closed.
    closed: Measured,
    /// How long others did before they fell silent: acknowledged, or with data that was not, once or
    /// repeated.
    silent: Measured,
    unacknowledged: Measured,
    retransmitting: Measured,
    /// Pauses after which some went on whose entries had expired.
    returned: Measured,
    /// Those that neither were closed nor fell silent for good.
    staying: f64,
    closing: Vec<Step>,
    /// Mean seconds of talk of those whose end was seen.
    talk: f64,
    /// Mean seconds from the last word to the entry's death.
    after_talk: f64,
    /// Inserts that opened a closed connection again.
    reopened: f64,
}

impl Lives {
    fn of(seen: &Seen<'_>) -> Self {
        let mut closed = seen.residency(State::TcpEstablished);
        let ended = closed.weight();
        let (mut silence, mut talk) = (0.0, closed.sum());
        // The longest timer first: what lasted less than it is left for the others.
        let timers = [
            Timer::TcpEstablished,
            Timer::TcpMaxRetrans,
            Timer::TcpUnacknowledged,
        ];
        let counts = seen.expired_within(State::TcpEstablished, timers);
        let expired: Vec<Measured> = std::iter::zip(timers, counts)
            .map(|(timer, count)| {
                let timeout = seen.timeout(timer);
                if timeout >= seen.watch {
                    // As many come to their end as fall silent.
                    let most = seen.unfinished(State::TcpEstablished);
                    return Measured::point(0.0, seen.expired(timer).min(most));
                }
                silence += count * timeout;
                talk -= count * timeout;
                closed
                    .take_expired(count, timeout)
                    .begun(timeout, seen.watch)
            })
            .collect();
        let [silent, retransmitting, unacknowledged] = expired.try_into().unwrap_or_default();
        let closed = closed.begun(0.0, seen.watch);
        let begun =
            closed.weight() + silent.weight() + retransmitting.weight() + unacknowledged.weight();
        // The others of those unfinished are to end as all do.
        let unfinished = seen.unfinished(State::TcpEstablished) - (begun - ended).max(0.0);
        let (unfinished, still) = (unfinished.max(0.0), seen.fallen_silent(SILENT));
        // Those that are still closing when the watch ends take as long as the others.
        let closing = |it: &State| seen.residency(*it).mean() * seen.entered(*it);
        let in_closing: f64 = CLOSING.iter().map(closing).sum();
        Self {
            silent: silent.and(&Measured::point(0.0, unfinished * still)),
            closed,
            unacknowledged,
            retransmitting,
            returned: seen.measured(HistogramId::Return(Timer::TcpEstablished)),
            staying: unfinished * (1.0 - still),
            closing: closing::steps(seen),
            talk: talk.max(0.0) / ended.max(1.0),
            after_talk: (in_closing + silence) / ended.max(1.0),
            reopened: CLOSING
                .iter()
                .map(|it| seen.deaths(*it, Reason::Reopened))
                .sum(),
        }
    }
}

fn kind(seen: &Seen<'_>, target: &Target, openings: &Openings, lives: &Lives) -> Kind {
    let share = openings.established_share(target);
    let established = target.inserts * share;
    let never = target.inserts - established;
    let of_never = |count: f64| never * count / openings.never().max(1.0);
    let pauses = target.pauses(seen, Timer::TcpEstablished);
    let opening = choose([
        (openings.established, plain("\"handshake\"")),
        (openings.picked_up, plain("\"pickup\"")),
    ]);
    let life = then([
        opening,
        unacknowledged_pause(seen, target),
        life(
            lives,
            &pauses,
            talking(target, openings, lives),
            seen.whole(),
        ),
    ]);
    let script = choose([
        (of_never(openings.unanswered), plain("\"unanswered\"")),
        (of_never(openings.refused), plain("\"refused\"")),
        (
            of_never(openings.scanned),
            then([plain("\"half_open\""), plain("\"reset\"")]),
        ),
        (of_never(openings.half_open), plain("\"half_open\"")),
        (established, life),
    ]);
    // Connections that come again without being new ones.
    let again = (lives.reopened + lives.returned.weight()) / openings.open().max(1.0);
    Kind {
        name: target.name.clone(),
        proto: Proto::Tcp,
        ports: target.ports.clone(),
        arrivals: Arrivals::Course(target.inserts - established * again.min(0.9)),
        script: if script.is_empty() {
            plain("\"handshake\"")
        } else {
            script
        },
    }
}

/// By how much these ports' connections talk longer than the namespace's, by their time in the table.
fn talking(target: &Target, openings: &Openings, lives: &Lives) -> f64 {
    let share = openings.established_share(target);
    let Some(mean_life) = target.mean_life().filter(|_| share > 0.0) else {
        return 1.0;
    };
    let life = (mean_life - (1.0 - share) * openings.wait) / share;
    (life - lives.after_talk).max(0.0) / lives.talk.max(1e-3)
}

/// Data that was acknowledged late: the timer of unacknowledged data was armed meanwhile.
fn unacknowledged_pause(seen: &Seen<'_>, target: &Target) -> Vec<Step> {
    let pauses = target.pauses(seen, Timer::TcpUnacknowledged);
    let late = then([plain(UNACKNOWLEDGED), vec![Step::Pause(pauses.long)]]);
    choose([(pauses.share, late), (1.0 - pauses.share, Vec::new())])
}

/// From the opening to the end.
fn life(lives: &Lives, pauses: &Pauses, factor: f64, whole: f64) -> Vec<Step> {
    let talk = |lasts: &Measured| pauses.talk(lasts, lasts.mean() * factor, "\"request\"");
    let all = Measured::point(whole, 1.0);
    let returned = lives.returned.weight().min(lives.silent.weight());
    let came_back = then([
        talk(&lives.silent),
        vec![Step::Pause(lives.returned.clone())],
        plain("\"request\""),
        lives.closing.clone(),
    ]);
    let unacknowledged = then([talk(&lives.unacknowledged), plain(UNACKNOWLEDGED)]);
    let retransmitting = then([talk(&lives.retransmitting), plain(REPEATED)]);
    choose([
        (
            lives.closed.weight(),
            then([talk(&lives.closed), lives.closing.clone()]),
        ),
        (lives.silent.weight() - returned, talk(&lives.silent)),
        (returned, came_back),
        (lives.unacknowledged.weight(), unacknowledged),
        (lives.retransmitting.weight(), retransmitting),
        (lives.staying, pauses.talk(&all, whole, "\"request\"")),
    ])
}

/// Connections that were there before the watch and after it.
fn residents(seen: &Seen<'_>, targets: &[Target]) -> Option<Kind> {
    let idle = |timer| seen.measured(HistogramId::Idle(timer));
    let established = idle(Timer::TcpEstablished);
    let living = established.weight() + idle(Timer::TcpUnacknowledged).weight();
    let born = if living > 0.0 {
        seen.unfinished(State::TcpEstablished)
    } else {
        let born = seen
            .record
            .ports
            .iter()
            .map(|it| it.inserts.saturating_sub(it.deaths));
        born.sum::<u64>() as f64
    };
    let living = if living > 0.0 {
        living
    } else {
        seen.record.live as f64
    };
    let count = living - born;
    if count < 0.5 {
        return None;
    }
    // Silent from the beginning of the watch to its end.
    let silent = established.above(0.9 * seen.watch).weight().min(count);
    let pauses = match targets.first() {
        Some(target) => target.pauses(seen, Timer::TcpEstablished),
        None => Pauses::of_all(seen, Timer::TcpEstablished),
    };
    let whole = Measured::point(seen.whole(), 1.0);
    let talk = pauses.talk(&whole, seen.whole(), "\"request\"");
    Some(Kind {
        name: "residents".to_owned(),
        proto: Proto::Tcp,
        ports: targets.first().map_or_else(
            || vec![busiest(seen).unwrap_or(ANY_PORT)],
            |target| target.ports.clone(),
        ),
        arrivals: Arrivals::AtStart(count),
        script: then([
            plain("\"handshake\""),
            choose([(silent, plain("\"request\"")), (count - silent, talk)]),
        ]),
    })
}

/// The port that most entries under an established connection's timer were seen at.
fn busiest(seen: &Seen<'_>) -> Option<u16> {
    let strata = seen.record.strata.iter();
    let established = strata.filter(|it| it.timer == Timer::TcpEstablished && it.port > 0);
    established
        .max_by_key(|it| it.connections)
        .map(|it| it.port)
}
