//! What a look at an entry tells: its state, and by which timer and when it was last refreshed.
//!
//! A function of numbers that the entry shows, and of nothing else that it is: so the programs ask it in one
//! place, which the verifier follows once, and tests ask it without a kernel.

use crate::{
    Cause, Proto, State, Timer,
    armed::{self, Tcp},
    jiffies,
    record::{Record, Seen},
    uapi::status,
};

/// Status bits of entries whose timeout is not their timer's.
const OWN: u64 = status::FIXED_TIMEOUT | status::NAT_CLASH | status::OFFLOAD | status::HW_OFFLOAD;

/// The entry's timeout is not its timer's, by its `IPS_*` bits.
#[inline(always)]
#[must_use]
pub const fn has_fixed_timeout(bits: u64) -> bool {
    bits & OWN != 0
}

/// What an entry shows, but for its timeout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// `IPS_*` bits: the kernel has no more than 16.
    pub status: u16,
    /// Id of the [`Proto`] whose state and timers it has; [`Proto::Other`] too where those of GRE and SCTP are
    /// not followed.
    pub proto: u8,
    /// State of TCP or SCTP, as the kernel has it; 0 for other protocols.
    pub state: u8,
    /// As in [`Tcp`], and so are the following.
    pub retrans: u8,
    /// Likewise.
    pub last_index: u8,
    /// Likewise.
    pub flags: u8,
    /// 1: the window of the last packet was closed.
    pub is_closed: u8,
}

impl Shown {
    /// Of an entry whose protocol keeps no state of its own.
    #[inline(always)]
    #[must_use]
    pub const fn new(proto: Proto, bits: u64) -> Self {
        Self {
            status: bits as u16,
            proto: proto as u8,
            state: 0,
            retrans: 0,
            last_index: 0,
            flags: 0,
            is_closed: 0,
        }
    }

    /// In one word.
    #[inline(always)]
    #[must_use]
    pub const fn packed(self) -> u64 {
        let [low, high] = self.status.to_le_bytes();
        u64::from_le_bytes([
            low,
            high,
            self.proto,
            self.state,
            self.retrans,
            self.last_index,
            self.flags,
            self.is_closed,
        ])
    }

    /// Of [`Shown::packed`].
    #[inline(always)]
    #[must_use]
    pub const fn of(packed: u64) -> Self {
        let [
            low,
            high,
            proto,
            state,
            retrans,
            last_index,
            flags,
            is_closed,
        ] = packed.to_le_bytes();
        Self {
            status: u16::from_le_bytes([low, high]),
            proto,
            state,
            retrans,
            last_index,
            flags,
            is_closed,
        }
    }

    #[inline(always)]
    const fn bits(self) -> u64 {
        self.status as u64
    }

    /// The state that it is in.
    #[inline(always)]
    #[must_use]
    pub const fn state(self) -> State {
        match Proto::from_id(self.proto as usize) {
            Some(Proto::Tcp) => State::from_tcp(self.state),
            Some(Proto::Udp | Proto::Udplite) => armed::udp(self.bits()).0,
            Some(Proto::Icmp) => State::Icmp,
            Some(Proto::Icmpv6) => State::Icmpv6,
            Some(Proto::Gre) => armed::gre(self.bits()).0,
            Some(Proto::Sctp) => State::from_sctp(self.state),
            Some(Proto::Dccp) => State::Dccp,
            _ => State::Generic,
        }
    }

    /// It dies of a reset that was the only answer, if it dies `now`.
    #[inline(always)]
    #[must_use]
    pub const fn is_reset_unanswered(self, timeout: u32, now: u32) -> bool {
        self.proto == Proto::Tcp as u8
            && matches!(State::from_tcp(self.state), State::TcpClose)
            && self.bits() & status::SEEN_REPLY == 0
            && !jiffies::is_expired(jiffies::remaining(timeout, now))
    }

    /// What the choice of its timer depends on, if it is TCP's, in this state, and expires in so many jiffies.
    #[inline(always)]
    #[must_use]
    pub const fn tcp(self, state: State, remaining: i32, max_retrans: u8) -> Tcp {
        Tcp {
            state,
            status: self.bits(),
            retrans: self.retrans,
            max_retrans,
            last_index: self.last_index,
            flags: self.flags,
            last_window: (self.is_closed == 0) as u32,
            remaining,
        }
    }

