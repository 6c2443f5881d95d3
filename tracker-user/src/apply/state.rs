//! The file that remembers old values, and in which order it is written.

use std::{
    fs::{DirBuilder, File},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{ApplyError, Change, OwnFile, durable};
use crate::kernel::{Root, machine};

/// Where it is unless the user names another file.
const FILE: &str = "var/lib/tracker/applied.json";
const BOOT: &str = "proc/sys/kernel/random/boot_id";
const HOST: &str = "proc/sys/kernel/hostname";
const VERSION: u32 = 1;

/// What was there before a plan was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Version of this shape.
    pub schema_version: u32,
    /// The machine, as [`machine::identity`] tells it.
    pub machine: Option<String>,
    /// Its host name.
    pub host: String,
    /// The kernel's number for the time since it was started: live values do not outlast it.
    pub boot: String,
    /// What was changed.
    pub changes: Vec<Change>,
    /// The file that sets the values at boot, if there is one.
    pub own_file: Option<OwnFile>,
}

impl Remembered {
    /// For changes that are about to be made on this machine.
    ///
    /// # Errors
    /// When the machine does not tell what it is.
    pub fn now(root: &Root, changes: Vec<Change>) -> Result<Self, ApplyError> {
        Ok(Self {
            schema_version: VERSION,
            machine: machine::identity(root),
            host: line(root, HOST)?,
            boot: line(root, BOOT)?,
            changes,
            own_file: None,
        })
    }

    /// The kernel still runs in which the changes were made.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn is_of_this_boot(&self, root: &Root) -> Result<bool, ApplyError> {
        Ok(self.boot == line(root, BOOT)?)
    }
}

fn line(root: &Root, path: &str) -> Result<String, ApplyError> {
    let text = root.text(path).map_err(|source| ApplyError::Machine {
        path: root.path(path).display().to_string(),
        source,
    })?;
    Ok(text.trim().to_owned())
}

/// The file, held by one process at a time.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    _lock: Option<File>,
}

impl Store {
    /// The file's usual path.
    #[must_use]
    pub fn usual(root: &Root) -> PathBuf {
        root.path(FILE)
    }

    /// Waits until no other process holds it. The folder is made if it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made or held.
    pub fn open_or_create(path: &Path) -> Result<Self, ApplyError> {
        let failed = |source| ApplyError::State {
            path: path.to_owned(),
            source,
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(folder(path)).map_err(failed)?;
        Self::open(path)
    }

    /// Waits until no other process holds it. Nothing is made.
    ///
    /// # Errors
    /// When its folder cannot be held.
    pub fn open(path: &Path) -> Result<Self, ApplyError> {
        let held = File::open(folder(path)).and_then(|it| it.lock().map(|()| it));
        let lock = match held {
            Ok(lock) => Some(lock),
            // No folder, no file.
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => {
                return Err(ApplyError::State {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        if lock.is_some() {
            durable::sweep(path);
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it remembers, if anything.
    ///
    /// # Errors
    /// When it cannot be read, or is not what was written.
    pub fn load(&self) -> Result<Option<Remembered>, ApplyError> {
        let bad = |why: String| ApplyError::BadState {
            path: self.path.clone(),
            why,
        };
        let Some(text) = durable::read(&self.path).map_err(|error| bad(error.to_string()))? else {
            return Ok(None);
        };
        let state: Remembered =
            serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        if state.schema_version != VERSION {
            let version = state.schema_version;
            return Err(bad(format!(
                "its schema_version is {version}, not {VERSION}"
            )));
        }
        Ok(Some(state))
    }

    /// Puts it on the disk, and its name as well: afterwards it outlasts a power failure.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn save(&self, state: &Remembered) -> Result<(), ApplyError> {
        let text = serde_json::to_string_pretty(state).map_err(io::Error::other);
        text.and_then(|text| durable::write(&self.path, &(text + "\n"), 0o600))
            .map_err(|source| self.failed(source))
    }

    /// Forgets: there is nothing to go back to.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn remove(&self) -> Result<(), ApplyError> {
        durable::remove(&self.path).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> ApplyError {
        ApplyError::State {
            path: self.path.clone(),
            source,
        }
    }
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_saved_is_loaded_and_a_torn_write_is_swept_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b.json");
        assert_eq!(Store::open(&path).unwrap().load().unwrap(), None);
        let store = Store::open_or_create(&path).unwrap();
        let state = Remembered {
            schema_version: VERSION,
            machine: None,
            host: "gateway".to_owned(),
            boot: "1".to_owned(),
            changes: Vec::new(),
            own_file: None,
        };
        store.save(&state).unwrap();
        assert_eq!(store.load().unwrap(), Some(state));
        drop(store);
        fs::write(folder.path().join("a/b.json.new"), "{").unwrap();
        let store = Store::open(&path).unwrap();
        store.remove().unwrap();
        assert_eq!(fs::read_dir(folder.path().join("a")).unwrap().count(), 0);
        fs::write(&path, "{}").unwrap();
        let said = store.load().unwrap_err().to_string();
        assert!(
            said.contains("does not tell old values: missing field"),
            "{said}"
        );
    }
}
