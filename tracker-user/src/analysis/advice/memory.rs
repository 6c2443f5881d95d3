//! What the table takes of the machine's memory, and what it may take.

use super::scene::Scene;

/// Without a limit from the operator, this share of the machine's memory.
const SHARE_OF_MEMORY: u64 = 20;
/// A bucket holds the address of its chain's first entry.
const BUCKET: u64 = 8;

/// Memory that the table may take.
pub struct Budget {
    /// So much of it.
    pub bytes: u64,
    /// The operator set it, so it also binds what is there now.
    pub given: bool,
    /// Entries that fit, each with a bucket.
    pub entries: u64,
    /// What an entry takes.
    entry: u64,
}

impl Budget {
    /// What was asked for, or a share of the smallest machine that was watched.
    pub fn of(scene: &Scene<'_>) -> Self {
        let entry = scene
            .recordings
            .iter()
            .map(|it| it.description.entry_bytes)
            .max()
            .unwrap_or(0);
        let machine = scene
            .recordings
            .iter()
            .map(|it| it.description.memory_bytes)
            .min();
        let machine = machine
            .filter(|&it| it > 0)
            .map_or(u64::MAX, |it| it / SHARE_OF_MEMORY);
        let bytes = scene.request.memory.unwrap_or(machine);
        Self {
            bytes,
            given: scene.request.memory.is_some(),
            entries: bytes / (entry + BUCKET) / 1_024 * 1_024,
            entry,
        }
    }

    /// What a full table takes; `None` if it has no maximum.
    pub fn full(&self, max: u64, buckets: u64) -> Option<u64> {
        (max > 0).then(|| self.table(max, buckets))
    }

    /// What so many entries and buckets take.
    pub fn table(&self, entries: u64, buckets: u64) -> u64 {
        let buckets = buckets.saturating_mul(BUCKET);
        entries.saturating_mul(self.entry).saturating_add(buckets)
    }
}
