//! Names and values of conntrack's settings, as people write them.

use std::{fmt, str::FromStr};

use tracker_common::Timer;

use crate::units;

/// Folder of the settings, as sysctl writes it.
const FOLDER: &str = "net.netfilter.";
/// What every setting's name begins with, and what it did before Linux 2.6.20.
const PREFIXES: [&str; 2] = ["nf_conntrack_", "ip_conntrack_"];
/// Two names that are less alike than this (Jaro and Winkler) are not taken for each other.
const ALIKE: f64 = 0.8;

/// The kernel's default length of a timer, in seconds (`net/netfilter/nf_conntrack_proto_*.c`).
#[must_use]
pub const fn default_seconds(timer: Timer) -> u64 {
    match timer {
        Timer::TcpSynSent | Timer::TcpFinWait | Timer::TcpTimeWait | Timer::UdpStream => 120,
        Timer::TcpSynRecv | Timer::TcpCloseWait | Timer::TcpSynSent2 => 60,
        Timer::TcpEstablished => 432_000,
        Timer::TcpMaxRetrans | Timer::TcpUnacknowledged => 300,
        Timer::TcpLastAck | Timer::Udp | Timer::Icmp | Timer::Icmpv6 | Timer::Gre => 30,
        Timer::TcpClose | Timer::SctpClosed => 10,
        Timer::GreStream => 180,
        Timer::Generic | Timer::Unknown => 600,
        Timer::SctpCookieWait
        | Timer::SctpCookieEchoed
        | Timer::SctpShutdownAckSent
        | Timer::SctpShutdownSent
        | Timer::SctpShutdownRecd => 3,
        Timer::SctpEstablished | Timer::SctpHeartbeatAcked => 210,
        Timer::SctpHeartbeatSent => 30,
    }
}

/// A setting that tracker judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Name {
    /// A timer that has a sysctl, in seconds; of each namespace.
    Timer(Timer),
    /// `nf_conntrack_max`: one value for the machine, set in its first namespace. 0 is unlimited.
    Max,
    /// `nf_conntrack_buckets`: likewise.
    Buckets,
}

impl Name {
    /// All of them: the timers by their ids, then the sizes.
    pub fn all() -> impl Iterator<Item = Self> {
        let timers = Timer::ALL.iter().copied().filter(|it| it.has_sysctl());
        timers.map(Self::Timer).chain([Self::Max, Self::Buckets])
    }

    /// Reads `udp_timeout`, `nf_conntrack_udp_timeout`, `net.netfilter.nf_conntrack_udp_timeout`,
    /// `net/netfilter/nf_conntrack_udp_timeout`, also below `/proc/sys`.
    ///
    /// # Errors
    /// When no such setting is known; the nearest one is named.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let dotted = text.trim().replace('/', ".");
        let dotted = dotted.trim_start_matches('.');
        let dotted = dotted.strip_prefix("proc.sys.").unwrap_or(dotted);
        let last = match dotted.strip_prefix(FOLDER) {
            Some(last) => last,
            // The kernel shows the maximum there as well.
            None if dotted == "net.nf_conntrack_max" => return Ok(Self::Max),
            None => dotted,
        };
        let bare = last.strip_prefix(PREFIXES[0]).unwrap_or(last);
        let known = Self::all().find(|it| it.bare() == bare);
        known.ok_or_else(|| NameError {
            text: text.trim().to_owned(),
            nearest: nearest(last),
        })
    }

    /// As in `sysctl -w`: `net.netfilter.nf_conntrack_udp_timeout`.
    #[must_use]
    pub fn full(self) -> String {
        format!("{FOLDER}{}", self.short())
    }

    /// As the file below `/proc/sys/net/netfilter`: `nf_conntrack_udp_timeout`.
    #[must_use]
    pub fn short(self) -> String {
        format!("{}{}", PREFIXES[0], self.bare())
    }

    fn bare(self) -> &'static str {
        match self {
            Self::Timer(timer) => timer.name(),
            Self::Max => "max",
            Self::Buckets => "buckets",
        }
    }

    /// Lowest and highest value that make sense and that every kernel takes.
    #[must_use]
    pub const fn range(self) -> (u64, u64) {
        match self {
            // With 0 an entry is dead at once. The kernel counts in ticks, up to 2^31 of them, and
            // has up to 1,000 in a second.
            Self::Timer(_) => (1, 2_147_483),
            Self::Max => (0, 0x7fff_ffff),
            // Up to 4 GiB of 8 bytes each.
            Self::Buckets => (1, 0x1fff_ffff),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// The setting whose name is most like this one, if any is.
fn nearest(text: &str) -> Option<Name> {
    let end = text.rsplit('.').next().unwrap_or(text);
    let bare = PREFIXES.iter().find_map(|it| end.strip_prefix(it));
    let bare = bare.unwrap_or(end);
    Name::all()
        .map(|it| (strsim::jaro_winkler(it.bare(), bare), it))
        .filter(|&(alike, _)| alike >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, it)| it)
}

/// No setting has this name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameError {
    text: String,
    nearest: Option<Name>,
}

impl std::error::Error for NameError {}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = &self.text;
        write!(f, "`{text}` is no timer or size of conntrack's table. ")?;
        match self.nearest {
            Some(name) => write!(f, "Write {name}, if that is meant"),
            None => f.write_str(
                "Name one that `sysctl net.netfilter` shows: a timeout, nf_conntrack_max or \
                 nf_conntrack_buckets",
            ),
        }
    }
}

