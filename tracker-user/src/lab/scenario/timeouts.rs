//! How long the router's timers are while a scenario is played.

use tracker_common::Timer;

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
        for (timer, seconds) in [
            (Timer::TcpSynSent, 120),
            (Timer::TcpSynRecv, 60),
            (Timer::TcpEstablished, 432_000),
            (Timer::TcpFinWait, 120),
            (Timer::TcpCloseWait, 60),
            (Timer::TcpLastAck, 30),
            (Timer::TcpTimeWait, 120),
            (Timer::TcpClose, 10),
            (Timer::TcpMaxRetrans, 300),
            (Timer::TcpUnacknowledged, 300),
            (Timer::Udp, 30),
            (Timer::UdpStream, 120),
            (Timer::Icmp, 30),
            (Timer::Icmpv6, 30),
        ] {
            timeouts.set(timer, seconds);
        }
        timeouts
    }
}
