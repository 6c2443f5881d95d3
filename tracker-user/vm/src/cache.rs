//! The project's cache: what is costly to get and the same for every checkout.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

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
        self.root.join("kernels")
    }

    /// Waits until no other run holds the lock of this name; it is released when the file is dropped.
    ///
    /// # Errors
    /// When the lock's file cannot be made or locked.
    pub fn lock(&self, name: &str) -> Result<File> {
        let path = self.root.join(format!("{name}.lock"));
        let file =
            File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        if file.try_lock().is_err() {
            crate::note!("waiting for another run that holds {}", path.display());
            file.lock()
                .with_context(|| format!("cannot lock {}", path.display()))?;
        }
        Ok(file)
    }
}

fn folder() -> PathBuf {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    let home = || set("HOME").map_or_else(|| PathBuf::from("/"), PathBuf::from);
    set("XDG_CACHE_HOME")
        .map_or_else(|| home().join(".cache"), PathBuf::from)
        .join("tracker")
}
