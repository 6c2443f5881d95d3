//! Why a plan cannot be applied, or undone.

use std::{io, path::PathBuf};

use crate::{kernel::netns::NetnsError, settings::Name};

/// Each says what, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// A namespace that was named by the user.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// The plan does not fit this machine.
    #[error("{0}")]
    Plan(String),
    /// A namespace of the plan.
    #[error(
        "the network namespace {place} is not there any more. Name one that is with --netns, or make \
         a new plan"
    )]
    Gone {
        /// Its name.
        place: String,
    },
    /// A namespace of the plan has only a number, which another one may have by now.
    #[error(
        "the plan's network namespace {place} has no name to know it by. Name the one that is meant with \
         --netns, such as /proc/PID/ns/net"
    )]
    Unnamed {
        /// What the plan calls it.
        place: String,
    },
    /// A namespace is there, but closed.
    #[error("the network namespace {place} cannot be entered: {source}. Run tracker as root")]
    Enter {
        /// Its name.
        place: String,
        /// Why not.
        source: io::Error,
    },
    /// The table's size cannot be set from here.
    #[error(
        "nf_conntrack_max and nf_conntrack_buckets are set in the machine's first network namespace, \
         which cannot be reached from here. Run tracker on the machine itself, outside of containers"
    )]
    NotFirst,
    /// No such setting.
    #[error(
        "the network namespace {place} has no {name}. Load conntrack with modprobe nf_conntrack; if \
         it is loaded, this kernel lacks the setting: make a new plan on it"
    )]
    Missing {
        /// The setting.
        name: Name,
        /// The namespace.
        place: String,
    },
    /// Reading or writing a setting.
    #[error(
        "{name} cannot be written in the network namespace {place}: {source}. Run tracker as root, \
         where /proc/sys is not read-only"
    )]
    Unwritable {
        /// The setting.
        name: Name,
        /// The namespace.
        place: String,
        /// Why not.
        source: io::Error,
    },
    /// The kernel made something else of it.
    #[error(
        "the kernel has {found} for {name} in the network namespace {place} after {value} was \
         written. Leave this setting as it is"
    )]
    Refused {
        /// The setting.
        name: Name,
        /// The namespace.
        place: String,
        /// What was written.
        value: u64,
        /// What was read.
        found: u64,
    },
    /// Values changed between the question and the answer.
    #[error("{0} has been changed since it was shown. Run tracker apply again")]
    Moved(Name),
    /// New connections would have no room.
    #[error(
        "nf_conntrack_max of {max} is no more than the {entries} entries that the network namespace {place} has, so \
         new connections would be dropped at once. Apply the plan when there are fewer, or make one from a watch of \
         such a time"
    )]
    Crowded {
        /// The namespace.
        place: String,
        /// What it has.
        entries: u64,
        /// What the table was to hold.
        max: u64,
    },
    /// The file that remembers old values.
    #[error(
        "{} cannot be written, and without it there is no way back: {source}. Run tracker as root, or \
         name another file with --state", .path.display()
    )]
    State {
        /// Its path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is not needed any more, and stays.
    #[error(
        "{} cannot be removed, so the old values stay remembered: {source}. Run tracker rollback as root, \
         where its folder is not read-only", .path.display()
    )]
    NotForgotten {
        /// Its path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It holds something else.
    #[error(
        "{} does not tell old values: {why}. Put back a copy of it, or set the values by hand and \
         remove it", .path.display()
    )]
    BadState {
        /// Its path.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// It is another machine's.
    #[error(
        "{} tells the old values of {host}, which is another machine. Run tracker there, or remove \
         the file", .path.display()
    )]
    OtherMachine {
        /// Its path.
        path: PathBuf,
        /// Whose it is.
        host: String,
    },
    /// One at a time.
    #[error(
        "a plan is applied already: {} tells the old values. Go back with tracker rollback, or keep \
         it for good with tracker rollback --forget", .path.display()
    )]
    Applied {
        /// The file that remembers old values.
        path: PathBuf,
    },
    /// What was shown is not what is there after the answer.
    #[error(
        "what is applied has changed since it was shown, so nothing was written. Run tracker apply again"
    )]
    Since,
    /// Nobody sets at boot what may yet be taken back.
    #[error(
        "a guard still watches what is applied, and may go back. Persist it once the guard has ended well, or \
         have the guard do so: --guard and --persist together"
    )]
    Judged,
    /// The file for the time after a reboot belongs to somebody else.
    #[error(
        "{} is not as tracker wrote it, so it stays as it is. Move what others put there to another file, or \
         apply without --persist", .path.display()
    )]
    NotOwn {
        /// Its path.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error(
        "{} cannot be written: {source}. Run tracker as root, or apply without --persist",
        .path.display()
    )]
    OwnFile {
        /// Its path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Nothing reads it at boot.
    #[error(
        "there is no {}, so nothing sets values at boot from there. Make the folder, or apply without \
         --persist", .path.display()
    )]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Something of this machine cannot be read.
    #[error("{path} cannot be read: {source}. Mount /proc, and run tracker as root")]
    Machine {
        /// Path of the file.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// A write failed, and everything is as before.
    #[error("{cause} (What had been written by then is put back)")]
    Undone {
        /// What failed.
        cause: Box<ApplyError>,
    },
    /// A write failed, and so did going back.
    #[error(
        "{cause} What had been written by then could not be put back ({undo}). Run tracker rollback \
         --state {}", .path.display()
    )]
    Stuck {
        /// What failed first.
        cause: Box<ApplyError>,
        /// What failed then.
        undo: Box<ApplyError>,
        /// The file that remembers old values.
        path: PathBuf,
    },
    /// A guard would not see harm.
    #[error("nothing was written: {0}")]
    Blind(String),
    /// Nobody would go back if the guard died.
    #[error(
        "the process that goes back if the guard ends early cannot be started: {0}. Free memory or processes, and try again"
    )]
    DeadMan(io::Error),
}

impl ApplyError {
    /// It is what was asked that is wrong, not this machine.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Netns(_)
                | Self::Plan(_)
                | Self::Gone { .. }
                | Self::Unnamed { .. }
                | Self::Applied { .. }
                | Self::NotOwn { .. }
                | Self::OtherMachine { .. }
        )
    }

    /// This machine, or this user, cannot.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Enter { .. }
                | Self::NotFirst
                | Self::Missing { .. }
                | Self::Unwritable { .. }
                | Self::State { .. }
                | Self::NotForgotten { .. }
                | Self::OwnFile { .. }
                | Self::NoFolder { .. }
                | Self::Machine { .. }
                | Self::DeadMan(_)
                | Self::Blind(_)
                | Self::Judged
                | Self::Crowded { .. }
        )
    }
}
