//! What happened to each entry: its refreshes, with state and armed timer, and its end.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// A name as tracker prints it.
pub type Name = Cow<'static, str>;

/// Why an entry died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Its timeout passed.
    Expired,
    /// A new connection took its place.
    Reopened,
    /// A reset was the only answer.
    ResetBeforeReply,
    /// It made room in a full table.
    EarlyDrop,
    /// Somebody removed it.
    Deleted,
}

impl Reason {
    /// As tracker prints it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Reopened => "reopened",
            Self::ResetBeforeReply => "reset_before_reply",
            Self::EarlyDrop => "early_drop",
            Self::Deleted => "deleted",
        }
    }
}

/// One refresh: from `at` on the entry is in `state` and its timeout runs under `timer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Jiffy of the refresh.
    pub at: u64,
    /// The state that it led to.
    pub state: Name,
    /// The timer that it armed.
    pub timer: Name,
    /// The timer's value then, in jiffies.
    pub timeout: u64,
}

/// How an entry ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// Jiffy of the death; of an expired entry, of its expiry.
    pub at: u64,
    /// Why.
    pub reason: Reason,
    /// The state that it died in.
    pub state: Name,
    /// Latest jiffy at which it left the table.
    pub removed: u64,
}

/// How much of an entry's life tracker can follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Followed {
    /// All of it.
    Wholly,
    /// Its states, but not its gaps.
    WithoutGaps,
    /// Its insert and its death, but nothing that joins them.
    NotAtAll,
}

/// The timer of a refresh about which tracker cannot tell when it was: neither the gap before it nor the gap after it
/// is seen.
pub const UNTOLD: Name = Name::Borrowed("unknown");

/// One entry of a connection table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The namespace that tracks it.
    pub namespace: String,
    /// Its protocol, as in tracker's `inserts`.
    pub proto: Name,
    /// Its destination port; 0 for protocols that have none.
    pub port: u16,
    /// It began mid-stream.
    pub pickup: bool,
    /// It was in the table before the watch began.
    pub before: bool,
    /// How often it is met without telling a gap, by cause, as in tracker's `unattributed`.
    pub causes: BTreeMap<Name, u64>,
    /// How much of its life can be followed.
    pub followed: Followed,
    /// Its refreshes, the first at insert.
    pub steps: Vec<Step>,
    /// Its end, if it has ended.
    pub death: Option<Death>,
}

/// What can go wrong with the truth.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Its file refuses.
    #[error("{path}: {source}. The case's traffic ended before it wrote down what it did")]
    File {
        /// The file.
        path: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Its file holds something else.
    #[error("{path}: {source}. The traffic part is of another version of this program")]
    Foreign {
        /// The file.
        path: String,
        /// The parser's answer.
        source: serde_json::Error,
    },
}

/// An entry that began where one of the same flow had expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Return {
    /// Its namespace.
    pub namespace: String,
    /// The timer that let the other expire.
    pub timer: Name,
    /// Jiffies from the other's last refresh to its insert.
    pub gap: u64,
}

/// The truth about one watch.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    /// All entries, in the order of their inserts.
    pub entries: Vec<Entry>,
    /// All returns.
    #[serde(default)]
    pub returns: Vec<Return>,
    /// First and last jiffy of the traffic.
    pub span: (u64, u64),
    /// Length of a jiffy in seconds.
    pub jiffy_s: f64,
    /// How far two clocks may differ, in jiffies.
    pub slack: u64,
    /// Timer settings at the end of the watch in seconds, by namespace and timer.
    pub settings: BTreeMap<String, BTreeMap<Name, u64>>,
    /// What the kernel counts itself beside evictions, by namespace.
    #[serde(default)]
    pub statistics: BTreeMap<String, BTreeMap<Name, u64>>,
}

impl Ledger {
    /// Reads it from a file.
    pub fn load(path: &Path) -> Result<Self, LedgerError> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|source| LedgerError::File {
            path: name.clone(),
            source,
        })?;
        serde_json::from_str(&text).map_err(|source| LedgerError::Foreign { path: name, source })
    }

    /// Writes it to a file.
    pub fn save(&self, path: &Path) -> Result<(), LedgerError> {
        let name = path.display().to_string();
        let text = serde_json::to_string(self).map_err(|source| LedgerError::Foreign {
            path: name.clone(),
            source,
        })?;
        fs::write(path, text).map_err(|source| LedgerError::File { path: name, source })
    }

    /// Writes down an insert and gives back the entry's number.
    pub fn insert(&mut self, entry: Entry) -> usize {
        self.entries.push(entry);
        self.entries.len() - 1
    }

    /// Writes down a death that is no expiry.
    pub fn kill(&mut self, entry: usize, at: u64, reason: Reason) {
        let entry = &mut self.entries[entry];
        let state = entry
            .steps
            .last()
            .map_or(Name::Borrowed("generic"), |step| step.state.clone());
        entry.death = Some(Death {
            at,
            reason,
            state,
            removed: at,
        });
    }

    /// The jiffy at which a living entry expires if nothing refreshes it.
    #[must_use]
    pub fn expiry(entry: &Entry) -> Option<u64> {
        if entry.death.is_some() {
            return None;
        }
        entry.steps.last().map(|step| step.at + step.timeout)
    }

    /// Writes down that all living entries of a namespace that should have expired by `removed` have.
    pub fn expire(&mut self, namespace: &str, removed: u64) {
        for entry in self
            .entries
            .iter_mut()
            .filter(|entry| entry.namespace == namespace)
        {
            let (Some(at), Some(last)) = (Self::expiry(entry), entry.steps.last()) else {
                continue;
            };
            if at <= removed {
                entry.death = Some(Death {
                    at,
                    reason: Reason::Expired,
                    state: last.state.clone(),
                    removed,
                });
            }
        }
    }
}
