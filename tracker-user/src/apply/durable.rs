//! Files that are whole and on the disk, or not there.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
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
    let (mut file, new) = create_beside(path, mode)?;
    file.write_all(text.as_bytes())?;
    fault::point()?;
    file.sync_all()?;
    fault::point()?;
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
        Ok(()) => {
            fault::point()?;
            sync_folder(path)
        }
    }
}

/// Fails if the file could not be written. Nothing stays of the attempt.
///
/// # Errors
/// Those of the system.
pub fn check(path: &Path) -> io::Result<()> {
    let (_, new) = create_beside(path, 0o600)?;
    fs::remove_file(new)
}

/// Makes a folder and those that it is in, as far as they are not there; afterwards they outlast a power
/// failure.
///
/// # Errors
/// Those of the system.
pub fn make_folder(folder: &Path, mode: u32) -> io::Result<()> {
    let new = folder.ancestors().take_while(|it| !it.exists());
    let new: Vec<&Path> = new.filter(|it| !it.as_os_str().is_empty()).collect();
    DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(folder)?;
    new.into_iter().rev().try_for_each(sync_folder)
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

/// A file beside it, which nobody else can have prepared.
fn create_beside(path: &Path, mode: u32) -> io::Result<(File, PathBuf)> {
    sweep(path);
    let new = beside(path);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&new)?;
    Ok((file, new))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

/// A file's name is on the disk only when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

/// The folder that a file is in.
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}
