//! Flows of UDP, and echoes: they end when nothing is said any more.

use tracker_common::{Proto, Reason, State, Timer, layout::HistogramId};

use super::{
    kind::{Arrivals, Kind, Step, choose, plain, then},
    measured::Measured,
    seen::Seen,
    target::{Pauses, Target},
};

/// Flows that go on for less than this, in seconds, are taken for one question.
const ONCE: f64 = 1.0;
/// A flow that is younger, in seconds, is no stream.
const YOUNG: f64 = 2.0;
/// A flow is a stream when it goes on after two seconds.
const GROWN: &str = "{ pause = 2.1 }";

/// One population for each port.
pub fn udp(seen: &Seen<'_>) -> Vec<Kind> {
    let flows = Flows::of(seen);
    let targets = Target::all(seen, Proto::Udp);
    targets
        .iter()
        .map(|target| flows.kind(seen, target))
        .collect()
}

/// One population for each family.
pub fn echoes(seen: &Seen<'_>) -> Vec<Kind> {
    let of = |proto, state, timer| {
        let inserts = seen.inserts(proto);
        let target = Target::all(seen, proto).into_iter().next()?;
        let lasted = seen
            .residency(state)
            .take_expired(inserts, seen.timeout(timer));
        Some(Kind {
            name: proto.name().to_owned(),
            proto,
            ports: Vec::new(),
            arrivals: Arrivals::Course(inserts),
            script: talk(&lasted, &target.pauses(seen, timer), "\"echo\"", true),
        })
    };
    let four = of(Proto::Icmp, State::Icmp, Timer::Icmp);
    let six = of(Proto::Icmpv6, State::Icmpv6, Timer::Icmpv6);
    four.into_iter().chain(six).collect()
}

/// What becomes of flows of the namespace.
struct Flows {
    /// How long clients talked to whom did not answer.
    unreplied: Measured,
    /// How long they waited for an answer that came late.
    answered_late: Measured,
    replied: f64,
    streams: f64,
    /// How long streams were ones before they fell silent.
    lasted: Measured,
    /// Pauses after which flows went on whose entries had expired.
    replied_again: Measured,
    streams_again: Measured,
}

impl Flows {
    fn of(seen: &Seen<'_>) -> Self {
        let lasted = |state: State, timer: Timer| {
            let (mut all, timeout) = (seen.residency(state), seen.timeout(timer));
            if timeout >= seen.watch {
                return Measured::point(0.0, seen.deaths(state, Reason::Expired));
            }
            let [within] = seen.expired_within(state, [timer]);
            all.take_expired(within, timeout).begun(timeout, seen.watch)
        };
        let mut answered = seen.residency(State::UdpUnreplied);
        let [silent] = seen.expired_within(State::UdpUnreplied, [Timer::Udp]);
        answered.take_expired(silent, seen.timeout(Timer::Udp));
        let again = |timer| seen.measured(HistogramId::Return(timer));
        Self {
            unreplied: lasted(State::UdpUnreplied, Timer::Udp),
            answered_late: answered.above(YOUNG),
            replied: lasted(State::UdpReplied, Timer::Udp).weight(),
            streams: seen.entered(State::UdpStream),
            lasted: lasted(State::UdpStream, Timer::UdpStream),
            replied_again: again(Timer::Udp),
            streams_again: again(Timer::UdpStream),
        }
    }

