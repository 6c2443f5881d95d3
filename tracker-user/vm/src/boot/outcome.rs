//! What came of a boot, judged from what the guest reported and what its kernel said.

use std::fmt;

use super::qemu::End;

/// How a boot ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The command ended with this status.
    Exited(u8),
    /// The command ended, and the kernel complained meanwhile.
    Complained {
        /// The command's own status.
        status: u8,
        /// What the kernel said first.
        line: String,
    },
    /// The guest was still running when its time was over.
    TimedOut,
    /// The guest died.
    Died {
        /// Whether the command had been started.
        started: bool,
        /// The kernel's complaint, if it made one.
        why: Option<String>,
    },
    /// A module that was to be loaded could not be.
    NotReady,
}

/// Exit statuses for what is not the command's own doing, as `timeout` and `env` have them.
const TIMED_OUT: u8 = 124;
const NOT_DONE: u8 = 125;
const GUEST_FAILED: u8 = 126;

/// Bits of the kernel's taint that a bug sets: it died (Oops), or it warned.
const TAINT_OF_BUGS: u64 = 1 << 7 | 1 << 9;

impl Outcome {
    /// The judgement on one boot.
    pub(super) fn of(end: &End) -> Self {
        let complaint = complaint(&end.console);
        let report = Report::parse(&end.report());
        match report.exit {
            None if end.timed_out => Self::TimedOut,
            None => Self::Died {
                started: report.ready,
                why: complaint,
            },
            Some(Exit { status: None, .. }) => Self::NotReady,
            Some(Exit {
                status: Some(status),
                taint,
            }) => {
                let tainted = taint & TAINT_OF_BUGS != 0;
                let tainted = tainted.then(|| format!("it is tainted ({taint}) by a warning"));
                complaint
                    .or(tainted)
                    .map_or(Self::Exited(status), |line| Self::Complained {
                        status,
                        line,
                    })
            }
        }
    }

    /// The command's own exit status, if it came to its end: whatever the kernel said meanwhile.
    #[must_use]
    pub fn status(&self) -> Option<u8> {
        match self {
            Self::Exited(status) | Self::Complained { status, .. } => Some(*status),
            Self::TimedOut | Self::Died { .. } | Self::NotReady => None,
        }
    }

    /// The exit status for whoever called.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Exited(status) => *status,
            Self::TimedOut => TIMED_OUT,
            Self::NotReady => NOT_DONE,
            Self::Complained {
                status: status @ 1..,
                ..
            } => *status,
            Self::Complained { status: 0, .. } | Self::Died { .. } => GUEST_FAILED,
        }
    }

    /// Whether the reason is to be found on the console.
    #[must_use]
    pub fn wants_console(&self) -> bool {
        !matches!(self, Self::Exited(_))
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "the command ended with status {status}"),
            Self::Complained { status, line } => write!(
                f,
                "the command ended with status {status}, but the kernel complained: {line};"
            ),
            Self::TimedOut => write!(f, "the guest was stopped because its time was over"),
            Self::Died { started, why } => {
                let when = if *started {
                    ""
                } else {
                    " before it could run the command"
                };
                write!(
                    f,
                    "the guest died{when}{}",
                    why.as_ref()
                        .map(|line| format!(": {line};"))
                        .unwrap_or_default()
                )
            }
            Self::NotReady => write!(f, "the guest lacks a module"),
        }
    }
}

/// What init wrote: `ready UPTIME`, then `exit STATUS UPTIME TAINT`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Report {
    ready: bool,
    exit: Option<Exit>,
}

#[derive(Debug, PartialEq, Eq)]
struct Exit {
    /// None when init could not prepare the guest.
    status: Option<u8>,
    taint: u64,
}

impl Report {
    fn parse(text: &str) -> Self {
        let mut report = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["ready", _] => report.ready = true,
                ["exit", status, _, taint] => {
                    report.exit = Some(Exit {
                        status: status.parse().ok(),
                        taint: taint.parse().unwrap_or(0),
                    });
                }
                _ => {}
            }
        }
        report
    }
}

/// The first line on which the kernel says that something is wrong with it.
fn complaint(console: &str) -> Option<String> {
    const STARTS: [&str; 3] = ["WARNING:", "Call Trace:", "Kernel panic"];
    const ANYWHERE: [&str; 5] = [
        "BUG:",
        "kernel BUG at",
        "Oops:",
        "general protection fault",
        "detected stall",
    ];
    console.lines().map(without_time).find_map(|line| {
        let bad = STARTS.iter().any(|start| line.starts_with(start))
            || ANYWHERE.iter().any(|part| line.contains(part));
        bad.then(|| line.trim_end().to_owned())
    })
}

/// A line of the console without its `[   12.345678] `.
fn without_time(line: &str) -> &str {
    let rest = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "));
    rest.filter(|(time, _)| time.trim().parse::<f64>().is_ok())
        .map_or(line, |(_, text)| text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(console: &str, control: &str, timed_out: bool) -> Outcome {
        Outcome::of(&End {
            console: console.into(),
            control: control.into(),
            timed_out,
            ..End::default()
        })
    }

    #[test]
    fn a_command_gives_its_own_status() {
        assert_eq!(
            judge("[    0.1] fine\n", "ready 1.2\nexit 7 2.0 0\n", false),
            Outcome::Exited(7)
        );
        assert_eq!(
            judge("", "ready 1.2\nexit 0 2.0 4096\nrest", false),
            Outcome::Exited(0)
        );
    }

    #[test]
    fn a_warning_fails_a_command_that_did_well() {
        let console = "[    1.500000] WARNING: CPU: 0 PID: 9 at net/core/dev.c:1 f+0x1/0x2\n[    1.6] Call Trace:\n";
        let said = "WARNING: CPU: 0 PID: 9 at net/core/dev.c:1 f+0x1/0x2";
        let complained = |status| Outcome::Complained {
            status,
            line: said.into(),
        };
        let good = judge(console, "ready 1\nexit 0 2 512\n", false);
        assert_eq!(good.status(), Some(0));
        assert_eq!((good.code(), good), (126, complained(0)));
        let bad = judge(console, "ready 1\nexit 3 2 512\n", false);
        assert_eq!((bad.code(), bad), (3, complained(3)));
        let unseen = judge("", "ready 1\nexit 0 2 512\n", false);
        assert_eq!(unseen.code(), 126);
    }

    #[test]
    fn a_mitigation_notice_is_no_warning() {
        let console = "[    0.3] Spectre V2 : WARNING: Unprivileged eBPF is enabled\n";
        assert_eq!(
            judge(console, "ready 1\nexit 0 2 0\n", false),
            Outcome::Exited(0)
        );
    }

    #[test]
    fn a_guest_dies_hangs_or_never_gets_ready() {
        let panic = "[    3.0] Kernel panic - not syncing: sysrq triggered crash\n";
        let why = Some("Kernel panic - not syncing: sysrq triggered crash".to_owned());
        assert_eq!(
            judge(panic, "ready 1\n", false),
            Outcome::Died { started: true, why }
        );
        assert_eq!(
            judge("", "", false),
            Outcome::Died {
                started: false,
                why: None
            }
        );
        let late = judge("", "ready 1\n", true);
        assert_eq!((late.status(), late), (None, Outcome::TimedOut));
        assert_eq!(judge("", "exit failed 2 0\n", false), Outcome::NotReady);
    }
}
