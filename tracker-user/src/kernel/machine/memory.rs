//! What an entry takes of the machine's memory.

use std::collections::BTreeMap;

use super::conntrack::is_masquerading;
use crate::kernel::Root;

/// Slab objects begin at a cache line.
const LINE: u64 = 64;
/// The block of extensions of an entry, however few it has.
const EXTENSIONS: u64 = 128;

/// Bytes that one entry takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryMemory {
    /// The entry itself.
    pub object: u64,
    /// Its extensions; 0 while nothing is known to ask for one.
    pub extensions: u64,
}

impl EntryMemory {
    /// From the kernel's list of slabs (which only root may read), else from the size of
    /// `struct nf_conn`; extensions according to the settings of the namespace, and to rules that
    /// masquerade (`nf_nat_masquerade_ipv4` gives each entry one): which namespaces have those the kernel does
    /// not tell, so all are taken to. What other rules add, such as a timeout policy, does not show.
    #[must_use]
    pub fn read(root: &Root, entry_size: u32, settings: &BTreeMap<String, u64>) -> Self {
        let listed = root
            .text("proc/slabinfo")
            .ok()
            .and_then(|text| object(&text));
        let value = |name: &str| settings.get(name).copied().unwrap_or_default();
        // 1 records the events of every entry, 2 only while somebody listens.
        let extended = value("nf_conntrack_acct") != 0
            || value("nf_conntrack_timestamp") != 0
            || value("nf_conntrack_events") == 1
            || is_masquerading(root);
        Self {
            object: listed.unwrap_or_else(|| u64::from(entry_size).next_multiple_of(LINE)),
            extensions: if extended { EXTENSIONS } else { 0 },
        }
    }

    /// Both.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.object + self.extensions
    }
}

/// Size of an object in conntrack's slab: `name active total size …`.
fn object(slabinfo: &str) -> Option<u64> {
    let mut columns = slabinfo
        .lines()
        .map(str::split_ascii_whitespace)
        .find(|columns| columns.clone().next() == Some("nf_conntrack"))?;
    columns.nth(3)?.parse().ok()
}

/// Bytes of memory in `/proc/meminfo`.
pub(super) fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(name: &str, value: u64) -> BTreeMap<String, u64> {
        BTreeMap::from([(name.to_owned(), value)])
    }

    #[test]
    fn objects_are_as_large_as_the_slab_says() {
        let object = |kernel| EntryMemory::read(&Root::of_test(kernel), 0, &BTreeMap::new()).object;
        assert_eq!(["5.10", "6.1", "7.3"].map(object), [320, 256, 256]);
    }

    #[test]
    fn without_slabinfo_the_size_is_rounded_to_cache_lines() {
        let memory = EntryMemory::read(&Root::at("/nonexistent"), 248, &BTreeMap::new());
        assert_eq!(
            memory,
            EntryMemory {
                object: 256,
                extensions: 0
            }
        );
    }

    #[test]
    fn any_extension_costs_one_block() {
        let bytes = |name, value| {
            EntryMemory::read(&Root::at("/nonexistent"), 248, &settings(name, value)).bytes()
        };
        assert_eq!(bytes("nf_conntrack_acct", 0), 256);
        assert_eq!(bytes("nf_conntrack_acct", 1), 384);
        assert_eq!(bytes("nf_conntrack_timestamp", 1), 384);
        assert_eq!(bytes("nf_conntrack_events", 2), 256);
        assert_eq!(bytes("nf_conntrack_events", 1), 384);
    }

    #[test]
    fn so_does_masquerading() {
        let bytes = |uses: u32| {
            let modules = format!("nft_masq 16384 {uses} - Live 0x0\n");
            let (_folder, root) = Root::with(&[("proc/modules", &modules)]);
            EntryMemory::read(&root, 248, &BTreeMap::new()).bytes()
        };
        assert_eq!((bytes(0), bytes(1)), (256, 384));
    }

    #[test]
    fn memory_is_in_kib() {
        assert_eq!(
            total("MemFree: 1 kB\nMemTotal:        1002460 kB\n"),
            Some(1_026_519_040)
        );
        assert_eq!(total("MemTotal: much\n"), None);
    }
}
