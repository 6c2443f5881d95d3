//! What a run sent, and what the router's kernel counted meanwhile.

use serde_json::{Value, json};

use super::{Flush, Sent, Statistics};
use crate::{source::Statistic, units};

/// What became of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    pub(super) sent: Sent,
    pub(super) span: (u64, u64),
    pub(super) jiffy_s: f64,
    pub(super) before: Statistics,
    pub(super) after: Statistics,
    pub(super) flush: Flush,
    pub(super) is_stopped: bool,
}

impl Report {
    /// Packets that were sent.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.sent.packets
    }

    /// Packets that were sent, and did not reach the router.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let received = self.after.received.saturating_sub(self.before.received);
        self.sent.packets.saturating_sub(received)
    }

    /// Packets of others that the router received.
    #[must_use]
    pub fn foreign(&self) -> u64 {
        let received = self.after.received.saturating_sub(self.before.received);
        received.saturating_sub(self.sent.packets)
    }

    /// Whether it was asked to end early.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// The jiffy in which the table was flushed.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.flush.to
    }

    /// Length of the traffic.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        // What happens within one jiffy takes some of it.
        (self.span.1 - self.span.0).max(1) as f64 * self.jiffy_s
    }

    /// Packets in a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.sent.packets as f64 / self.seconds()
    }

    /// What the kernel added to one of conntrack's counters while packets were sent.
    #[must_use]
    pub fn counted(&self, counter: Statistic) -> u64 {
        self.after.since(&self.before, counter)
    }

    /// How often the kernel did not take an entry, or evicted one to make room.
    #[must_use]
    pub fn refused(&self) -> u64 {
        let counters = [
            Statistic::Drop,
            Statistic::EarlyDrop,
            Statistic::InsertFailed,
        ];
        counters.iter().map(|&it| self.counted(it)).sum()
    }

    /// All of it.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "packets": self.sent.packets,
            "bytes": self.sent.bytes,
            "duration_s": self.seconds(),
            "packets_per_s": self.rate(),
            "late": self.sent.late,
            "latest_s": self.sent.latest as f64 * self.jiffy_s,
            "lost": self.lost(),
            "foreign": self.foreign(),
            "interrupted": self.is_stopped,
            "router": {
                "entries_before": self.before.entries,
                "entries_after": self.after.entries,
                "conntrack": self.after.all_since(&self.before),
            },
            "flush": {
                "from_jiffy": self.flush.from,
                "to_jiffy": self.flush.to,
                "calm": self.flush.is_calm,
            },
        })
    }

    /// A few lines for a person.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!(
            "{} in {}: {} packets/s, {}",
            units::plural(self.sent.packets, "packet", "packets"),
            units::seconds(self.seconds()),
            units::rate(self.rate()),
            units::bytes(self.sent.bytes),
        );
        if self.sent.late > 0 {
            text += &format!(
                "\n{} sent late, by {} at most",
                units::plural(self.sent.late, "packet", "packets"),
                units::seconds(self.sent.latest as f64 * self.jiffy_s),
            );
        }
        let counted = self.after.all_since(&self.before);
        let shown: Vec<String> = counted
            .iter()
            .filter(|(_, count)| **count > 0)
            .map(|(name, count)| format!("{name} {}", units::count(*count)))
            .collect();
        text += &format!(
            "\nrouter: {} at the end of the traffic",
            units::plural(self.after.entries, "entry", "entries"),
        );
        if !shown.is_empty() {
            text += &format!("; {}", shown.join(", "));
        }
        if !self.flush.is_calm {
            text += "\nthe table was flushed while entries were about to expire";
        }
        text
    }
}
