//! A namespace's settings as one piece of memory, which is read in one go.

use tracker_common::{Timer, layout::ABSENT};

use super::Offsets;

/// Where the settings are, and each within them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From the start of `struct net`.
    pub start: u32,
    /// Bytes, a multiple of 4.
    pub size: u32,
    /// `nf_conntrack_tcp_max_retrans`, from `start`: u8.
    pub max_retrans: u32,
    /// Length of each [`Timer`] in jiffies, from `start`: u32 each; [`ABSENT`] where this kernel has
    /// none.
    pub timers: [u32; Timer::SLOTS],
}

impl Offsets {
    /// The least piece of memory that holds all settings.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let present = self.timers.iter().copied().filter(|&it| it != ABSENT);
        // Aligned as a timer, so that timers stay aligned in the copy.
        let retrans = self.tcp_max_retrans & !3;
        let start = present.clone().fold(retrans, u32::min);
        let last = present.fold(retrans, u32::max);
        Settings {
            start,
            size: last + 4 - start,
            max_retrans: self.tcp_max_retrans - start,
            timers: self
                .timers
                .map(|it| if it == ABSENT { ABSENT } else { it - start }),
        }
    }
}
