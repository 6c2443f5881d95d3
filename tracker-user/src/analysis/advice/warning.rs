//! What an operator must know beside the numbers.

use std::fmt::{self, Display, Formatter};

use serde::{Serialize, Serializer};

use crate::units;

/// A warning of a plan. Its text is a sentence or two.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// The recording has losses, by name.
    Losses(Vec<(&'static str, u64)>),
    /// Inserts and deaths do not fit the entries at the start and the end.
    Unbalanced(i64),
    /// The watch was killed.
    Incomplete,
    /// The table was full.
    Full {
        /// Packets that found no room.
        refused: u64,
        /// Entries that made room.
        evicted: u64,
    },
    /// Entries older than the watch that sent nothing in it.
    Silent(u64),
    /// Share of gaps that could not be attributed to a timer.
    Unattributed(f64),
    /// Namespaces in the recordings.
    SeveralNamespaces(usize),
    /// Timers that differ between namespaces or recordings.
    Differing(Vec<&'static str>),
    /// The watch was shorter than a day.
    NotADay(f64),
    /// Connections that went on after a timer had cut them: pickups.
    CutConnections(u64),
    /// Values that stay below what RFCs ask of a NAT.
    BelowStandard(Vec<&'static str>),
    /// Expired entries stay in the table for this long, in seconds (median).
    Lag(f64),
    /// The table that is needed takes more memory than is given.
    Memory {
        /// Bytes that it takes.
        needed: u64,
        /// Bytes that are given.
        given: u64,
    },
    /// `nf_conntrack_buckets` changes.
    ResizeStalls,
    /// `nf_conntrack_max` holds for each namespace.
    GlobalMax,
    /// A timer changes.
    NextRefresh,
    /// A timer changes.
    PerNamespace,
    /// Something changes.
    AppliedTooEarly,
    /// `nf_conntrack_tcp_timeout_established` becomes so short that keepalives come too late.
    BelowKeepalive,
    /// Something changes that kube-proxy sets as well.
    Overwritten,
    /// TCP was seen where a connection in its middle is not picked up.
    NoPickups,
    /// Settings that make each entry larger.
    LargerEntries(Vec<&'static str>),
    /// Settings under names that they no longer have, with the places and today's names.
    Legacy(Vec<String>),
    /// What the recording remarked on.
    Remark(String),
}

impl Display for Warning {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Losses(losses) => {
                let list: Vec<String> =
                    losses.iter().map(|(name, n)| format!("{name} {}", units::count(*n))).collect();
                write!(
                    f,
                    "The recording has losses ({}): run tracker profile again before changing anything.",
                    list.join(", ")
                )
            }
            Self::Unbalanced(lost) => {
                let what = if *lost > 0 { "deaths" } else { "inserts" };
                write!(
                    f,
                    "{} {what} went unseen; each counts as a connection that any lower timer would cut.",
                    units::count(lost.unsigned_abs())
                )
            }
            Self::Incomplete => f.write_str(
                "The watch did not end well, so its last interval may be missing: \
                 run tracker profile again before changing anything.",
            ),
            Self::Full { refused, evicted } => write!(
                f,
                "The table was full ({} refused, {} evicted): what found no room is in no count, so every count is less than there would be. Raise nf_conntrack_max and watch again.",
                units::plural(*refused, "packet", "packets"),
                units::plural(*evicted, "entry", "entries")
            ),
            Self::Silent(number) => write!(
                f,
                "{} older than the watch and silent all through it: which port and timer they have is not known, nor whether they go on.",
                units::plural(*number, "entry was", "entries were")
            ),
            Self::Unattributed(share) => write!(
                f,
                "{} of the gaps could not be attributed to a timer; tracker show says why.",
                units::percent(*share)
            ),
            Self::SeveralNamespaces(number) => write!(
                f,
                "{number} namespaces were seen and are judged together: tracker profile --netns NAME watches one alone."
            ),
            Self::Differing(names) => write!(
                f,
                "Set differently in different places, so the busiest one's value is taken as the current one: {}.",
                names.join(", ")
            ),
            Self::NotADay(seconds) => write!(
                f,
                "The watch lasted {}: a peak at another hour is not in it, so watch a whole day before relying on the table's size.",
                units::seconds(*seconds)
            ),
            Self::CutConnections(number) => write!(
                f,
                "{} began mid-stream: each may be a connection that a timer or a reload had cut.",
                units::plural(*number, "entry", "entries")
            ),
            Self::BelowStandard(names) => write!(
                f,
                "Below what RFCs ask of a NAT (--policy rfc raises them): {}.",
                names.join(", ")
            ),
            Self::Lag(seconds) => write!(
                f,
                "Half of all expired entries stay in the table for more than {} until the kernel collects them: timers shorter than that save less than they promise.",
                units::seconds(*seconds)
            ),
            Self::Memory { needed, given } => write!(
                f,
                "The peak with head-room takes {}, and {} are given: lower timers first, or give more with --memory.",
                units::bytes(*needed),
                units::bytes(*given)
            ),
            Self::ResizeStalls => f.write_str(
                "Changing nf_conntrack_buckets re-hashes the whole table with all locks held: do it in a quiet hour.",
            ),
            Self::GlobalMax => f.write_str(
                "nf_conntrack_max is one value for the machine, set in the first namespace, and each namespace may fill it: together they may take several times its memory.",
            ),
            Self::NextRefresh => f.write_str(
                "A changed timeout reaches an entry only at its next packet that refreshes it: the effect grows over the old timeout.",
            ),
            Self::PerNamespace => f.write_str(
                "Timeouts are per network namespace, and a new one (each container's, too) starts from the kernel's defaults: set them in each that needs them.",
            ),
            Self::AppliedTooEarly => f.write_str(
                "At boot, sysctl.d is read before nf_conntrack is loaded and then has no effect: load it early (/etc/modules-load.d) or set the values from a udev rule or modprobe.d (--format modprobe).",
            ),
            Self::BelowKeepalive => f.write_str(
                "TCP's keepalives begin after 7,200 s unless an application asks for them earlier: below that they do not hold an idle connection open.",
            ),
            Self::Overwritten => f.write_str(
                "kube-proxy sets nf_conntrack_max and the timeouts of established, half-closed and UDP connections when it starts: where it runs, give it the values (--format kube-proxy).",
            ),
            Self::NoPickups => f.write_str(
                "nf_conntrack_tcp_loose is 0: a TCP connection that a timer cuts cannot go on with a new entry, so nobody sees which ones are cut today, and a guard would not see it either.",
            ),
            Self::LargerEntries(names) => write!(
                f,
                "Each entry takes more memory because of {}: turn off what nobody reads.",
                names.join(", ")
            ),
            Self::Legacy(lines) => write!(
                f,
                "Names that settings had before Linux 2.6.20 have no effect: {}. Rename or remove them there.",
                lines.join("; ")
            ),
            Self::Remark(text) => f.write_str(text),
        }
    }
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
