//! The truth as a file.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tracker_common::{Proto, Reason, State, Timer};

use super::tally::{InsertTally, PortTally, StateTally, Tally, TimerTally};
use super::{About, Samples, Span};

/// Version of the file's shape.
pub const SCHEMA_VERSION: u32 = 1;

/// Packets that were sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packets {
    /// By clients.
    pub client: u64,
    /// By servers.
    pub server: u64,
    /// Their bytes, IP headers included.
    pub bytes: u64,
}

/// The truth about a run. As JSON it is one object:
///
/// | field | holds |
/// |---|---|
/// | `schema_version` | 1 |
/// | `scenario`, `seed` | what was played; the same two give the same packets |
/// | `jiffy_s` | seconds that a jiffy of this kernel lasts |
/// | `packets` | `client`, `server`: how many each side sent; `bytes`, with IP headers |
/// | `entries` | how many began |
/// | `live` | how many of them were left at the end |
/// | `refused` | packets of which no entry came, since they fit none |
/// | `spoiled` | packets that came too late for what they were to do: the rest is off by them |
/// | `inserts[]` | `proto`, `count`, `pickups` |
/// | `states[]` | `name`, `entered`, `moved_on`, `expired`, `killed`, `residency` |
/// | `timers[]` | `name`, `resumed_gaps`, `max_gap`, `expired`; `cut`: connections that went on after that |
/// | `deaths[]` | `state`, `reason`, `count` |
/// | `ports[]` | `proto`, `port`, `inserts`, `deaths`, `entry_seconds`: at least and at most; `cut` |
/// | `strata[]` | `proto`, `port`, `timer`, `max_gap` |
/// | `lifetime` | insert to death |
///
/// Times (`residency`, `resumed_gaps`, `max_gap`, `lifetime`) are lists of `[low, high, count]`:
/// so many of them were between `low` and `high` seconds long. Of an entry that expired they go up
/// to its expiry, however long it stayed in the table.
#[derive(Clone, Debug, PartialEq)]
pub struct TruthFile {
    /// What was played.
    pub about: About,
    /// Packets that were sent.
    pub packets: Packets,
    /// Entries that live.
    pub live: u64,
    /// Packets of which no entry came.
    pub refused: u64,
    /// Packets that came too late.
    pub spoiled: u64,
    /// What happened to the entries.
    pub tally: Tally,
}

/// What can go wrong with a truth file.
#[derive(Debug, thiserror::Error)]
pub enum TruthError {
    /// It cannot be read.
    #[error("{path}: {source}. Name a file that `tracker lab run --truth` has written")]
    Read {
        /// The file.
        path: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// It cannot be written.
    #[error("{path}: {source}. Name a file that can be written")]
    Write {
        /// The file.
        path: String,
        /// The system's answer.
        source: std::io::Error,
    },
    /// It holds something else.
    #[error("{path}: {why}. Name a file that this version of tracker has written")]
    Foreign {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
}

type Times = Vec<(f64, f64, u64)>;

#[derive(Serialize, Deserialize)]
struct Document {
    schema_version: u32,
    scenario: String,
    seed: u64,
    jiffy_s: f64,
    packets: Packets,
    entries: u64,
    live: u64,
    refused: u64,
    spoiled: u64,
    inserts: Vec<InsertRow>,
    states: Vec<StateRow>,
    timers: Vec<TimerRow>,
    deaths: Vec<DeathRow>,
    ports: Vec<PortRow>,
    #[serde(default)]
    strata: Vec<StratumRow>,
    lifetime: Times,
}

#[derive(Serialize, Deserialize)]
struct InsertRow {
    proto: String,
    count: u64,
    pickups: u64,
}

#[derive(Serialize, Deserialize)]
struct StateRow {
    name: String,
    entered: u64,
    moved_on: u64,
    expired: u64,
    killed: u64,
    residency: Times,
}

#[derive(Serialize, Deserialize)]
struct TimerRow {
    name: String,
    resumed_gaps: Times,
    max_gap: Times,
    expired: u64,
    #[serde(default)]
    cut: u64,
}

#[derive(Serialize, Deserialize)]
struct DeathRow {
    state: String,
    reason: String,
    count: u64,
}

#[derive(Serialize, Deserialize)]
struct PortRow {
    proto: String,
    port: u16,
    inserts: u64,
    deaths: u64,
    entry_seconds: (f64, f64),
    #[serde(default)]
    cut: u64,
}

#[derive(Serialize, Deserialize)]
struct StratumRow {
    proto: String,
    port: u16,
    timer: String,
    max_gap: Times,
}

impl TruthFile {
    /// As JSON, with a line end.
    #[must_use]
    pub fn json(&self) -> String {
        let mut text = serde_json::to_string(&self.document()).unwrap_or_default();
        text.push('\n');
        text
    }

    /// From JSON.
    pub fn parse(json: &str) -> Result<Self, String> {
        let document: Document = serde_json::from_str(json).map_err(|error| error.to_string())?;
        Self::of(document)
    }

    /// Makes sure that a file can be written, which is better known before a run than after it.
    ///
    /// # Errors
    /// When it cannot.
    pub fn claim(path: &Path) -> Result<(), TruthError> {
        let mut options = fs::OpenOptions::new();
        let opened = options.create(true).append(true).open(path);
        opened.map(|_| ()).map_err(|source| TruthError::Write {
            path: path.display().to_string(),
            source,
        })
    }

    /// Writes it to a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), TruthError> {
        fs::write(path, self.json()).map_err(|source| TruthError::Write {
            path: path.display().to_string(),
            source,
        })
    }

    /// Reads it from a file.
    pub fn load(path: &Path) -> Result<Self, TruthError> {
        let name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|source| TruthError::Read {
            path: name.clone(),
            source,
        })?;
        Self::parse(&text).map_err(|why| TruthError::Foreign { path: name, why })
    }

