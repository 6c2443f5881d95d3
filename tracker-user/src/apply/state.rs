//! The file that remembers old values, and in which order it is written.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use nix::{fcntl::OFlag, unistd::geteuid};
use serde::{Deserialize, Serialize};

use super::{ApplyError, Change, Id, OwnFile, durable};
use crate::kernel::{Root, machine};

/// Where it is unless the user names another file.
const FILE: &str = "var/lib/tracker/applied.json";
const BOOT: &str = "proc/sys/kernel/random/boot_id";
const HOST: &str = "proc/sys/kernel/hostname";
const VERSION: u32 = 1;
/// Whoever else may write it could have this program, as root, write whatever he wants.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// What was there before a plan was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// Version of this shape.
    pub schema_version: u32,
    /// Tells it from what another plan leaves in the same file.
    #[serde(default)]
    pub id: Id,
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
    pub fn now(root: &Root, id: Id, changes: Vec<Change>) -> Result<Self, ApplyError> {
        Ok(Self {
            schema_version: VERSION,
            id,
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

/// Whose old values a file tells.
#[derive(Debug)]
pub enum Whose {
    /// Those of the plan that was asked for.
    Its,
    /// None, or another plan's: they have been restored, or forgotten.
    NotIts,
    /// It cannot be told.
    Unknown(ApplyError),
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
        durable::make_folder(durable::folder(path), 0o700).map_err(failed)?;
        Self::open(path)
    }

    /// Waits until no other process holds it. Nothing is made.
    ///
    /// # Errors
    /// When its folder cannot be held.
    pub fn open(path: &Path) -> Result<Self, ApplyError> {
        let held = File::open(durable::folder(path)).and_then(|it| it.lock().map(|()| it));
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
        load(&self.path)
    }

    /// What it remembers, if that holds: of the live values of another boot nothing is left.
    ///
    /// # Errors
    /// As [`Self::load`]; and when it is another machine's.
    pub fn applied(&self, root: &Root) -> Result<Option<Remembered>, ApplyError> {
        let Some(state) = self.load()? else {
            return Ok(None);
        };
        self.is_ours(root, &state)?;
        let holds = state.own_file.is_some() || state.is_of_this_boot(root)?;
        Ok(holds.then_some(state))
    }

    /// Fails if old values are another machine's.
    ///
    /// # Errors
    /// [`ApplyError::OtherMachine`].
    pub fn is_ours(&self, root: &Root, state: &Remembered) -> Result<(), ApplyError> {
        match (&state.machine, machine::identity(root)) {
            (Some(theirs), Some(own)) if *theirs != own => Err(ApplyError::OtherMachine {
                path: self.path.clone(),
                host: state.host.clone(),
            }),
            _ => Ok(()),
        }
    }

    /// Whose old values a file tells, whoever holds it.
    #[must_use]
    pub fn whose(path: &Path, id: &Id) -> Whose {
        match load(path) {
            Ok(Some(state)) if state.id == *id => Whose::Its,
            Ok(_) => Whose::NotIts,
            Err(error) => Whose::Unknown(error),
        }
    }

    /// Whether it tells these old values still, and not another plan's or none. Where it cannot be told, it
    /// is written anew.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub fn reclaim(&self, state: &Remembered) -> Result<bool, ApplyError> {
        match Self::whose(&self.path, &state.id) {
            Whose::Its => Ok(true),
            Whose::NotIts => Ok(false),
            Whose::Unknown(error) => {
                log::warn!("{error}");
                self.save(state).map(|()| true)
            }
        }
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
        durable::remove(&self.path).map_err(|source| ApplyError::NotForgotten {
            path: self.path.clone(),
            source,
        })
    }

    fn failed(&self, source: io::Error) -> ApplyError {
        ApplyError::State {
            path: self.path.clone(),
            source,
        }
    }
}

fn load(path: &Path) -> Result<Option<Remembered>, ApplyError> {
    let bad = |why: String| ApplyError::BadState {
        path: path.to_owned(),
        why,
    };
    let Some(mut file) = open(path).map_err(|error| bad(error.to_string()))? else {
        return Ok(None);
    };
    // Of the very file that is read: its name may be another one's by now.
    let metadata = file.metadata().map_err(|error| bad(error.to_string()))?;
    let is_foreign = metadata.uid() != 0 && metadata.uid() != geteuid().as_raw();
    if is_foreign || metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(bad("others than root may have written it".to_owned()));
    }
    let mut text = String::new();
    file.read_to_string(&mut text)
        .map_err(|error| bad(error.to_string()))?;
    let state: Remembered = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    if state.schema_version != VERSION {
        let version = state.schema_version;
        return Err(bad(format!(
            "its schema_version is {version}, not {VERSION}"
        )));
    }
    if state.own_file.as_ref().is_some_and(|it| !it.is_own()) {
        return Err(bad("it tells of a file that is not tracker's".to_owned()));
    }
    Ok(Some(state))
}

/// Opens it, and no link to another file; `None` if there is none.
fn open(path: &Path) -> io::Result<Option<File>> {
    let no_link = OFlag::O_NOFOLLOW.bits();
    match OpenOptions::new()
        .read(true)
        .custom_flags(no_link)
        .open(path)
    {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
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
            id: Id::new(),
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
        // Where a link leads, others may have put it.
        let elsewhere = folder.path().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        let said = store.load().unwrap_err().to_string();
        assert!(said.contains("symbolic link"), "{said}");
    }
}
