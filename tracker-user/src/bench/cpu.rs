//! CPU time: of the whole machine, and of one process.

use std::{
    fs, io,
    ops::Sub,
    time::{Duration, Instant},
};

use nix::{
    time::{clock_getcpuclockid, clock_gettime},
    unistd::{Pid, SysconfVar, sysconf},
};
use serde::Serialize;

/// CPU time of user space and of the kernel, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Cpu {
    /// User space.
    pub user_s: f64,
    /// The kernel, interrupts included.
    pub kernel_s: f64,
}

/// All processors together at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    /// What they have done, as far as a tick met it.
    pub cpu: Cpu,
    idle_s: f64,
    processors: f64,
    at: Instant,
}

impl Machine {
    /// Now.
    ///
    /// # Errors
    /// When `/proc/stat` cannot be read.
    pub fn now() -> io::Result<Self> {
        let text = fs::read_to_string("/proc/stat")?;
        let (cpu, idle_s) = machine(&text, ticks_per_s()).ok_or_else(|| unknown("/proc/stat"))?;
        let is_processor = |line: &&str| {
            line.strip_prefix("cpu")
                .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
        };
        Ok(Self {
            cpu,
            idle_s,
            processors: text.lines().filter(is_processor).count() as f64,
            at: Instant::now(),
        })
    }

    /// Seconds since then in which a processor was not idle. Unlike the division into user space and
    /// kernel, the idle time does not depend on where a tick falls.
    #[must_use]
    pub fn busy_since(&self, earlier: &Self) -> f64 {
        let passed = (self.at - earlier.at).as_secs_f64() * self.processors;
        (passed - (self.idle_s - earlier.idle_s)).max(0.0)
    }
}

impl Cpu {
    /// Of all threads of a process, since it began.
    ///
    /// # Errors
    /// When it is gone.
    pub fn of_process(process: Pid) -> io::Result<Self> {
        let path = format!("/proc/{process}/stat");
        let (user, kernel) =
            process_ticks(&fs::read_to_string(&path)?).ok_or_else(|| unknown(&path))?;
        // The sum is known to the nanosecond, its two parts in ticks.
        let clock = clock_getcpuclockid(process)?;
        let sum = Duration::from(clock_gettime(clock)?).as_secs_f64();
        let share = user / (user + kernel).max(1.0);
        Ok(Self {
            user_s: sum * share,
            kernel_s: sum * (1.0 - share),
        })
    }

    /// Both.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.user_s + self.kernel_s
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self {
            user_s: (self.user_s - earlier.user_s).max(0.0),
            kernel_s: (self.kernel_s - earlier.kernel_s).max(0.0),
        }
    }
}

fn unknown(path: &str) -> io::Error {
    let said = format!("{path} is not as expected");
    io::Error::new(io::ErrorKind::InvalidData, said)
}

fn ticks_per_s() -> f64 {
    let told = sysconf(SysconfVar::CLK_TCK).ok().flatten();
    told.map_or(100.0, |ticks| ticks as f64)
}

/// `cpu user nice system idle iowait irq softirq …`.
fn machine(text: &str, ticks_per_s: f64) -> Option<(Cpu, f64)> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<f64> = line
        .split_whitespace()
        .map_while(|word| word.parse().ok())
        .collect();
    let sum = |places: &[usize]| -> Option<f64> {
        let all = places.iter().map(|&place| ticks.get(place));
        all.sum::<Option<f64>>()
    };
    let cpu = Cpu {
        user_s: sum(&[0, 1])? / ticks_per_s,
        kernel_s: sum(&[2, 5, 6])? / ticks_per_s,
    };
    Some((cpu, sum(&[3, 4])? / ticks_per_s))
}

/// `pid (any name) state …`: the 14th and the 15th word.
fn process_ticks(text: &str) -> Option<(f64, f64)> {
    let (_, rest) = text.rsplit_once(") ")?;
    let mut words = rest.split_whitespace().skip(11);
    let mut next = || words.next()?.parse().ok();
    Some((next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_time_is_without_the_idle_one() {
        let text = "cpu  100 20 300 4000 50 6 7 0 0 0\ncpu0 1 2 3 4 5 6 7 0 0 0\n";
        let expected = Cpu {
            user_s: 1.2,
            kernel_s: 3.13,
        };
        assert_eq!(machine(text, 100.0), Some((expected, 40.5)));
        assert_eq!(machine("cpu  1 2 3\n", 100.0), None);
    }

    #[test]
    fn a_name_may_look_like_anything() {
        let text = "7 (a) b (c) S 1 7 7 0 -1 4194560 1 0 0 0 12 34 0 0 20 0 1 0 5";
        assert_eq!(process_ticks(text), Some((12.0, 34.0)));
    }

    #[test]
    fn own_time_goes_on() {
        let all = Machine::now().unwrap();
        let before = Cpu::of_process(Pid::this()).unwrap();
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(30) {}
        let spent = Cpu::of_process(Pid::this()).unwrap() - before;
        assert!(spent.sum() > 0.01, "{spent:?}");
        let busy = Machine::now().unwrap().busy_since(&all);
        // The idle time is told in ticks of 10 ms.
        assert!(busy + 0.02 > spent.sum(), "{busy}");
    }
}
