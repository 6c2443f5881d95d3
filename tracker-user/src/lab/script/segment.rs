//! A segment, and what conntrack makes of it, by the state in which it finds the entry.
//!
//! What is stated here was read in `nf_conntrack_proto_tcp.c` and seen in kernels from 5.10 to 7.3.
//! All segments lie in the windows, so none of it hinges on how a kernel treats those that do not.

use tracker_common::{Reason, State, Timer};

use super::connection::{Connection, Entry, other};
use crate::lab::packet::{Body, Effect, Side, flag};
use crate::lab::random::Chance;
use crate::lab::scenario::Timeouts;

/// The window that is offered, unless it is closed.
pub(super) const OPEN: u16 = u16::MAX;
/// Identical segments in a row, beyond the first, after which the kernel waits less patiently:
/// `net.netfilter.nf_conntrack_tcp_max_retrans` of a new namespace.
const STUCK: u8 = 3;
/// First sequence numbers. The kernel takes an end that it has not heard of to be at 0, so what is
/// acknowledged of it in a connection that it picks up must be ahead of that, and far from it.
const FIRST: std::ops::Range<u32> = 1 << 24..1 << 30;

/// What a segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Syn,
    SynAck,
    Ack,
    Fin,
    Rst,
}

/// A segment to send. It acknowledges all that the other end has sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    pub side: Side,
    pub kind: Kind,
    /// Bytes before the sender's next one at which it begins.
    pub back: u32,
    pub payload: u16,
    pub window: u16,
}

impl Segment {
    pub const fn new(side: Side, kind: Kind) -> Self {
        Self {
            side,
            kind,
            back: 0,
            payload: 0,
            window: OPEN,
        }
    }

    pub const fn data(side: Side, payload: u16) -> Self {
        Self {
            payload,
            ..Self::new(side, Kind::Ack)
        }
    }

    /// Asks for an answer, with a byte number that was acknowledged long ago.
    pub const fn probe(side: Side) -> Self {
        Self {
            back: 1,
            ..Self::new(side, Kind::Ack)
        }
    }

    /// It goes beyond what its sender has sent.
    const fn advances(&self) -> bool {
        self.back == 0 && (self.payload > 0 || matches!(self.kind, Kind::Fin))
    }
}

/// Both ends' sequence numbers, and what conntrack keeps of their segments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// Next byte of each end.
    next: [u32; 2],
    /// What the other end has acknowledged of each.
    acknowledged: [u32; 2],
    /// Something of an end waits for its acknowledgment.
    waiting: [bool; 2],
    /// The last segment without SYN, FIN or RST: sender, begin, end, acknowledgment, window.
    last: Option<(Side, u32, u32, u32, u16)>,
    /// How often the same one came since.
    same: u8,
    /// Its window was 0, or there was none yet.
    closed: bool,
    /// The entry began in the middle of the connection, and only the client has been heard: its
    /// segments are let through, but nothing is learnt from them.
    blind: bool,
}

impl Ends {
    pub fn new(chance: &mut Chance) -> Self {
        let range = u64::from(FIRST.end - FIRST.start);
        let mut first = || FIRST.start + chance.below(range) as u32;
        let next = [first(), first()];
        Self {
            next,
            acknowledged: next,
            waiting: [false; 2],
            last: None,
            same: 0,
            closed: true,
            blind: false,
        }
    }

    /// The entry is a new one.
    const fn forget(&mut self, blind: bool) {
        self.waiting = [false; 2];
        self.last = None;
        self.same = 0;
        self.closed = true;
        self.blind = blind;
    }
}

impl Connection {
    /// The entry began in the middle of the connection, and the server has not answered.
    pub(super) fn is_unanswered_pickup(&self) -> bool {
        self.entry.is_some() && self.tcp.blind
    }

