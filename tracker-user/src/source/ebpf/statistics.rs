//! The kernel's own statistics of the programs that it holds.

use std::{io, os::fd::OwnedFd};

use aya::{
    programs::{ProgramError, loaded_programs},
    sys::{Stats, enable_stats},
};

/// A program in the kernel: what it is, and what it has taken while statistics were kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramStatistics {
    /// The kernel's number for it.
    pub id: u32,
    /// The first 15 bytes of its name.
    pub name: String,
    /// Times that it ran.
    pub runs: u64,
    /// How long that took in all, in ns.
    pub ns: u64,
    /// Its instructions, as the kernel has translated them.
    pub loaded: Option<u32>,
    /// Instructions that the verifier walked; not every kernel tells.
    pub verified: Option<u32>,
}

/// Makes the kernel keep statistics until this is closed. They cost time themselves.
///
/// # Errors
/// When it refuses.
pub fn keep() -> io::Result<OwnedFd> {
    enable_stats(Stats::RunTime).map_err(|error| error.io_error)
}

/// All programs that the kernel holds.
///
/// # Errors
/// When it refuses to show one.
pub fn programs() -> Result<Vec<ProgramStatistics>, ProgramError> {
    loaded_programs()
        .map(|info| {
            let info = info?;
            Ok(ProgramStatistics {
                id: info.id(),
                name: info.name_as_str().unwrap_or_default().to_owned(),
                runs: info.run_count(),
                ns: u64::try_from(info.run_time().as_nanos()).unwrap_or(u64::MAX),
                loaded: info.size_translated().map(|bytes| bytes / 8),
                verified: info.verified_instruction_count(),
            })
        })
        .collect()
}
