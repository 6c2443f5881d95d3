use super::*;
use proptest::prelude::*;

const NOW: u32 = 1_000_000;
const MAX_RETRANS: u8 = 3;

/// Each timer has a length of its own, and that of an established connection is the longest.
fn length(timer: Timer) -> Option<u32> {
    match timer {
        Timer::TcpEstablished => Some(1_000_000),
        _ => Some(1000 * (timer as u32 + 1)),
    }
}

fn tell(shown: Shown, own: u8, timeout: u32) -> Told {
    shown.tell(own, (timeout, NOW), MAX_RETRANS, length)
}

#[test]
fn a_flow_tells_its_state_and_its_timer() {
    for (proto, bits, state, timer) in [
        (Proto::Udp, 0, State::UdpUnreplied, Timer::Udp),
        (
            Proto::Udplite,
            status::SEEN_REPLY,
            State::UdpReplied,
            Timer::Udp,
        ),
        (
            Proto::Udp,
            status::ASSURED,
            State::UdpStream,
            Timer::UdpStream,
        ),
        (Proto::Icmp, 0, State::Icmp, Timer::Icmp),
        (Proto::Icmpv6, 0, State::Icmpv6, Timer::Icmpv6),
        (
            Proto::Gre,
            status::ASSURED,
            State::GreStream,
            Timer::GreStream,
        ),
        (Proto::Other, 0, State::Generic, Timer::Generic),
    ] {
        let told = tell(Shown::new(proto, bits), Record::CHECKED, NOW + 7);
        let armed = length(timer).unwrap();
        let cause = None;
        assert_eq!(
            told,
            Told {
                state,
                timer,
                armed,
                cause
            }
        );
        let seen = told.seen(NOW + 7, NOW);
        assert_eq!(seen.refreshed.wrapping_add(armed), NOW + 7);
    }
}

#[test]
fn tcp_and_sctp_tell_the_kernels_state_and_what_arms_it() {
    let established = Shown {
        state: State::TcpEstablished as u8,
        last_index: crate::uapi::tcp::INDEX_ACK,
        ..Shown::new(Proto::Tcp, status::ASSURED | status::SEEN_REPLY)
    };
    let timer = |shown| tell(shown, Record::CHECKED, NOW + 7).timer;
    assert_eq!(timer(established), Timer::TcpEstablished);
    let closed = Shown {
        is_closed: 1,
        ..established
    };
    assert_eq!(timer(closed), Timer::TcpMaxRetrans);
    let repeated = Shown {
        retrans: MAX_RETRANS,
        ..established
    };
    assert_eq!(timer(repeated), Timer::TcpMaxRetrans);
    let waiting = Shown {
        flags: crate::uapi::tcp::FLAG_DATA_UNACKNOWLEDGED,
        ..established
    };
    assert_eq!(timer(waiting), Timer::TcpUnacknowledged);
    let reset = Shown {
        last_index: crate::uapi::tcp::INDEX_RST,
        ..established
    };
    assert_eq!(timer(reset), Timer::Unknown, "it may be either timer's");
    let unanswered = Shown {
        status: status::SEEN_REPLY as u16,
        ..established
    };
    assert_eq!(timer(unanswered), Timer::TcpUnacknowledged);
    let heartbeat = Shown {
        state: 8,
        ..Shown::new(Proto::Sctp, 0)
    };
    assert_eq!(timer(heartbeat), Timer::SctpHeartbeatSent);
}

#[test]
fn a_timeout_of_its_own_has_a_cause() {
    let policy = Record::CHECKED | Record::POLICY;
    let skip = Record::CHECKED | Record::SKIP;
    for (bits, own, cause) in [
        (0, policy, Cause::Policy),
        (0, skip, Cause::Offloaded),
        (status::OFFLOAD, policy, Cause::Offloaded),
        (status::HW_OFFLOAD, 0, Cause::Offloaded),
        (status::FIXED_TIMEOUT, policy, Cause::FixedTimeout),
        (status::FIXED_TIMEOUT | status::NAT_CLASH, 0, Cause::Clash),
    ] {
        let told = tell(Shown::new(Proto::Udp, bits), own, NOW + 7);
        assert_eq!((told.timer, told.cause), (Timer::Unknown, Some(cause)));
        assert_eq!(told.state, State::UdpUnreplied);
    }
}

#[test]
fn what_cannot_be_told_says_why() {
    let udp = Shown::new(Proto::Udp, 0);
    let armed = length(Timer::Udp).unwrap();
    // A jiffy too much is the clock's.
    assert_eq!(tell(udp, 0, NOW + armed + 1).cause, None);
    assert_eq!(
        tell(udp, 0, NOW + armed + 2).cause,
        Some(Cause::Inconsistent)
    );
    let changed = udp.tell(0, (NOW + 7, NOW), MAX_RETRANS, |_| None);
    assert_eq!(changed.cause, Some(Cause::TimeoutChanged));
    assert_eq!(
        tell(Shown::new(Proto::Dccp, 0), 0, NOW).cause,
        Some(Cause::Unobserved)
    );
    let none = Shown::new(Proto::Tcp, 0);
    assert_eq!(tell(none, 0, NOW).cause, Some(Cause::Inconsistent));
}

#[test]
fn only_a_reset_that_was_the_only_answer_is_one() {
    let reset = Shown {
        state: State::TcpClose as u8,
        ..Shown::new(Proto::Tcp, status::CONFIRMED)
    };
    assert!(reset.is_reset_unanswered(NOW + 7, NOW));
    assert!(!reset.is_reset_unanswered(NOW, NOW), "it has expired");
    let answered = Shown {
        status: status::SEEN_REPLY as u16,
        ..reset
    };
    assert!(!answered.is_reset_unanswered(NOW + 7, NOW));
    assert!(!Shown::new(Proto::Udp, 0).is_reset_unanswered(NOW + 7, NOW));
}

proptest! {
    #[test]
    fn what_is_shown_fits_in_a_word(word: u64) {
        prop_assert_eq!(Shown::of(word).packed(), word);
    }

    #[test]
    fn what_is_told_fits_in_a_word(
        bits: u16, proto in 0..10_u8, state in 0..16_u8, retrans: u8, last_index in 0..8_u8,
        flags: u8, is_closed in 0..2_u8, own: u8, left in -5000..40_000_i32,
    ) {
        let shown = Shown { status: bits, proto, state, retrans, last_index, flags, is_closed };
        let told = tell(shown, own, NOW.wrapping_add_signed(left));
        let [a, b, c, d, state, timer, cause, rest] = told.packed().to_le_bytes();
        prop_assert_eq!(u32::from_le_bytes([a, b, c, d]), told.armed);
        prop_assert_eq!(State::from_id(state.into()), Some(told.state));
        prop_assert_eq!(Timer::from_id(timer.into()), Some(told.timer));
        prop_assert_eq!(Cause::from_id(cause.into()), told.cause);
        prop_assert_eq!(rest, 0);
        prop_assert_eq!(told.cause.is_some(), matches!(told.timer, Timer::Unknown));
    }
}
