//! Conntrack's sysctls.
//!
//! The kernel shows those of the namespace that the calling thread is in at the moment a file is
//! opened; an open file stays with that namespace, without keeping it alive.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::FileExt,
};

use super::Root;
use crate::source::Table;

const FOLDER: &str = "proc/sys/net/netfilter";
const PREFIX: &str = "nf_conntrack_";
/// Not a setting: it changes all the time.
const COUNT: &str = "nf_conntrack_count";

/// The kernel shows conntrack's sysctls: it is loaded or built in.
#[must_use]
pub fn available(root: &Root) -> bool {
    root.has(format!("{FOLDER}/{COUNT}"))
}

/// The numeric settings of the calling thread's namespace, by their short names
/// (`nf_conntrack_udp_timeout`); timeouts in seconds. Without `nf_conntrack_count`. Empty when
/// conntrack is not loaded.
///
/// # Errors
/// When the folder cannot be listed. Files that the caller may not read are left out.
pub fn settings(root: &Root) -> io::Result<BTreeMap<String, u64>> {
    let entries = match fs::read_dir(root.path(FOLDER)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        other => other?,
    };
    let mut settings = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        if !name.starts_with(PREFIX) || name == COUNT {
            continue;
        }
        let text = fs::read_to_string(entry.path());
        if let Some(value) = text.ok().and_then(|text| text.trim().parse().ok()) {
            settings.insert(name, value);
        }
    }
    Ok(settings)
}

/// Size and filling of one namespace's table, as often as one likes: its files stay open.
///
/// Once the namespace is gone, reading fails with [`io::ErrorKind::NotFound`].
#[derive(Debug)]
pub struct TableFiles {
    count: File,
    max: File,
    buckets: File,
}

impl TableFiles {
    /// Those of the calling thread's namespace; from then on, any thread may read them.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when conntrack is not loaded.
    pub fn open(root: &Root) -> io::Result<Self> {
        let open = |name: &str| File::open(root.path(format!("{FOLDER}/{name}")));
        Ok(Self {
            count: open(COUNT)?,
            max: open("nf_conntrack_max")?,
            buckets: open("nf_conntrack_buckets")?,
        })
    }

    /// What they say now.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] once the namespace is gone.
    pub fn read(&self) -> io::Result<Table> {
        Ok(Table {
            count: number(&self.count)?,
            max: number(&self.max)?,
            buckets: number(&self.buckets)?,
        })
    }
}

fn number(file: &File) -> io::Result<u64> {
    let mut bytes = [0; 32];
    let length = file.read_at(&mut bytes, 0)?;
    let text = bytes
        .get(..length)
        .and_then(|bytes| str::from_utf8(bytes).ok());
    text.and_then(|text| text.trim().parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "a sysctl is not a number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_numbers_and_without_the_count() {
        let settings = settings(&Root::of_test("6.12")).unwrap();
        assert_eq!(settings["nf_conntrack_tcp_timeout_established"], 432_000);
        assert_eq!(settings["nf_conntrack_udp_timeout_stream"], 120);
        assert!(!settings.contains_key(COUNT));
        assert!(settings.keys().all(|name| name.starts_with(PREFIX)));
    }

    #[test]
    fn the_table_is_read_again_from_open_files() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        assert!(!available(&root));
        assert_eq!(settings(&root).unwrap(), BTreeMap::new());
        fs::create_dir_all(root.path(FOLDER)).unwrap();
        let write = |name: &str, text: &str| {
            fs::write(root.path(format!("{FOLDER}/{name}")), text).unwrap();
        };
        write(COUNT, "7\n");
        write("nf_conntrack_max", "262144\n");
        assert!(TableFiles::open(&root).is_err());
        write("nf_conntrack_buckets", "65536\n");
        let files = TableFiles::open(&root).unwrap();
        assert_eq!(
            files.read().unwrap(),
            Table {
                count: 7,
                max: 262_144,
                buckets: 65_536
            }
        );
        write(COUNT, "1234\n");
        assert_eq!(files.read().unwrap().count, 1234);
        write(COUNT, "many\n");
        assert_eq!(files.read().unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert!(available(&root));
    }
}