/// A setting and a value for it: `KEY=VALUE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// What is set.
    pub name: Name,
    /// To what; timers in seconds.
    pub value: u64,
}

impl Assignment {
    /// A value that the setting can have.
    ///
    /// # Errors
    /// When the value lies outside of [`Name::range`].
    pub fn new(name: Name, value: u64) -> Result<Self, AssignmentError> {
        let (lowest, highest) = name.range();
        if (lowest..=highest).contains(&value) {
            Ok(Self { name, value })
        } else {
            Err(AssignmentError::Range { name, value })
        }
    }
}

impl FromStr for Assignment {
    type Err = AssignmentError;

    fn from_str(text: &str) -> Result<Self, AssignmentError> {
        let (name, value) = text
            .split_once('=')
            .ok_or_else(|| AssignmentError::Form(text.trim().to_owned()))?;
        let name = Name::parse(name)?;
        let value = value.trim();
        let number = value.parse().map_err(|_| AssignmentError::Number {
            name,
            value: value.to_owned(),
        })?;
        Self::new(name, number)
    }
}

impl fmt::Display for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.name, self.value)
    }
}

/// What is no setting with a value that it can have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssignmentError {
    /// No `=`.
    #[error("`{0}` sets nothing. Write NAME=VALUE, such as nf_conntrack_udp_timeout=60")]
    Form(String),
    /// An unknown name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A value that is no whole number.
    #[error("{name} cannot be `{value}`. Give {}", what(*name))]
    Number {
        /// The setting.
        name: Name,
        /// The value as it was written.
        value: String,
    },
    /// A number that the setting cannot have.
    #[error("{name} cannot be {value}. Give {}", what(*name))]
    Range {
        /// The setting.
        name: Name,
        /// The value.
        value: u64,
    },
}

/// What a setting takes, in words.
fn what(name: Name) -> String {
    let (lowest, highest) = name.range();
    let of = match name {
        Name::Timer(_) => "seconds",
        Name::Max => "entries",
        Name::Buckets => "buckets",
    };
    format!(
        "a whole number of {of} from {lowest} to {}",
        units::grouped(highest)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_read_in_every_way_that_people_write_it() {
        let udp = Name::Timer(Timer::Udp);
        for text in [
            "udp_timeout",
            "nf_conntrack_udp_timeout",
            "net.netfilter.nf_conntrack_udp_timeout",
            "net/netfilter/nf_conntrack_udp_timeout",
            " /proc/sys/net/netfilter/nf_conntrack_udp_timeout ",
        ] {
            assert_eq!(Name::parse(text), Ok(udp), "{text}");
        }
        assert_eq!(Name::parse("net.nf_conntrack_max"), Ok(Name::Max));
        for name in Name::all() {
            assert_eq!(Name::parse(&name.full()), Ok(name));
            assert_eq!(Name::parse(&name.short()), Ok(name));
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let said = |text: &str| Name::parse(text).unwrap_err().to_string();
        for (text, nearest) in [
            ("tcp_timeout_timewait", "nf_conntrack_tcp_timeout_time_wait"),
            ("nf_conntrack_udp_timeuot", "nf_conntrack_udp_timeout"),
            ("net.netfilter.nf_conntrack_bucket", "nf_conntrack_buckets"),
            (
                "net.ipv4.netfilter.ip_conntrack_tcp_timeout_established",
                "nf_conntrack_tcp_timeout_established",
            ),
        ] {
            let said = said(text);
            assert!(said.contains(&format!("Write {nearest},")), "{said}");
        }
        assert!(said("hello").contains("sysctl net.netfilter"));
        assert!(said("unknown").contains("no timer"));
    }

    #[test]
    fn a_value_that_cannot_be_is_answered_with_what_can() {
        let read = |text: &str| text.parse::<Assignment>();
        let time_wait = Name::Timer(Timer::TcpTimeWait);
        assert_eq!(
            read("tcp_timeout_time_wait = 30"),
            Ok(Assignment {
                name: time_wait,
                value: 30
            })
        );
        for (text, says) in [
            ("udp_timeout", "Write NAME=VALUE"),
            ("udp_timeout=0", "from 1 to 2,147,483"),
            (
                "udp_timeout=30s",
                "cannot be `30s`. Give a whole number of seconds",
            ),
            ("udp_timeout=-1", "cannot be `-1`"),
            ("buckets=0", "a whole number of buckets from 1"),
            ("max=99999999999", "entries from 0 to 2,147,483,647"),
        ] {
            let said = read(text).unwrap_err().to_string();
            assert!(said.contains(says), "{said}");
        }
        assert!(read("max=0").is_ok());
    }

    proptest! {
        #[test]
        fn nothing_panics(text: String) {
            let _ = text.parse::<Assignment>();
        }

        #[test]
        fn what_is_written_is_read(value in 1_u64..2_000_000, pick in 0_usize..28) {
            let Some(name) = Name::all().nth(pick) else { return Ok(()) };
            let it = Assignment::new(name, value).unwrap();
            prop_assert_eq!(it.to_string().parse(), Ok(it));
        }
    }
}
