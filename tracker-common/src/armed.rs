//! Which timer armed an entry's current timeout, rebuilt from the entry alone.
//!
//! Every input of the kernel's choice is still in the entry when the next packet comes. Sources:
//! `nf_conntrack_tcp_packet`, `nf_conntrack_udp_packet` and `gre_packet` in `net/netfilter/`
//! (5.10 to 7.3).

use crate::{
    Proto, State, Timer,
    uapi::{status, tcp as uapi},
};

/// What the choice of a TCP timer depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// State after the last packet.
    pub state: State,
    /// `IPS_*` bits.
    pub status: u64,
    /// Identical packets in a row.
    pub retrans: u8,
    /// `net.netfilter.nf_conntrack_tcp_max_retrans`.
    pub max_retrans: u8,
    /// `last_index`: which flags the last packet had.
    pub last_index: u8,
    /// `seen[0].flags | seen[1].flags`.
    pub flags: u8,
    /// Window of the last packet.
    pub last_window: u32,
    /// Jiffies until the entry's timeout.
    pub remaining: i32,
}

/// The timer that armed a TCP entry; `jiffies` gives a timer's current length.
///
/// After a reset that did not close the connection most kernels arm `close`, while 6.12 arms what
/// it would arm anyway, but no more than `unacknowledged`. Where more is left than `close` is long
/// that tells them apart; where less is left either may be true, and the timer is
/// [`Timer::Unknown`].
#[inline(always)]
#[must_use]
pub fn tcp(entry: &Tcp, jiffies: impl Fn(Timer) -> u32) -> Timer {
    let base = Timer::of_tcp(entry.state);
    let full = jiffies(base);
    let unacknowledged = jiffies(Timer::TcpUnacknowledged);
    let max_retrans = jiffies(Timer::TcpMaxRetrans);

    let chosen = if entry.retrans >= entry.max_retrans && full > max_retrans {
        Timer::TcpMaxRetrans
    } else if entry.last_index == uapi::INDEX_RST && !matches!(entry.state, State::TcpClose) {
        // One jiffy may lie between the reading of the clock and of the entry.
        if i64::from(entry.remaining) <= i64::from(jiffies(Timer::TcpClose)) + 1 {
            return Timer::Unknown;
        }
        if full > unacknowledged {
            Timer::TcpUnacknowledged
        } else {
            base
        }
    } else if entry.flags & uapi::FLAG_DATA_UNACKNOWLEDGED != 0 && full > unacknowledged {
        Timer::TcpUnacknowledged
    } else if entry.last_window == 0 && full > max_retrans {
        Timer::TcpMaxRetrans
    } else {
        base
    };
    // A connection picked up in its middle has the short timer until it is answered; the packet
    // that first gets the full one also sets ASSURED.
    if matches!(entry.state, State::TcpEstablished)
        && entry.status & status::ASSURED == 0
        && jiffies(chosen) > unacknowledged
    {
        return Timer::TcpUnacknowledged;
    }
    chosen
}

/// [`tcp`] of an established connection on which all is well; `None` if it takes a closer look.
#[inline(always)]
#[must_use]
pub fn well(entry: &Tcp, jiffies: impl Fn(Timer) -> u32) -> Option<Timer> {
    let is_well = matches!(entry.state, State::TcpEstablished)
        && entry.status & status::ASSURED != 0
        && entry.retrans < entry.max_retrans
        && entry.last_index != uapi::INDEX_RST
        && entry.last_window != 0
        && jiffies(Timer::TcpEstablished) > jiffies(Timer::TcpUnacknowledged);
    is_well.then_some(if entry.flags & uapi::FLAG_DATA_UNACKNOWLEDGED != 0 {
        Timer::TcpUnacknowledged
    } else {
        Timer::TcpEstablished
    })
}

/// State and timer of a UDP or UDP-Lite entry. ASSURED is set by the packet that first gets the
/// long timer; until then even two-way traffic runs under the short one.
#[inline(always)]
#[must_use]
pub const fn udp(bits: u64) -> (State, Timer) {
    if bits & status::ASSURED != 0 {
        (State::UdpStream, Timer::UdpStream)
    } else if bits & status::SEEN_REPLY != 0 {
        (State::UdpReplied, Timer::Udp)
    } else {
        (State::UdpUnreplied, Timer::Udp)
    }
}

/// State and timer of a GRE entry.
#[inline(always)]
#[must_use]
pub const fn gre(bits: u64) -> (State, Timer) {
    if bits & status::ASSURED != 0 {
        (State::GreStream, Timer::GreStream)
    } else if bits & status::SEEN_REPLY != 0 {
        (State::GreReplied, Timer::Gre)
    } else {
        (State::GreUnreplied, Timer::Gre)
    }
}

impl Timer {
    /// Timers that a TCP state may arm in place of its own: see [`tcp`].
    pub const OVERRIDES: [Self; 2] = [Self::TcpUnacknowledged, Self::TcpMaxRetrans];

