//! Files that are whole and on the disk, or not there.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::fault;

/// Writes a file whole: whoever looks, also after a power failure, finds the old contents or the new.
///
/// # Errors
/// Those of the system; then the old contents are there, or, of the last step, the new.
pub fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let done = replace(path, text, mode);
    if done.is_err() {
        sweep(path);
    }
    done
}

fn replace(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    fault::point()?;
    let new = beside(path);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&new)?;
    file.write_all(text.as_bytes())?;
    fault::point()?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    fault::point()?;
    sync_folder(path)
}

/// Removes a file; it is no error if there is none.
///
/// # Errors
/// Those of the system.
pub fn remove(path: &Path) -> io::Result<()> {
    fault::point()?;
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(()) => sync_folder(path),
    }
}

/// Removes what a process that ended while it wrote has left.
pub fn sweep(path: &Path) {
    // Mostly there is nothing.
    let _ = fs::remove_file(beside(path));
}

/// The contents; `None` if there is no such file.
///
/// # Errors
/// Those of the system.
pub fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// A file's name is on the disk only when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}