    #[inline(always)]
    fn timer(
        self,
        state: State,
        remaining: i32,
        max_retrans: u8,
        length: impl Fn(Timer) -> Option<u32>,
    ) -> Timer {
        match Proto::from_id(self.proto as usize) {
            Some(Proto::Tcp) => armed::tcp(&self.tcp(state, remaining, max_retrans), |timer| {
                length(timer).unwrap_or(0)
            }),
            Some(Proto::Udp | Proto::Udplite) => armed::udp(self.bits()).1,
            Some(Proto::Icmp) => Timer::Icmp,
            Some(Proto::Icmpv6) => Timer::Icmpv6,
            Some(Proto::Gre) => armed::gre(self.bits()).1,
            Some(Proto::Sctp) => Timer::of_sctp(state),
            Some(Proto::Dccp) => Timer::Unknown,
            _ => Timer::Generic,
        }
    }

    /// What it tells. `own` are the flags of its [`Record`]; `timeout` and `now` are jiffies; `length` tells how
    /// long a timer was at the last refresh, if that is known.
    #[inline(always)]
    #[must_use]
    pub fn tell(
        self,
        own: u8,
        (timeout, now): (u32, u32),
        max_retrans: u8,
        length: impl Fn(Timer) -> Option<u32>,
    ) -> Told {
        let state = self.state();
        let unknown = |cause| Told {
            state,
            timer: Timer::Unknown,
            armed: 0,
            cause: Some(cause),
        };
        if has_fixed_timeout(self.bits()) || own & (Record::POLICY | Record::SKIP) != 0 {
            return unknown(cause(self.bits(), own));
        }
        let remaining = jiffies::remaining(timeout, now);
        let timer = self.timer(state, remaining, max_retrans, &length);
        if let Timer::Unknown = timer {
            return unknown(if self.proto == Proto::Tcp as u8 {
                Cause::Inconsistent
            } else {
                Cause::Unobserved
            });
        }
        let Some(armed) = length(timer) else {
            return unknown(Cause::TimeoutChanged);
        };
        if jiffies::since_refresh(armed, remaining).is_none() {
            return unknown(Cause::Inconsistent);
        }
        Told {
            state,
            timer,
            armed,
            cause: None,
        }
    }
}

/// Why an entry has a timeout of its own.
#[inline(always)]
const fn cause(bits: u64, own: u8) -> Cause {
    if bits & (status::OFFLOAD | status::HW_OFFLOAD) != 0 || own & Record::SKIP != 0 {
        Cause::Offloaded
    } else if bits & status::NAT_CLASH != 0 {
        // Its timeout is fixed, too.
        Cause::Clash
    } else if bits & status::FIXED_TIMEOUT != 0 {
        Cause::FixedTimeout
    } else {
        Cause::Policy
    }
}

/// What a look tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The state that the entry is in.
    pub state: State,
    /// The timer that armed it; [`Timer::Unknown`] if that cannot be told.
    pub timer: Timer,
    /// For how many jiffies; meaningless if the timer is unknown.
    pub armed: u32,
    /// Why the timer cannot be told.
    pub cause: Option<Cause>,
}

impl Told {
    /// Nothing can be told.
    pub const NOTHING: Self = Self {
        state: State::Generic,
        timer: Timer::Unknown,
        armed: 0,
        cause: None,
    };

    /// In one word: jiffies, id of the state, of the timer, of the cause ([`u8::MAX`]: none).
    #[inline(always)]
    #[must_use]
    pub const fn packed(self) -> u64 {
        let cause = match self.cause {
            Some(cause) => cause as u8,
            None => u8::MAX,
        };
        let [a, b, c, d] = self.armed.to_le_bytes();
        u64::from_le_bytes([a, b, c, d, self.state as u8, self.timer as u8, cause, 0])
    }

    /// As of an entry that expires at `timeout`, seen `now`: in jiffies. The refresh lies one jiffy ahead where the
    /// clock was read before the entry.
    #[inline(always)]
    #[must_use]
    pub const fn seen(self, timeout: u32, now: u32) -> Seen {
        Seen {
            state: self.state,
            timer: self.timer,
            refreshed: timeout.wrapping_sub(self.armed),
            armed: self.armed,
            now,
        }
    }
}

#[cfg(test)]
mod tests;
