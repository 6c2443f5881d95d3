//! How far down a timer may go, whatever was seen.

use serde::{Deserialize, Serialize};
use tracker_common::Timer;

use crate::settings::default_seconds;

/// How much a recording may decide against standards and the kernel's defaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// The RFCs' limits for NATs bind, also where the kernel's defaults are below them.
    Rfc,
    /// Half the kernel's default binds, and the RFC's limit for established connections.
    #[default]
    Balanced,
    /// A host that forwards for nobody: a quarter of the kernel's default binds.
    Host,
}

/// A limit, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Floor {
    /// Seconds.
    pub seconds: u64,
    /// A clause.
    pub why: &'static str,
}

/// What a standard asks of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standard {
    /// The limit.
    pub floor: Floor,
    /// The policy `rfc` raises a timer that is below it. Otherwise it only keeps it from being
    /// lowered.
    pub raises: bool,
}

/// The RFC's limit for a timer of a NAT, if there is one.
#[must_use]
pub const fn standard(timer: Timer) -> Option<Standard> {
    let (seconds, why, raises) = match timer {
        Timer::TcpEstablished => (7_440, "RFC 5382 REQ-5 asks for at least 2 h 4 m", true),
        // What only begins is a way to fill the table, so less may be set, but is not to be the default.
        Timer::TcpSynSent | Timer::TcpSynRecv => (
            240,
            "RFC 7857 2.1 recommends 4 m for what only begins, and allows less",
            false,
        ),
        Timer::TcpFinWait | Timer::TcpCloseWait | Timer::TcpLastAck => {
            (240, "RFC 5382 REQ-5 asks for at least 4 m", true)
        }
        Timer::TcpTimeWait => (240, "RFC 793 keeps TIME_WAIT for 4 m", false),
        Timer::TcpClose => (240, "RFC 7857 2.2 keeps a reset connection for 4 m", false),
        Timer::Udp | Timer::UdpStream => (120, "RFC 4787 REQ-5 asks for at least 2 m", true),
        Timer::Icmp | Timer::Icmpv6 => (60, "RFC 5508 REQ-2 asks for at least 60 s", true),
        _ => return None,
    };
    Some(Standard {
        floor: Floor { seconds, why },
        raises,
    })
}

/// The lowest value that may be recommended for a timer.
///
/// A recording is a sample of time: half the default (a quarter on a host) bounds what can go wrong
/// when tomorrow's traffic is not today's. Some limits are the protocol's own and hold everywhere.
#[must_use]
pub const fn floor(policy: Policy, timer: Timer) -> Floor {
    let own = match timer {
        Timer::TcpUnacknowledged | Timer::TcpMaxRetrans => Floor {
            seconds: 240,
            why: "TCP's retransmissions are up to 120 s apart",
        },
        // Lower, and it would cut below the two timers that shorten it.
        Timer::TcpEstablished => Floor {
            seconds: 600,
            why: "it must stay above tcp_timeout_unacknowledged",
        },
        Timer::TcpClose => Floor {
            seconds: 10,
            why: "10 s are short already",
        },
        Timer::TcpTimeWait => Floor {
            seconds: 60,
            why: "the ends themselves keep TIME_WAIT for 60 s",
        },
        _ => Floor {
            seconds: 1,
            why: "a second is the least",
        },
    };
    let chosen = match (policy, standard(timer)) {
        (Policy::Rfc, Some(standard)) => standard.floor,
        (Policy::Rfc, None) => Floor {
            seconds: default_seconds(timer),
            why: "no RFC allows less than the kernel's default",
        },
        (Policy::Balanced, Some(standard)) if matches!(timer, Timer::TcpEstablished) => {
            standard.floor
        }
        (Policy::Balanced, _) => Floor {
            seconds: default_seconds(timer).div_ceil(2),
            why: "half the kernel's default is the least under the policy balanced",
        },
        (Policy::Host, _) if matches!(timer, Timer::TcpEstablished) => own,
        (Policy::Host, _) => Floor {
            seconds: default_seconds(timer).div_ceil(4),
            why: "a quarter of the kernel's default is the least under the policy host",
        },
    };
    if own.seconds >= chosen.seconds {
        own
    } else {
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stricter_policies_have_higher_floors() {
        for &timer in Timer::ALL {
            let at = |policy| floor(policy, timer).seconds;
            assert!(at(Policy::Rfc) >= at(Policy::Balanced), "{timer:?}");
            assert!(at(Policy::Balanced) >= at(Policy::Host), "{timer:?}");
            assert!(at(Policy::Host) >= 1, "{timer:?}");
        }
    }

    #[test]
    fn what_only_begins_may_be_shorter_than_what_closes() {
        let raises = |timer| standard(timer).is_some_and(|it| it.raises);
        for timer in [Timer::TcpFinWait, Timer::TcpCloseWait, Timer::TcpLastAck] {
            assert!(raises(timer), "{timer:?}");
        }
        for timer in [Timer::TcpSynSent, Timer::TcpSynRecv] {
            assert!(!raises(timer), "{timer:?}");
            // Nor does the policy lower it.
            assert!(floor(Policy::Rfc, timer).seconds > default_seconds(timer));
        }
    }

    #[test]
    fn the_floors_that_matter_most() {
        for (policy, timer, seconds) in [
            (Policy::Balanced, Timer::TcpEstablished, 7_440),
            (Policy::Host, Timer::TcpEstablished, 600),
            (Policy::Balanced, Timer::TcpTimeWait, 60),
            (Policy::Host, Timer::TcpTimeWait, 60),
            (Policy::Rfc, Timer::TcpTimeWait, 240),
            (Policy::Balanced, Timer::TcpUnacknowledged, 240),
            (Policy::Rfc, Timer::Udp, 120),
            (Policy::Balanced, Timer::Udp, 15),
        ] {
            assert_eq!(
                floor(policy, timer).seconds,
                seconds,
                "{policy:?} {timer:?}"
            );
        }
    }
}
