//! How long the router's timers are while a scenario is played.

use tracker_common::{Proto, Timer};

use crate::settings::default_seconds;

/// Length of each timer in seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timeouts([u32; Timer::SLOTS]);

impl Timeouts {
    /// A timer's length in seconds; 0 if it has none.
    #[must_use]
    pub const fn seconds(&self, timer: Timer) -> u64 {
        self.0[timer.id()] as u64
    }

    /// A scenario's packets may arm it.
    #[must_use]
    pub const fn has(&self, timer: Timer) -> bool {
        self.seconds(timer) > 0
    }

    /// Sets a timer.
    pub const fn set(&mut self, timer: Timer, seconds: u32) {
        self.0[timer.id()] = seconds;
    }

    /// One is longer than another.
    #[must_use]
    pub const fn longer(&self, one: Timer, other: Timer) -> bool {
        self.0[one.id()] > self.0[other.id()]
    }
}

/// As a new namespace has them: compiled in since 2.6, of the protocols that a scenario has.
impl Default for Timeouts {
    fn default() -> Self {
        let mut timeouts = Self([0; Timer::SLOTS]);
        for proto in [Proto::Tcp, Proto::Udp, Proto::Icmp, Proto::Icmpv6] {
            for timer in Timer::of_proto(proto).filter(|it| it.has_sysctl()) {
                timeouts.set(timer, default_seconds(timer) as u32);
            }
        }
        timeouts
    }
}
