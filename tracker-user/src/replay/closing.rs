//! How connections of TCP were closed, by the states in which their entries died.

use tracker_common::{Proto, Reason, State, Timer};

use super::{
    kind::{Step, choose, plain, then},
    measured::Measured,
    seen::Seen,
};

/// States after the last data.
pub const CLOSING: [State; 5] = [
    State::TcpFinWait,
    State::TcpCloseWait,
    State::TcpLastAck,
    State::TcpTimeWait,
    State::TcpClose,
];

const CLOSE: &str = "\"close\"";
const FIN: &str = "\"fin\"";
const FIN_ALONE: &str = "{ fin = { acknowledged = false } }";
const FIN_BACK: &str = "{ fin = { by = \"server\" } }";
const FIN_BACK_ALONE: &str = "{ fin = { by = \"server\", acknowledged = false } }";

/// Connections that the client reset when they were answered: from `SYN_RECV` straight to `CLOSE`.
pub fn scanned(seen: &Seen<'_>) -> f64 {
    let answered = seen.record.counters.moved_on[State::TcpSynRecv.id()] as f64;
    let opened = seen.entered(State::TcpEstablished) - seen.pickups(Proto::Tcp);
    (answered - opened.max(0.0)).max(0.0)
}

/// Steps that close a connection: as most are, if the watch was too short for any to have come to its end.
pub fn steps(seen: &Seen<'_>) -> Vec<Step> {
    let seen_to_end = ways(seen);
    if seen_to_end.is_empty() {
        return plain(CLOSE);
    }
    seen_to_end
}

fn ways(seen: &Seen<'_>) -> Vec<Step> {
    let expired = |state| seen.deaths(state, Reason::Expired);
    let slow = |timer| seen.long_pauses(timer).above(seen.busy(timer));
    let half_closed = slow(Timer::TcpCloseWait);
    let last = slow(Timer::TcpLastAck);
    let first = slow(Timer::TcpFinWait);
    // Who said something more in TIME_WAIT, long after the end.
    let afterwards = slow(Timer::TcpTimeWait);
    let slowly = half_closed.weight() + last.weight() + first.weight() + afterwards.weight();
    let reopened = seen.deaths(State::TcpTimeWait, Reason::Reopened);
    let waited = seen.residency(State::TcpTimeWait);
    let until_reopened = waited.below(0.99 * seen.timeout(Timer::TcpTimeWait));
    let pause = |spread: &Measured| vec![Step::Pause(spread.clone())];
    let again = then([
        plain(CLOSE),
        pause(&until_reopened),
        plain("\"handshake\""),
        plain(CLOSE),
    ]);
    let late = then([plain(CLOSE), pause(&afterwards), plain("\"late\"")]);
    let half_closed_for_long = then([plain(FIN), pause(&half_closed), plain(FIN_BACK)]);
    let last_for_long = then([
        plain(FIN),
        plain(FIN_BACK_ALONE),
        pause(&last),
        plain("\"late\""),
    ]);
    let first_for_long = then([
        plain(FIN_ALONE),
        pause(&first),
        plain("{ late = { from = \"server\" } }"),
        plain(FIN_BACK),
    ]);
    choose([
        (
            (expired(State::TcpTimeWait) - slowly).max(0.0),
            plain(CLOSE),
        ),
        (afterwards.weight(), late),
        (reopened, again),
        (
            (expired(State::TcpClose) - scanned(seen)).max(0.0),
            plain("\"reset\""),
        ),
        (expired(State::TcpFinWait), plain(FIN_ALONE)),
        (expired(State::TcpCloseWait), plain(FIN)),
        (
            expired(State::TcpLastAck),
            then([plain(FIN), plain(FIN_BACK_ALONE)]),
        ),
        (half_closed.weight(), half_closed_for_long),
        (last.weight(), last_for_long),
        (first.weight(), first_for_long),
    ])
}