    /// A timer of TCP.
    #[must_use]
    pub fn is_tcp(self) -> bool {
        self.name().starts_with(Proto::Tcp.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HZ: u32 = 250;

    /// The kernel's defaults, in jiffies.
    fn defaults(timer: Timer) -> u32 {
        HZ * match timer {
            Timer::TcpSynSent | Timer::TcpFinWait | Timer::TcpTimeWait => 120,
            Timer::TcpSynRecv | Timer::TcpCloseWait => 60,
            Timer::TcpEstablished => 432_000,
            Timer::TcpLastAck => 30,
            Timer::TcpClose => 10,
            Timer::TcpMaxRetrans | Timer::TcpUnacknowledged => 300,
            _ => 0,
        }
    }

    fn idle(state: State) -> Tcp {
        Tcp {
            state,
            status: status::ASSURED | status::SEEN_REPLY,
            retrans: 0,
            max_retrans: 3,
            last_index: uapi::INDEX_ACK,
            flags: 0,
            last_window: 502,
            remaining: 1,
        }
    }

    #[test]
    fn the_state_arms_its_own_timer_when_nothing_intervenes() {
        for (state, timer) in [
            (State::TcpSynSent, Timer::TcpSynSent),
            (State::TcpEstablished, Timer::TcpEstablished),
            (State::TcpTimeWait, Timer::TcpTimeWait),
        ] {
            assert_eq!(tcp(&idle(state), defaults), timer);
        }
    }

    #[test]
    fn data_without_its_ack_runs_under_unacknowledged() {
        let flags = uapi::FLAG_DATA_UNACKNOWLEDGED;
        let entry = Tcp {
            flags,
            ..idle(State::TcpEstablished)
        };
        assert_eq!(tcp(&entry, defaults), Timer::TcpUnacknowledged);
        // LAST_ACK is shorter than that already.
        let entry = Tcp {
            flags,
            ..idle(State::TcpLastAck)
        };
        assert_eq!(tcp(&entry, defaults), Timer::TcpLastAck);
    }

    #[test]
    fn repeated_acks_and_a_closed_window_run_under_max_retrans() {
        let entry = Tcp {
            retrans: 3,
            ..idle(State::TcpEstablished)
        };
        assert_eq!(tcp(&entry, defaults), Timer::TcpMaxRetrans);
        let entry = Tcp {
            last_window: 0,
            ..idle(State::TcpEstablished)
        };
        assert_eq!(tcp(&entry, defaults), Timer::TcpMaxRetrans);
        // Retransmission comes before unacknowledged data in the kernel's order.
        let flags = uapi::FLAG_DATA_UNACKNOWLEDGED;
        let entry = Tcp {
            retrans: 4,
            flags,
            ..idle(State::TcpEstablished)
        };
        assert_eq!(tcp(&entry, defaults), Timer::TcpMaxRetrans);
    }

    #[test]
    fn a_reset_that_closes_nothing_is_told_by_what_remains() {
        let last_index = uapi::INDEX_RST;
        let after = |state, seconds: i32| {
            let remaining = seconds * HZ as i32;
            tcp(
                &Tcp {
                    last_index,
                    remaining,
                    ..idle(state)
                },
                defaults,
            )
        };
        assert_eq!(after(State::TcpEstablished, 290), Timer::TcpUnacknowledged);
        assert_eq!(after(State::TcpLastAck, 20), Timer::TcpLastAck);
        // Either 1 s of `close` or 21 s of `last_ack` have gone by.
        assert_eq!(after(State::TcpLastAck, 9), Timer::Unknown);
        assert_eq!(after(State::TcpEstablished, 9), Timer::Unknown);
        assert_eq!(after(State::TcpClose, 9), Timer::TcpClose);
    }

    #[test]
    fn an_unanswered_pickup_has_the_short_timer() {
        let entry = Tcp {
            status: 0,
            ..idle(State::TcpEstablished)
        };
        assert_eq!(tcp(&entry, defaults), Timer::TcpUnacknowledged);
    }

    proptest! {
        #[test]
        fn where_all_is_well_a_glance_tells_what_a_closer_look_does(
            id in 0..State::ALL.len(),
            bits in 0..1_u64 << 15,
            (retrans, max_retrans, last_index, flags) in (0..5_u8, 0..5_u8, 0..8_u8, any::<u8>()),
            last_window in 0..3_u32,
            remaining in any::<i32>(),
            established in 0..400_u32,
        ) {
            let entry = Tcp {
                state: State::ALL[id],
                status: bits,
                retrans,
                max_retrans,
                last_index,
                flags,
                last_window,
                remaining,
            };
            let lengths = |timer| match timer {
                Timer::TcpEstablished => established * HZ,
                timer => defaults(timer),
            };
            if let Some(timer) = well(&entry, lengths) {
                prop_assert_eq!(timer, tcp(&entry, lengths));
            }
            let well_known = Tcp { state: State::TcpEstablished, flags, ..idle(State::TcpEstablished) };
            prop_assert!(well(&well_known, defaults).is_some());
        }
    }

    #[test]
    fn udp_is_a_stream_once_assured() {
        assert_eq!(udp(0), (State::UdpUnreplied, Timer::Udp));
        assert_eq!(udp(status::SEEN_REPLY), (State::UdpReplied, Timer::Udp));
        let both = status::SEEN_REPLY | status::ASSURED;
        assert_eq!(udp(both), (State::UdpStream, Timer::UdpStream));
    }
}