    fn document(&self) -> Document {
        let jiffy_s = self.about.jiffy_s;
        let seconds = |jiffies: u64| jiffies as f64 * jiffy_s;
        let times = |samples: &Samples| -> Times {
            let rows = samples.iter();
            rows.map(|(span, count)| (seconds(span.low), seconds(span.high), count))
                .collect()
        };
        let tally = &self.tally;
        Document {
            schema_version: SCHEMA_VERSION,
            scenario: self.about.scenario.clone(),
            seed: self.about.seed,
            jiffy_s,
            packets: self.packets,
            entries: tally.insert_count(),
            live: self.live,
            refused: self.refused,
            spoiled: self.spoiled,
            inserts: (tally.inserts.iter())
                .map(|(proto, row)| InsertRow {
                    proto: proto.name().to_owned(),
                    count: row.count,
                    pickups: row.pickups,
                })
                .collect(),
            states: (tally.states.iter())
                .map(|(state, row)| StateRow {
                    name: state.name().to_owned(),
                    entered: row.entered,
                    moved_on: row.moved_on,
                    expired: row.expired,
                    killed: row.killed,
                    residency: times(&row.residency),
                })
                .collect(),
            timers: (tally.timers.iter())
                .map(|(timer, row)| TimerRow {
                    name: timer.name().to_owned(),
                    resumed_gaps: times(&row.resumed),
                    max_gap: times(&row.longest),
                    expired: row.expired,
                    cut: row.cut,
                })
                .collect(),
            deaths: (tally.deaths.iter())
                .map(|((state, reason), count)| DeathRow {
                    state: state.name().to_owned(),
                    reason: reason.name().to_owned(),
                    count: *count,
                })
                .collect(),
            ports: (tally.ports.iter())
                .map(|((proto, port), row)| PortRow {
                    proto: proto.name().to_owned(),
                    port: *port,
                    inserts: row.inserts,
                    deaths: row.deaths,
                    entry_seconds: (seconds(row.presence.low), seconds(row.presence.high)),
                    cut: row.cut,
                })
                .collect(),
            strata: (tally.strata.iter())
                .map(|((proto, port, timer), longest)| StratumRow {
                    proto: proto.name().to_owned(),
                    port: *port,
                    timer: timer.name().to_owned(),
                    max_gap: times(longest),
                })
                .collect(),
            lifetime: times(&tally.lifetime),
        }
    }

    fn of(document: Document) -> Result<Self, String> {
        let Document { jiffy_s, .. } = document;
        if document.schema_version != SCHEMA_VERSION {
            return Err(format!("its version is {}", document.schema_version));
        }
        if !(jiffy_s > 0.0 && jiffy_s <= 1.0) {
            return Err(format!("a jiffy of {jiffy_s} s"));
        }
        let span = |low: f64, high: f64| Span {
            low: (low / jiffy_s).round() as u64,
            high: (high / jiffy_s).round() as u64,
        };
        let samples = |times: &Times| {
            let mut samples = Samples::default();
            for &(low, high, count) in times {
                samples.add_many(span(low, high), count);
            }
            samples
        };
        let mut tally = Tally {
            lifetime: samples(&document.lifetime),
            ..Tally::default()
        };
        for row in document.inserts {
            let InsertRow { count, pickups, .. } = row;
            let proto = named(&row.proto, Proto::from_name)?;
            tally.inserts.insert(proto, InsertTally { count, pickups });
        }
        for row in document.states {
            let state = named(&row.name, State::from_name)?;
            let row = StateTally {
                entered: row.entered,
                moved_on: row.moved_on,
                expired: row.expired,
                killed: row.killed,
                residency: samples(&row.residency),
            };
            tally.states.insert(state, row);
        }
        for row in document.timers {
            let timer = named(&row.name, Timer::from_name)?;
            let row = TimerTally {
                resumed: samples(&row.resumed_gaps),
                longest: samples(&row.max_gap),
                expired: row.expired,
                cut: row.cut,
            };
            tally.timers.insert(timer, row);
        }
        for row in document.deaths {
            let state = named(&row.state, State::from_name)?;
            let reason = named(&row.reason, Reason::from_name)?;
            tally.deaths.insert((state, reason), row.count);
        }
        for row in document.ports {
            let (low, high) = row.entry_seconds;
            let tallied = PortTally {
                inserts: row.inserts,
                deaths: row.deaths,
                presence: span(low, high),
                cut: row.cut,
            };
            let proto = named(&row.proto, Proto::from_name)?;
            tally.ports.insert((proto, row.port), tallied);
        }
        for row in document.strata {
            let proto = named(&row.proto, Proto::from_name)?;
            let timer = named(&row.timer, Timer::from_name)?;
            let key = (proto, row.port, timer);
            tally.strata.insert(key, samples(&row.max_gap));
        }
        Ok(Self {
            about: About {
                scenario: document.scenario,
                seed: document.seed,
                jiffy_s,
            },
            packets: document.packets,
            live: document.live,
            refused: document.refused,
            spoiled: document.spoiled,
            tally,
        })
    }
}

fn named<T>(name: &str, find: impl Fn(&str) -> Option<T>) -> Result<T, String> {
    find(name).ok_or_else(|| format!("nothing is named `{name}`"))
}
