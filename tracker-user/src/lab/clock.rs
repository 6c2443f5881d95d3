//! The kernel's jiffies as seen from user space.
//!
//! Conntrack's times are jiffies. The tick comes at a constant phase of the monotonic clock, so after
//! that phase is measured once, each moment has a jiffy number, the differences of which are exact.
//! Traffic that starts just after a tick and takes less than the rest of the jiffy happens in one
//! jiffy as a whole.

use std::time::Duration;

use nix::{
    sys::time::TimeSpec,
    time::{ClockId, ClockNanosleepFlags, clock_getres, clock_gettime, clock_nanosleep},
};

/// What can go wrong with the time.
#[derive(Debug, thiserror::Error)]
pub enum ClockError {
    /// The system's clock calls failed.
    #[error("the clock cannot be read: {0}. This needs Linux")]
    Clock(#[from] nix::Error),
    /// Work that was to fit into a jiffy did not.
    #[error(
        "{what} took {took} jiffies instead of one. Run the cases at warp speed (one vCPU, icount)"
    )]
    Straddled {
        /// The work.
        what: String,
        /// Jiffies that it spanned beyond the first.
        took: u64,
    },
}

/// Jiffies on the monotonic clock.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    tick_ns: u64,
    phase_ns: u64,
}

impl Clock {
    /// Measures length and phase of the tick. Takes two jiffies.
    ///
    /// # Errors
    /// When the clock cannot be read.
    pub fn calibrate() -> Result<Self, ClockError> {
        let tick_ns = nanos(clock_getres(ClockId::CLOCK_MONOTONIC_COARSE)?);
        // The handler runs a little after the tick, never before it: the earlier of two is the nearer.
        let one = next_tick()?;
        let two = next_tick()?;
        let late = (two + tick_ns - one % tick_ns) % tick_ns;
        let first = if late < tick_ns / 2 { one } else { two };
        Ok(Self {
            tick_ns,
            phase_ns: first % tick_ns,
        })
    }

    /// Seconds that a jiffy lasts.
    #[must_use]
    pub fn jiffy_s(&self) -> f64 {
        Duration::from_nanos(self.tick_ns).as_secs_f64()
    }

    /// A number of jiffies in so many seconds.
    #[must_use]
    pub fn jiffies(&self, span: Duration) -> u64 {
        u64::try_from(span.as_nanos()).unwrap_or(u64::MAX) / self.tick_ns
    }

    /// The jiffy that it is now.
    ///
    /// # Errors
    /// When the clock cannot be read.
    pub fn now(&self) -> Result<u64, ClockError> {
        Ok(self.jiffy_at(monotonic()?))
    }

    /// The jiffies that it may be now: two of them only near a tick, the phase of which is not known
    /// to the nanosecond.
    ///
    /// # Errors
    /// When the clock cannot be read.
    pub fn around(&self) -> Result<(u64, u64), ClockError> {
        let now = monotonic()?;
        let spare = self.tick_ns / 100;
        Ok((self.jiffy_at(now - spare), self.jiffy_at(now + spare)))
    }

    /// How long it is until a jiffy begins; nothing if it has begun.
    ///
    /// # Errors
    /// When the clock cannot be read.
    pub fn time_to(&self, jiffy: u64) -> Result<Duration, ClockError> {
        let left = self.beginning_of(jiffy).saturating_sub(monotonic()?);
        Ok(Duration::from_nanos(left))
    }

    /// Sleeps until a jiffy has begun, if it has not.
    ///
    /// # Errors
    /// When the clock refuses.
    pub fn sleep_to(&self, jiffy: u64) -> Result<(), ClockError> {
        sleep_until(self.beginning_of(jiffy))
    }

    fn jiffy_at(&self, ns: u64) -> u64 {
        (ns + self.tick_ns - self.phase_ns) / self.tick_ns
    }

    /// A little after the tick.
    fn beginning_of(&self, jiffy: u64) -> u64 {
        jiffy * self.tick_ns + self.phase_ns - self.tick_ns + self.tick_ns / 50
    }

    /// Waits for the beginning of a jiffy and gives back its number.
    ///
    /// # Errors
    /// When the clock refuses.
    pub fn align(&self) -> Result<u64, ClockError> {
        self.until(self.now()? + 1)
    }

    /// Waits for the beginning of jiffy `target`, or of the next one if that is past.
    ///
    /// # Errors
    /// When the clock refuses.
    pub fn until(&self, target: u64) -> Result<u64, ClockError> {
        let mut target = target;
        loop {
            self.sleep_to(target)?;
            // A wake-up that came late is no beginning: take the next jiffy.
            if monotonic()? < self.beginning_of(target) + self.tick_ns / 4 {
                return Ok(target);
            }
            target = self.now()? + 1;
        }
    }

    /// Fails if `what`, begun in jiffy `began`, has not ended in it.
    ///
    /// # Errors
    /// [`ClockError::Straddled`], or when the clock cannot be read.
    pub fn same_jiffy(&self, began: u64, what: &str) -> Result<(), ClockError> {
        let took = self.now()? - began;
        if took == 0 {
            return Ok(());
        }
        Err(ClockError::Straddled {
            what: what.to_owned(),
            took,
        })
    }
}

/// The time of the next tick: the coarse clock only moves then.
fn next_tick() -> Result<u64, ClockError> {
    let coarse = || clock_gettime(ClockId::CLOCK_MONOTONIC_COARSE).map(nanos);
    let before = coarse()?;
    while coarse()? == before {
        std::hint::spin_loop();
    }
    monotonic()
}

fn monotonic() -> Result<u64, ClockError> {
    Ok(nanos(clock_gettime(ClockId::CLOCK_MONOTONIC)?))
}

fn sleep_until(at_ns: u64) -> Result<(), ClockError> {
    let until = TimeSpec::from_duration(Duration::from_nanos(at_ns));
    loop {
        match clock_nanosleep(
            ClockId::CLOCK_MONOTONIC,
            ClockNanosleepFlags::TIMER_ABSTIME,
            &until,
        ) {
            Ok(_) => return Ok(()),
            Err(nix::Error::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

fn nanos(time: TimeSpec) -> u64 {
    u64::try_from(Duration::from(time).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_counts_jiffies() {
        let clock = Clock {
            tick_ns: 4_000_000,
            phase_ns: 1_000_000,
        };
        assert_eq!(clock.jiffies(Duration::from_secs(2)), 500);
        assert!((clock.jiffy_s() - 0.004).abs() < 1e-9);
        assert_eq!(clock.jiffy_at(8_999_999), 2);
        assert_eq!(clock.jiffy_at(9_000_000), 3);
        assert_eq!(clock.jiffy_at(clock.beginning_of(3)), 3);
        assert_eq!(clock.jiffy_at(clock.beginning_of(3) - 100_000), 2);
    }
}