    /// Sends a segment, or says that it cannot be: without an entry nobody would know where to
    /// forward a server's, and some would leave both ends and conntrack of different opinions.
    pub(super) fn segment(&mut self, segment: Segment, timeouts: &Timeouts) -> bool {
        let Segment { side, kind, .. } = segment;
        if kind == Kind::Syn {
            self.let_expire(timeouts, None);
        } else {
            self.clear(timeouts, None);
        }
        if side == Side::Client && segment.advances() && self.is_unanswered_pickup() {
            // Conntrack would take no notice of what the server is about to acknowledge.
            self.segment(Segment::new(Side::Server, Kind::Ack), timeouts);
            self.wait_for_answer();
            self.clear(timeouts, None);
        }
        let Some(course) = course(self.entry, &segment) else {
            return false;
        };
        let body = self.body(&segment);
        let effect = match course {
            Course::Begin { state, pickup } => {
                self.tcp.forget(pickup);
                Effect::Insert {
                    state,
                    timer: self.tcp.timer(state, false, timeouts),
                    pickup,
                }
            }
            Course::Again => {
                self.tcp.forget(false);
                let state = State::TcpSynSent;
                Effect::Reopen {
                    state,
                    timer: self.tcp.timer(state, false, timeouts),
                }
            }
            Course::Go(state) => {
                self.tcp.learn(&segment, &body);
                let answered = self.entry.is_some_and(|entry| entry.answered);
                Effect::Refresh {
                    state,
                    timer: self.tcp.timer(state, answered, timeouts),
                }
            }
            Course::End => Effect::Kill {
                state: State::TcpClose,
                reason: Reason::ResetBeforeReply,
            },
            Course::Stay => Effect::Nothing,
        };
        self.put(side, body, effect);
        true
    }

    /// The segment with its numbers; its sender goes on to the next.
    fn body(&mut self, segment: &Segment) -> Body {
        let Segment { side, kind, .. } = *segment;
        let ends = &mut self.tcp;
        let (own, peer) = (side as usize, other(side) as usize);
        let flags = match kind {
            Kind::Syn => flag::SYN,
            Kind::SynAck => flag::SYN | flag::ACK,
            Kind::Ack => flag::ACK,
            Kind::Fin => flag::FIN | flag::ACK,
            Kind::Rst => flag::RST | flag::ACK,
        };
        let unopened = self.entry.is_none_or(|it| it.state == State::TcpTimeWait);
        if kind == Kind::Syn && unopened {
            // Well ahead of all that the tuple has seen before.
            for next in &mut ends.next {
                *next = next.wrapping_add(1 << 20);
            }
            ends.acknowledged = ends.next;
        }
        let fresh = match (kind, self.entry.map(|it| it.state)) {
            (Kind::Syn, Some(State::TcpSynSent)) | (Kind::SynAck, Some(State::TcpSynRecv)) => false,
            (Kind::Syn | Kind::SynAck, _) => true,
            _ => false,
        };
        let back = match kind {
            // Once more the one that was sent already.
            Kind::Syn | Kind::SynAck if !fresh => 1,
            // Exactly where the other end waits for it.
            Kind::Rst => ends.next[own].wrapping_sub(ends.acknowledged[own]),
            _ => segment.back,
        };
        let mut sequence = ends.next[own].wrapping_sub(back);
        let counted = u32::from(matches!(kind, Kind::Syn | Kind::SynAck | Kind::Fin));
        let length = u32::from(segment.payload) + counted;
        if back == 0 {
            ends.next[own] = sequence.wrapping_add(length);
        }
        let acknowledgment = if kind == Kind::Syn {
            0
        } else {
            ends.acknowledged[peer] = ends.next[peer];
            ends.next[peer]
        };
        if kind == Kind::Rst && self.entry.is_some_and(|it| it.state == State::TcpSynSent) {
            // It answers a SYN, so its sender has no numbers yet.
            sequence = 0;
        }
        Body::Tcp {
            flags,
            sequence,
            acknowledgment,
            window: segment.window,
            payload: segment.payload,
        }
    }
}

