//! The machine: its kernel, memory and clock; whether conntrack is there and in use; what the
//! caller may do.

mod capabilities;
mod conntrack;
mod identity;
mod memory;

use std::io;

use nix::time::{ClockId, clock_getres};

pub use self::{
    capabilities::{Capabilities, Capability},
    conntrack::{Presence, Tracking},
    identity::identity,
    memory::EntryMemory,
};
use super::Root;

/// What does not change while the machine runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// As `uname -r`.
    pub release: String,
    /// Host name.
    pub host: String,
    /// Memory, in bytes.
    pub memory_bytes: u64,
    /// Number of CPUs that the kernel has room for: the length of a per-CPU value in a map.
    pub possible_cpus: u32,
    /// What lockdown forbids.
    pub lockdown: Lockdown,
}

/// What the kernel keeps even from root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lockdown {
    /// Nothing.
    Off,
    /// Changing the running kernel. Programs may still be attached.
    Integrity,
    /// Also reading it: kprobes and reads of kernel memory are refused.
    Confidentiality,
}

/// Something that every machine shows is missing.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot learn about this machine from {path}: {source}. Check that /proc and /sys are mounted"
)]
pub struct MachineError {
    /// Path of the file.
    path: String,
    /// Why not.
    source: io::Error,
}

impl Machine {
    /// Looks at it.
    ///
    /// # Errors
    /// [`MachineError`] when /proc or /sys do not show it.
    pub fn read(root: &Root) -> Result<Self, MachineError> {
        Ok(Self {
            release: line(root, "proc/sys/kernel/osrelease")?,
            host: line(root, "proc/sys/kernel/hostname")?,
            memory_bytes: parsed(root, "proc/meminfo", memory::total)?,
            possible_cpus: parsed(root, "sys/devices/system/cpu/possible", cpus)?,
            lockdown: Lockdown::read(root),
        })
    }
}

impl Lockdown {
    /// Of the kernel; [`Lockdown::Off`] where it has none, or does not say.
    fn read(root: &Root) -> Self {
        let text = root
            .text("sys/kernel/security/lockdown")
            .unwrap_or_default();
        if text.contains("[integrity]") {
            Self::Integrity
        } else if text.contains("[confidentiality]") {
            Self::Confidentiality
        } else {
            Self::Off
        }
    }

    /// As the kernel writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "none",
            Self::Integrity => "integrity",
            Self::Confidentiality => "confidentiality",
        }
    }
}

/// Length of a jiffy on this machine, in ns: the resolution of the kernel's coarse clock.
///
/// # Errors
/// When the kernel refuses to tell.
pub fn tick_ns() -> io::Result<u64> {
    let tick = clock_getres(ClockId::CLOCK_MONOTONIC_COARSE)?;
    let part = |it: i64| u64::try_from(it).unwrap_or_default();
    Ok(part(tick.tv_sec()) * 1_000_000_000 + part(tick.tv_nsec()))
}

fn read(root: &Root, path: &str) -> Result<String, MachineError> {
    root.text(path).map_err(|source| failed(root, path, source))
}

fn line(root: &Root, path: &str) -> Result<String, MachineError> {
    Ok(read(root, path)?.trim().to_owned())
}

fn parsed<T>(
    root: &Root,
    path: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<T, MachineError> {
    let strange = || io::Error::new(io::ErrorKind::InvalidData, "unexpected contents");
    parse(&read(root, path)?).ok_or_else(|| failed(root, path, strange()))
}

fn failed(root: &Root, path: &str, source: io::Error) -> MachineError {
    MachineError {
        path: root.path(path).display().to_string(),
        source,
    }
}

/// Length of a list such as `0-3,8`: its last number and one.
fn cpus(text: &str) -> Option<u32> {
    text.trim()
        .rsplit([',', '-'])
        .next()?
        .parse::<u32>()
        .ok()?
        .checked_add(1)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_machine_is_as_its_files_say() {
        let machine = Machine::read(&Root::of_test("6.12")).unwrap();
        assert_eq!(machine.release, "6.12.117+deb13-cloud-amd64");
        assert_eq!(machine.host, "guest");
        assert_eq!(machine.memory_bytes, 991_184 * 1024);
        assert_eq!(
            (machine.possible_cpus, machine.lockdown),
            (1, Lockdown::Off)
        );
    }

    #[test]
    fn lists_of_cpus_end_with_the_highest() {
        assert_eq!(
            ["0\n", "0-3\n", "0-1,6-7", "0,2"].map(cpus),
            [1, 4, 8, 3].map(Some)
        );
        assert_eq!(["", "all", "4294967295"].map(cpus), [None; 3]);
    }

    #[test]
    fn lockdown_is_the_mode_in_brackets() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        fs::create_dir_all(root.path("sys/kernel/security")).unwrap();
        for mode in [
            Lockdown::Off,
            Lockdown::Integrity,
            Lockdown::Confidentiality,
        ] {
            let text = "none integrity confidentiality\n"
                .replace(mode.name(), &format!("[{}]", mode.name()));
            fs::write(root.path("sys/kernel/security/lockdown"), text).unwrap();
            assert_eq!(Lockdown::read(&root), mode);
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = Machine::read(&Root::at("/nonexistent"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("/nonexistent/proc/sys/kernel/osrelease"),
            "{error}"
        );
    }

    #[test]
    fn ticks_are_between_one_and_ten_ms() {
        let tick = tick_ns().unwrap();
        assert!((900_000..=10_100_000).contains(&tick), "{tick}");
    }
}
