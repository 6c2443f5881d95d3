//! The tables of a recording.

use rusqlite::types::Type;
use tracker_common::layout::HistogramId;

/// "trkr": SQLite's `application_id`, which `file` shows.
pub const APPLICATION_ID: u32 = 0x7472_6b72;

/// SQLite's `user_version`. A reader refuses a newer one.
pub const VERSION: u32 = 3;

/// The first version with the tables `statistic` and `statistic_sample`.
pub const WITH_STATISTICS: u32 = 2;

/// The first version with the table `stratum`.
pub const WITH_STRATA: u32 = 3;

/// Settings of a connection that writes. The journal is deleted after each transaction, so that a
/// recording is one file at every moment between two intervals.
pub const WRITE: &str = "
PRAGMA journal_mode = DELETE;
PRAGMA cache_size = -1024;
PRAGMA foreign_keys = ON;
";

/// Whether to wait for the disk: only a crash of the whole machine needs that, and tests have none.
pub const SYNCHRONOUS: &str = if cfg!(test) { "OFF" } else { "NORMAL" };

/// Makes the tables of an empty file. Times are µs since the watch began.
pub const TABLES: &str = "
CREATE TABLE meta (
    key TEXT PRIMARY KEY,   -- description (JSON), complete (0 or 1)
    value NOT NULL
) WITHOUT ROWID;
CREATE TABLE counter (      -- what the numbers in counters blobs mean
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL
);
CREATE TABLE namespace (
    id INTEGER PRIMARY KEY,
    inum INTEGER NOT NULL,  -- one that comes may have that of one that has gone
    name TEXT NOT NULL,
    live_at_start INTEGER NOT NULL,
    live INTEGER NOT NULL,
    counters BLOB NOT NULL  -- totals
);
CREATE TABLE series (       -- one histogram of one namespace
    id INTEGER PRIMARY KEY,
    namespace INTEGER NOT NULL REFERENCES namespace (id),
    kind TEXT NOT NULL,     -- residency, gap, max_gap, lifetime, overdue, idle, return
    name TEXT NOT NULL,     -- state or timer
    total BLOB NOT NULL,    -- HdrHistogram V2, µs
    sum_us INTEGER NOT NULL,
    max_us INTEGER NOT NULL,
    UNIQUE (namespace, kind, name)
);
CREATE TABLE interval (
    id INTEGER PRIMARY KEY,
    level INTEGER NOT NULL, -- times that it was joined with its neighbours
    started_us INTEGER NOT NULL,
    ended_us INTEGER NOT NULL
);
CREATE INDEX interval_by_level ON interval (level, started_us);
CREATE TABLE sample (       -- one namespace in one interval
    interval INTEGER NOT NULL REFERENCES interval (id) DEFERRABLE INITIALLY DEFERRED,
    namespace INTEGER NOT NULL REFERENCES namespace (id),
    counters BLOB NOT NULL, -- differences
    samples INTEGER NOT NULL,
    count_sum INTEGER NOT NULL,
    count_min INTEGER,
    count_max INTEGER,
    max INTEGER,
    buckets INTEGER,
    PRIMARY KEY (interval, namespace)
) WITHOUT ROWID;
CREATE TABLE histogram (    -- one series in one interval
    interval INTEGER NOT NULL REFERENCES interval (id) DEFERRABLE INITIALLY DEFERRED,
    series INTEGER NOT NULL REFERENCES series (id),
    difference BLOB NOT NULL,
    sum_us INTEGER NOT NULL,
    max_us INTEGER NOT NULL
);
CREATE INDEX histogram_by_interval ON histogram (interval);
CREATE TABLE sysctl (       -- a value, and from when on it was seen
    namespace INTEGER NOT NULL REFERENCES namespace (id),
    name TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    value INTEGER NOT NULL,
    PRIMARY KEY (namespace, name, at_us)
) WITHOUT ROWID;
CREATE TABLE statistic (    -- what the kernel counted itself: totals
    namespace INTEGER NOT NULL REFERENCES namespace (id),
    name TEXT NOT NULL,
    total INTEGER NOT NULL,
    PRIMARY KEY (namespace, name)
) WITHOUT ROWID;
CREATE TABLE statistic_sample ( -- differences that are not 0
    interval INTEGER NOT NULL REFERENCES interval (id) DEFERRABLE INITIALLY DEFERRED,
    namespace INTEGER NOT NULL REFERENCES namespace (id),
    name TEXT NOT NULL,
    difference INTEGER NOT NULL,
    PRIMARY KEY (interval, namespace, name)
) WITHOUT ROWID;
CREATE TABLE port (         -- totals
    namespace INTEGER NOT NULL REFERENCES namespace (id),
    proto TEXT NOT NULL,
    port INTEGER NOT NULL,
    inserts INTEGER NOT NULL,
    deaths INTEGER NOT NULL,
    entry_us INTEGER NOT NULL,
    PRIMARY KEY (namespace, proto, port)
) WITHOUT ROWID;
CREATE TABLE stratum (      -- totals
    namespace INTEGER NOT NULL REFERENCES namespace (id),
    proto TEXT NOT NULL,
    port INTEGER NOT NULL,
    timer TEXT NOT NULL,
    connections INTEGER NOT NULL,
    max_gaps BLOB NOT NULL, -- of those with a gap of a second or more: HdrHistogram V2, µs
    max_us INTEGER NOT NULL,
    PRIMARY KEY (namespace, proto, port, timer)
) WITHOUT ROWID;
CREATE TABLE loss (         -- totals
    name TEXT PRIMARY KEY,
    count INTEGER NOT NULL
) WITHOUT ROWID;
";

/// Kind and name of a histogram, as in the table `series`.
pub fn series_name(id: HistogramId) -> (&'static str, &'static str) {
    match id {
        HistogramId::Residency(state) => ("residency", state.name()),
        HistogramId::Gap(timer) => ("gap", timer.name()),
        HistogramId::MaxGap(timer) => ("max_gap", timer.name()),
        HistogramId::Lifetime => ("lifetime", ""),
        HistogramId::Overdue => ("overdue", ""),
        HistogramId::Idle(timer) => ("idle", timer.name()),
        HistogramId::Return(timer) => ("return", timer.name()),
    }
}

/// The histogram of this kind and name, if this version knows it.
pub fn series_id(kind: &str, name: &str) -> Option<HistogramId> {
    HistogramId::all().find(|&id| series_name(id) == (kind, name))
}

/// Damage that SQLite itself does not see.
pub fn damaged(what: impl Into<String>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Blob, what.into().into())
}