impl Ends {
    /// What conntrack keeps of a segment that it lets refresh the entry.
    fn learn(&mut self, segment: &Segment, body: &Body) {
        let Segment { side, kind, .. } = *segment;
        let Body::Tcp {
            sequence,
            acknowledgment,
            window,
            payload,
            ..
        } = *body
        else {
            return;
        };
        if self.blind && side == Side::Client {
            return;
        }
        // The first that is heard of a server is not compared with anything.
        self.waiting[side as usize] |= segment.advances() && !self.blind;
        self.waiting[other(side) as usize] = false;
        self.blind = false;
        if kind == Kind::Ack {
            let end = sequence.wrapping_add(payload.into());
            let this = (side, sequence, end, acknowledgment, window);
            self.same = if self.last == Some(this) {
                self.same.saturating_add(1)
            } else {
                0
            };
            self.last = Some(this);
            self.closed = window == 0;
        }
    }

    /// The timer that the kernel arms in a state.
    fn timer(&self, state: State, answered: bool, timeouts: &Timeouts) -> Timer {
        let usual = Timer::of_tcp(state);
        let stuck = self.same >= STUCK;
        let timer = if stuck && timeouts.longer(usual, Timer::TcpMaxRetrans) {
            Timer::TcpMaxRetrans
        } else if self.waiting != [false; 2] && timeouts.longer(usual, Timer::TcpUnacknowledged) {
            Timer::TcpUnacknowledged
        } else if self.closed && timeouts.longer(usual, Timer::TcpMaxRetrans) {
            Timer::TcpMaxRetrans
        } else {
            usual
        };
        // Nothing has been heard of the server before this segment.
        let one_sided = !answered && state == State::TcpEstablished;
        if one_sided && timeouts.longer(timer, Timer::TcpUnacknowledged) {
            Timer::TcpUnacknowledged
        } else {
            timer
        }
    }
}

/// What becomes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Begin { state: State, pickup: bool },
    Again,
    Go(State),
    End,
    Stay,
}

/// What a segment does to the entry that it finds; `None` if it is not to be sent.
fn course(entry: Option<Entry>, segment: &Segment) -> Option<Course> {
    use State::{
        TcpClose, TcpCloseWait, TcpEstablished, TcpFinWait, TcpLastAck, TcpSynRecv, TcpSynSent,
        TcpTimeWait,
    };
    let Segment { side, kind, .. } = *segment;
    let Some(entry) = entry else {
        return match (side, kind) {
            (Side::Client, Kind::Syn) => Some(Course::Begin {
                state: TcpSynSent,
                pickup: false,
            }),
            (Side::Client, Kind::Ack) => Some(Course::Begin {
                state: TcpEstablished,
                pickup: true,
            }),
            // Nothing begins so.
            (Side::Client, Kind::Fin | Kind::Rst) => Some(Course::Stay),
            _ => None,
        };
    };
    match (kind, entry.state) {
        (Kind::Syn, TcpSynSent) | (Kind::SynAck, TcpSynRecv) => Some(Course::Stay),
        (Kind::Syn, TcpTimeWait) => Some(Course::Again),
        (Kind::SynAck, TcpSynSent) => Some(Course::Go(TcpSynRecv)),
        (Kind::Syn | Kind::SynAck, _) => None,
        (Kind::Rst, _) if !entry.answered => Some(Course::End),
        (Kind::Rst, _) => Some(Course::Go(TcpClose)),
        (_, TcpSynSent) => None,
        (Kind::Ack, TcpSynRecv) if side == Side::Client => Some(Course::Go(TcpEstablished)),
        (Kind::Ack, TcpFinWait) => Some(Course::Go(TcpCloseWait)),
        (Kind::Ack, TcpLastAck) => Some(Course::Go(TcpTimeWait)),
        (Kind::Fin, TcpSynRecv | TcpEstablished) => Some(Course::Go(TcpFinWait)),
        (Kind::Fin, TcpFinWait | TcpCloseWait) => Some(Course::Go(TcpLastAck)),
        (_, state) => Some(Course::Go(state)),
    }
}
