//! The first hundred bytes of the file, looked at before SQLite sees it: what kind of file it is.
//!
//! Layout: <https://www.sqlite.org/fileformat2.html#the_database_header>.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use super::{RecordingError, schema};

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const LENGTH: usize = 100;

/// Refuses what is no recording, a newer one, or one that is cut off.
pub fn check(path: &Path) -> Result<(), RecordingError> {
    let unreadable = |source| RecordingError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    let mut bytes = Vec::with_capacity(LENGTH);
    // Reading a directory fails here, with the system's word for it.
    file.take(LENGTH as u64)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    verdict(
        path,
        &bytes,
        metadata.len(),
        journal(path).metadata().is_ok_and(|it| it.len() > 0),
    )
}

/// Where SQLite keeps what it needs to undo an unfinished transaction.
pub fn journal(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-journal");
    PathBuf::from(name)
}

fn verdict(path: &Path, bytes: &[u8], has: u64, unfinished: bool) -> Result<(), RecordingError> {
    let path = || path.to_owned();
    if bytes.len() < LENGTH {
        // Whatever begins like SQLite, or not at all, may have lost the rest.
        return if MAGIC.starts_with(&bytes[..bytes.len().min(16)]) || bytes.starts_with(MAGIC) {
            Err(RecordingError::Truncated {
                path: path(),
                has,
                wants: LENGTH as u64,
            })
        } else {
            Err(RecordingError::Foreign { path: path() })
        };
    }
    if !bytes.starts_with(MAGIC) || number(bytes, 68) != schema::APPLICATION_ID {
        return Err(RecordingError::Foreign { path: path() });
    }
    let found = number(bytes, 60);
    if found > schema::VERSION {
        return Err(RecordingError::Newer {
            path: path(),
            found,
            known: schema::VERSION,
        });
    }
    // The number of pages holds only if it was written with the last change.
    let page = match number(bytes, 16) >> 16 {
        1 => 65_536,
        size => u64::from(size),
    };
    let wants = page * u64::from(number(bytes, 28));
    if !unfinished && number(bytes, 24) == number(bytes, 92) && has < wants {
        return Err(RecordingError::Truncated {
            path: path(),
            has,
            wants,
        });
    }
    Ok(())
}

/// Big-endian number of 32 bits.
fn number(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|it| it.try_into().ok())
        .map_or(0, u32::from_be_bytes)
}
