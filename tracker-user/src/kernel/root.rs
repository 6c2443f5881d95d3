use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Where the machine's files are: `/`, or a folder of captured files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root(PathBuf);

impl Root {
    /// This machine.
    #[must_use]
    pub fn machine() -> Self {
        Self::at("/")
    }

    /// A folder that holds the files of a machine, such as `proc/kallsyms`.
    #[must_use]
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// A made-up machine with these files, by path below the root and text, for as long as the folder is kept.
    #[cfg(test)]
    pub(crate) fn with(files: &[(&str, &str)]) -> (tempfile::TempDir, Self) {
        let folder = tempfile::tempdir().unwrap();
        let root = Self::at(folder.path());
        for (path, text) in files {
            let path = root.path(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        (folder, root)
    }

    /// Files captured on a machine with this kernel.
    #[cfg(test)]
    pub(crate) fn of_test(kernel: &str) -> Self {
        Self(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/data/kernels")
                .join(kernel),
        )
    }

    /// A file or folder of the machine; `path` is relative to its root, with or without the
    /// leading slash.
    #[must_use]
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The machine has this file or folder.
    #[must_use]
    pub fn has(&self, path: impl AsRef<Path>) -> bool {
        self.path(path).exists()
    }

    /// Contents of a text file.
    ///
    /// # Errors
    /// Those of reading it.
    pub fn text(&self, path: impl AsRef<Path>) -> io::Result<String> {
        fs::read_to_string(self.path(path))
    }

    /// Contents of a file.
    ///
    /// # Errors
    /// Those of reading it.
    pub fn bytes(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        fs::read(self.path(path))
    }
}

impl Default for Root {
    fn default() -> Self {
        Self::machine()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leading_slash_does_not_leave_the_folder() {
        assert_eq!(
            Root::at("/captured").path("/proc/stat"),
            Path::new("/captured/proc/stat")
        );
        assert_eq!(Root::machine().path("proc/stat"), Path::new("/proc/stat"));
    }
}
