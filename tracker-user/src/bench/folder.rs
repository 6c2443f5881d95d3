//! Where observers write: a folder of the bench's own that goes with it. One that was killed cannot
//! take its folder away; the next one does.

use std::{
    env,
    fs::{self, File},
    io,
    path::Path,
};

use tempfile::TempDir;

/// How the names of these folders begin.
const MARK: &str = "tracker-bench.";

/// A folder in which observers may write.
#[derive(Debug)]
pub struct Folder {
    folder: TempDir,
    /// Locked as long as the bench lives.
    _lock: File,
}

impl Folder {
    /// Makes it, below that for temporary files.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn create() -> io::Result<Self> {
        Self::below(&env::temp_dir())
    }

    fn below(parent: &Path) -> io::Result<Self> {
        sweep(parent)?;
        let folder = tempfile::Builder::new().prefix(MARK).tempdir_in(parent)?;
        let lock = File::open(folder.path())?;
        lock.lock_shared()?;
        Ok(Self {
            folder,
            _lock: lock,
        })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Takes away what nobody holds. Who may not leaves it to its owner.
fn sweep(parent: &Path) -> io::Result<()> {
    for entry in fs::read_dir(parent)? {
        let entry = entry?;
        let marked = entry.file_name().to_string_lossy().starts_with(MARK);
        if !marked || !entry.file_type()?.is_dir() {
            continue;
        }
        let is_left = File::open(entry.path()).is_ok_and(|it| it.try_lock().is_ok());
        if is_left {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_one_has_left_goes_and_what_a_living_one_has_stays() {
        let parent = tempfile::tempdir().unwrap();
        let dead = parent.path().join("tracker-bench.dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("flood.db"), "").unwrap();
        let other = parent.path().join("tracker");
        fs::create_dir(&other).unwrap();
        let living = Folder::below(parent.path()).unwrap();
        assert!(!dead.exists() && other.exists());
        let second = Folder::below(parent.path()).unwrap();
        assert!(living.path().exists());
        let path = second.path().to_owned();
        drop(second);
        assert!(!path.exists());
    }
}
