//! What BPF objects the kernel holds: in a guest, nobody's but tracker's.

use anyhow::{Context, Result};
use nix::libc;

use super::faces::poll;

/// Kinds of objects, as the numbers of the commands that walk them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walk {
    Programs = 11,
    Maps = 12,
    Links = 31,
}

/// How many objects of each kind there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Objects {
    /// Programs.
    pub programs: usize,
    /// Maps.
    pub maps: usize,
    /// Links.
    pub links: usize,
}

impl Objects {
    /// Nothing.
    pub const NONE: Self = Self {
        programs: 0,
        maps: 0,
        links: 0,
    };

    /// Counts them.
    pub fn count() -> Self {
        Self {
            programs: ids(Walk::Programs),
            maps: ids(Walk::Maps),
            links: ids(Walk::Links),
        }
    }

    /// Waits until there are none: the kernel frees them some time after the last descriptor is closed.
    pub fn are_gone() -> Result<()> {
        let mut now = Self::NONE;
        poll("the removal of all programs, maps and links", || {
            now = Self::count();
            (now == Self::NONE).then_some(())
        })
        .with_context(|| format!("left: {now:?}"))
    }
}

/// The kernel's answer about one step of a walk: the id to start after, and the one found.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    start: u32,
    next: u32,
    flags: u32,
    rest: [u32; 29],
}

fn ids(walk: Walk) -> usize {
    let mut attributes = Attributes::default();
    let mut count = 0;
    loop {
        // SAFETY: the attributes are zeroed but for the id, longer than what these commands read, and live.
        let done = unsafe {
            libc::syscall(
                libc::SYS_bpf,
                walk as libc::c_int,
                &raw mut attributes,
                size_of::<Attributes>(),
            )
        };
        if done != 0 {
            return count;
        }
        count += 1;
        attributes.start = attributes.next;
    }
}