    fn kind(&self, seen: &Seen<'_>, target: &Target) -> Kind {
        let single = self.unreplied.weight() + self.replied;
        let share = match target.connections(Timer::UdpStream) {
            Some(streams) => (streams / target.inserts).min(1.0),
            None => self.streams / (self.streams + single).max(1.0),
        };
        let streams = target.inserts * share;
        let of_single = |count: f64| (target.inserts - streams) * count / single.max(1.0);
        let pauses = target.pauses(seen, Timer::UdpStream);
        let lasts = self.lasts(seen, target, share);
        let early = target.pauses(seen, Timer::Udp);
        let late = self.late(of_single(self.replied));
        let unreplied = of_single(self.unreplied.above(ONCE).weight());
        // Who paused while the flow was young: those without an answer, those that it came late to, and
        // else flows that became streams by going on.
        let paused = target.paused(seen, Timer::Udp, YOUNG);
        let first = (paused.weight() - late.weight() - unreplied).clamp(0.0, streams);
        let grown = choose([
            (first, vec![Step::Pause(paused)]),
            (streams - first, plain(GROWN)),
        ]);
        let stream = then([
            plain("\"exchange\""),
            grown,
            pauses.talk(&self.lasted, lasts, "\"exchange\""),
            again(&self.streams_again, self.streams),
        ]);
        let asked_again = then([
            plain("\"datagram\""),
            vec![Step::Pause(late.clone())],
            plain("\"exchange\""),
        ]);
        let replied = then([
            choose([
                (late.weight(), asked_again),
                (
                    (of_single(self.replied) - late.weight()).max(0.0),
                    plain("\"exchange\""),
                ),
            ]),
            again(&self.replied_again, self.replied),
        ]);
        let script = choose([
            (
                of_single(self.unreplied.weight()),
                talk(&self.unreplied, &early, "\"datagram\"", false),
            ),
            (of_single(self.replied), replied),
            (streams, stream),
        ]);
        let script = if script.is_empty() {
            plain("\"exchange\"")
        } else {
            script
        };
        let inserts = seen.inserts(Proto::Udp).max(1.0);
        let returned = self.replied_again.weight() + self.streams_again.weight();
        Kind {
            name: target.name.clone(),
            proto: Proto::Udp,
            ports: target.ports.clone(),
            arrivals: Arrivals::Course(target.inserts * (1.0 - (returned / inserts).min(0.9))),
            script,
        }
    }

    /// How long those waited for their answer whom it came late to, of so many flows that had one and did
    /// not become streams.
    fn late(&self, replied: f64) -> Measured {
        let share = replied / (self.replied + self.streams).max(1.0);
        self.answered_late.of_weight(share.min(1.0))
    }

    /// How long these ports' streams are ones, before they fall silent: the mean.
    fn lasts(&self, seen: &Seen<'_>, target: &Target, share: f64) -> f64 {
        let Some(mean_life) = target.mean_life().filter(|_| share > 0.0) else {
            return self.lasted.mean();
        };
        let single = seen.timeout(Timer::Udp);
        let stream = (mean_life - (1.0 - share) * single) / share;
        let timeout = seen.timeout(Timer::UdpStream);
        // Of all those whose end was seen.
        let all = (seen.residency(State::UdpStream).mean() - timeout).max(1e-3);
        self.lasted.mean() * (stream - 2.1 - timeout).max(0.0) / all
    }
}

/// Some go on after so long: their entries expired too early.
fn again(pauses: &Measured, of: f64) -> Vec<Step> {
    let share = (pauses.weight() / of.max(1.0)).min(1.0);
    if share == 0.0 {
        return Vec::new();
    }
    let go_on = then([vec![Step::Pause(pauses.clone())], plain("\"exchange\"")]);
    choose([(share, go_on), (1.0 - share, Vec::new())])
}

/// A talk, or what is said once if it does not last.
fn talk(lasts: &Measured, pauses: &Pauses, once: &'static str, answered: bool) -> Vec<Step> {
    let long = lasts.above(ONCE);
    let talk = if answered {
        pauses.talk(&long, long.mean(), once)
    } else {
        let pause = Measured::point(pauses.busy, 1.0);
        vec![Step::Talk {
            lasts: long.clone(),
            pause: pauses.long.and(&pause),
            answered,
        }]
    };
    choose([
        (lasts.below(ONCE).weight(), plain(once)),
        (long.weight(), talk),
    ])
}
