//! The project's cache: what is costly to get and the same for every checkout.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The folder of kernels and their package indexes.
pub(crate) const KERNELS: &str = "kernels";
/// The folder of the parts of initramfs that hold modules.
pub(crate) const PARTS: &str = "modules";
/// How names of what is unfinished begin, as tempfile makes them.
const UNFINISHED: &str = ".tmp";

/// `$XDG_CACHE_HOME/tracker`, or `~/.cache/tracker`.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache of whoever runs this; created when missing.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn of_this_user() -> Result<Self> {
        let root = folder();
        if let Err(err) = fs::create_dir_all(&root) {
            bail!(
                "cannot create the cache {}: {err}. Set XDG_CACHE_HOME to a folder that you may write",
                root.display()
            );
        }
        Ok(Self { root })
    }

    /// Where everything is kept.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where kernels and their package indexes are kept.
    pub fn kernels(&self) -> PathBuf {
        self.root.join(KERNELS)
    }

    /// A folder of the cache to work in, made if it is missing, and its lock. Nobody else works there as long as that is
    /// held, so what is unfinished there is of a run that was ended, and goes.
    ///
    /// # Errors
    /// When the folder or the lock cannot be had.
    pub fn enter(&self, name: &str) -> Result<(PathBuf, File)> {
        let folder = self.root.join(name);
        fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let lock = self.lock(name)?;
        sweep(&folder);
        Ok((folder, lock))
    }

    /// Takes away what ended runs left unfinished in the folders that are worked in, where nobody works now.
    pub fn tidy(&self) {
        for name in [KERNELS, PARTS] {
            let lock = File::create(self.lock_path(name));
            if lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
                sweep(&self.root.join(name));
            }
        }
    }

    /// Waits until no other run holds the lock of this name; it is released when the file is dropped.
    ///
    /// # Errors
    /// When the lock's file cannot be made or locked.
    pub fn lock(&self, name: &str) -> Result<File> {
        let path = self.lock_path(name);
        let file =
            File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        if file.try_lock().is_err() {
            crate::note!("waiting for another run that holds {}", path.display());
            file.lock()
                .with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Ok(file)
    }

    fn lock_path(&self, name: &str) -> PathBuf {
        self.root.join(format!("{name}.lock"))
    }
}

/// Removes what is unfinished. What cannot be is in nobody's way.
fn sweep(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|it| {
        it.file_name()
            .as_encoded_bytes()
            .starts_with(UNFINISHED.as_bytes())
    }) {
        let path = entry.path();
        let _ = fs::remove_dir_all(&path).or_else(|_| fs::remove_file(&path));
    }
}

fn folder() -> PathBuf {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    let home = || set("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    set("XDG_CACHE_HOME")
        .map_or_else(|| home().join(".cache"), PathBuf::from)
        .join("tracker")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_ended_run_left_unfinished_goes_with_the_next_one() {
        let root = tempfile::tempdir().unwrap();
        let cache = Cache {
            root: root.path().to_owned(),
        };
        let (folder, lock) = cache.enter(KERNELS).unwrap();
        let half = || {
            let half = tempfile::tempdir_in(&folder).unwrap().keep();
            fs::write(half.join("package.deb"), "half").unwrap();
            half
        };
        let first = half();
        let file = tempfile::NamedTempFile::new_in(&folder).unwrap();
        let (_, file) = file.keep().unwrap();
        let whole = folder.join("whole");
        fs::create_dir(&whole).unwrap();
        // Somebody works there.
        cache.tidy();
        assert!(first.exists() && file.exists());
        drop(lock);
        cache.tidy();
        assert!(!first.exists() && !file.exists());
        let second = half();
        let _lock = cache.enter(KERNELS).unwrap();
        assert!(!second.exists() && whole.exists());
    }
}
