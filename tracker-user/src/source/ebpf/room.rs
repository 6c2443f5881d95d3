//! What the maps have room for, and the memory that this takes.

use std::fmt;

use tracker_common::{
    grave::GRAVES,
    layout::{Bank, Gaps, Group, Namespace, Rare},
    record::Record,
};

use crate::units;

/// Room for live entries, and for what is counted of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Live entries.
    pub entries: u32,
    /// Groups of places that most of them find one in; 0 if all are in a hash map.
    pub groups: u32,
    /// Namespaces.
    pub slots: u32,
    /// CPUs that the kernel makes room for.
    pub cpus: u32,
}

impl Room {
    /// Entries from which on they are kept in groups. Which of fewer ones find no place would be
    /// left to chance.
    const LEAST_GROUPED: u32 = 1024;
    /// Bytes that the kernel adds to an element of a hash map.
    const ELEMENT: usize = 48;
    /// Bytes of a hash map's bucket. There are as many as elements, and up to the next power of two.
    const BUCKET: usize = 16;

    /// Bytes for what is kept of expired entries, whatever there is room for.
    const GRAVES: u64 = (GRAVES * size_of::<u64>()) as u64;

    /// Room for so many entries, on a kernel that has an instruction to take a place in a group, or
    /// not.
    pub fn new(entries: u32, has_exchange: bool, slots: u32, cpus: u32) -> Self {
        let grouped = has_exchange && entries >= Self::LEAST_GROUPED;
        Self {
            entries,
            groups: if grouped {
                Group::for_entries(entries)
            } else {
                0
            },
            slots,
            cpus,
        }
    }

    /// Room for entries that find no place in a group: what is to be expected of a full table (see
    /// [`Group::for_entries`]), and six standard deviations.
    pub fn overflow(&self) -> u32 {
        match self.groups {
            0 => self.entries,
            _ => self.entries / 100 * 26 + 4 * self.entries.isqrt(),
        }
    }

    /// Banks of counters: one for each namespace and CPU.
    pub fn banks(&self) -> u32 {
        self.slots * self.cpus
    }

    /// Bytes for all live entries.
    fn living(&self) -> u64 {
        let element = size_of::<u64>() + size_of::<Record>();
        bytes(self.groups, size_of::<Group>()) + bytes(self.overflow(), element) + self.kernels()
    }

    /// Bytes of these that the kernel takes for its hash map.
    fn kernels(&self) -> u64 {
        let overflow = self.overflow();
        bytes(overflow, Self::ELEMENT)
            + u64::from(overflow).next_power_of_two() * Self::BUCKET as u64
    }

    /// Bytes for what is counted.
    fn counting(&self) -> u64 {
        let each = size_of::<Namespace>() + size_of::<Rare>() + size_of::<Gaps>();
        bytes(self.banks(), size_of::<Bank>()) + bytes(self.slots, each) + Self::GRAVES
    }

    /// Bytes in all.
    pub fn bytes(&self) -> u64 {
        self.living() + self.counting()
    }
}

fn bytes(count: u32, size: usize) -> u64 {
    u64::from(count) * size as u64
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            entries,
            slots,
            cpus,
            ..
        } = *self;
        write!(
            f,
            "{} of memory: {} for up to {} live entries, {} bytes each; {} to count on {} in {}",
            units::bytes(self.bytes()),
            units::bytes(self.living()),
            units::grouped(u64::from(entries)),
            self.living().div_ceil(u64::from(entries.max(1))),
            units::bytes(self.counting()),
            units::plural(u64::from(cpus), "CPU", "CPUs"),
            units::plural(u64::from(slots), "namespace", "namespaces"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_takes_is_said_by_entry() {
        let room = Room::new(1 << 18, true, 1, 4);
        assert_eq!(room.overflow(), 70_194);
        assert_eq!(
            room.to_string(),
            "25.7 MiB of memory: 21.0 MiB for up to 262,144 live entries, 85 bytes each; \
             4.7 MiB to count on 4 CPUs in 1 namespace"
        );
    }

    #[test]
    fn an_entry_takes_64_bytes_at_most_beyond_what_the_kernel_adds() {
        for exponent in 16..32 {
            let room = Room::new(1 << exponent, true, 1, 1);
            assert!(room.living() - room.kernels() <= 64 << exponent, "{room}");
        }
    }

    #[test]
    fn few_entries_and_old_kernels_have_a_hash_map_alone() {
        for room in [Room::new(1023, true, 1, 1), Room::new(5000, false, 1, 1)] {
            assert_eq!((room.groups, room.overflow()), (0, room.entries));
        }
    }
}
