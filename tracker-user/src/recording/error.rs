//! What can be wrong with a recording.

use std::{io, path::PathBuf};

/// A recording could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The output file is there already.
    #[error("{} exists already. Choose another file with -o, or add --force to replace it", path.display())]
    Exists {
        /// The output.
        path: PathBuf,
    },
    /// The output cannot be made.
    #[error("{} cannot be written: {why}. Choose another file with -o", path.display())]
    Unwritable {
        /// The output.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// An interval could not be written.
    #[error("the next interval cannot be written to {}: {source}. Make room there before you watch again, for the intervals before it are safe", path.display())]
    Write {
        /// The output.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The file cannot be opened.
    #[error("{} cannot be read: {source}. Check its name and permissions", path.display())]
    Unreadable {
        /// The input.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Some other file.
    #[error("{} is not a recording. Make one with tracker profile", path.display())]
    Foreign {
        /// The input.
        path: PathBuf,
    },
    /// Written by a newer tracker.
    #[error("{} has schema {found}, and this tracker knows no newer one than {known}. Read it with the tracker that wrote it, or a newer one", path.display())]
    Newer {
        /// The input.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// The end of the file is missing.
    #[error("{} is cut off after {has} of {wants} bytes. Copy it again from where it was made", path.display())]
    Truncated {
        /// The input.
        path: PathBuf,
        /// Its length.
        has: u64,
        /// The length that it says it has.
        wants: u64,
    },
    /// The watch was killed, and its last interval must be rolled back first.
    #[error("{} was being written when its watch was killed, so its last interval must be undone first. Open it once where you may write, with the -journal file beside it", path.display())]
    Interrupted {
        /// The input.
        path: PathBuf,
    },
    /// Damaged inside.
    #[error("{} is damaged: {what}. Copy it again from where it was made", path.display())]
    Corrupt {
        /// The input.
        path: PathBuf,
        /// What does not fit.
        what: String,
    },
}
