//! The kernel's own counts of conntrack: `/proc/net/stat/nf_conntrack`.
//!
//! An open file of procfs's `net` keeps its namespace alive, which a watch must not. So only its
//! place is held (`O_PATH`), and opened for the moment of each reading.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode,
};

use super::Root;
use crate::source::{Statistic, Statistics};

/// Of the calling thread: `/proc/net` would be the process's.
const FILE: &str = "proc/thread-self/net/stat/nf_conntrack";

/// The counts of one namespace, read as often as one likes.
#[derive(Debug)]
pub struct StatisticsFile {
    place: OwnedFd,
    last: Vec<(Statistic, u32)>,
    total: Statistics,
}

impl StatisticsFile {
    /// That of the calling thread's namespace; from then on, any thread may read it. Counts begin
    /// at 0.
    ///
    /// # Errors
    /// When the kernel does not show it, or in a form that is not known.
    pub fn open(root: &Root) -> io::Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_CLOEXEC;
        let place = open(&root.path(FILE), flags, Mode::empty())?;
        let last = read(&place)?;
        let total = last.iter().map(|&(it, _)| (it, 0)).collect();
        Ok(Self { place, last, total })
    }

    /// Begins again at 0.
    pub fn restart(&mut self) {
        self.advance();
        self.total.values_mut().for_each(|total| *total = 0);
    }

    /// What came to pass up to now; once the namespace is gone, up to its last reading.
    pub fn total(&mut self) -> &Statistics {
        self.advance();
        &self.total
    }

    fn advance(&mut self) {
        let Ok(now) = read(&self.place) else {
            return;
        };
        for (&(it, now), &(_, last)) in now.iter().zip(&self.last) {
            // The kernel's counts are of 32 bits, and wrap.
            *self.total.entry(it).or_default() += u64::from(now.wrapping_sub(last));
        }
        self.last = now;
    }
}

fn read(place: &OwnedFd) -> io::Result<Vec<(Statistic, u32)>> {
    // Not the path again: that leads into the namespace of whoever follows it.
    let file = File::open(format!("/proc/self/fd/{}", place.as_raw_fd()))?;
    counts(&io::read_to_string(file)?)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "these are no counts"))
}

/// Sums over the CPUs, which have a line each below the names; none if these are no counts.
#[must_use]
pub fn counts(text: &str) -> Option<Vec<(Statistic, u32)>> {
    let mut lines = text.lines();
    let names = lines.next()?.split_whitespace();
    let mut sums: Vec<(usize, Statistic, u32)> = names
        .enumerate()
        .filter_map(|(column, name)| Some((column, shown_as(name)?, 0)))
        .collect();
    for line in lines {
        let values: Vec<&str> = line.split_whitespace().collect();
        for (column, _, sum) in &mut sums {
            let value = u32::from_str_radix(values.get(*column)?, 16).ok()?;
            *sum = sum.wrapping_add(value);
        }
    }
    Some(sums.into_iter().map(|(_, it, sum)| (it, sum)).collect())
}

/// What stands below a name. Some names are older than what stands there.
fn shown_as(name: &str) -> Option<Statistic> {
    match name {
        "clashres" => Some(Statistic::ClashResolve),
        "chainlength" => Some(Statistic::ChainTooLong),
        "icmp_error" => Some(Statistic::Error),
        name => Statistic::from_name(name),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// As 6.12 and 5.10 print them, with two CPUs.
    const NEW: &str = "\
entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
00000007  00000001 00000000 00000000 00000002 00000000 00000000 00000003 00000000 00000004 00000005 00000006 00000007  00000000 00000000 00000000 00000008
00000007  00000000 00000000 00000000 00000010 00000000 00000000 00000000 00000000 00000000 ffffffff 00000000 00000000  00000000 00000000 00000000 00000000
";
    const OLD: &str = "\
entries  clashres found new invalid ignore delete delete_list insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart
00000000  00000000 00000000 00000000 00000000 00000000 00000000 00000009 00000000 00000000 00000000 00000001 00000000  00000000 00000000 00000000 00000000
";

    fn count(text: &str, it: Statistic) -> Option<u32> {
        let all = counts(text).unwrap();
        all.into_iter()
            .find_map(|(name, sum)| (name == it).then_some(sum))
    }

    #[test]
    fn columns_are_found_by_their_names_and_added_up() {
        assert_eq!(counts(NEW).unwrap().len(), Statistic::ALL.len());
        assert_eq!(count(NEW, Statistic::ClashResolve), Some(1));
        assert_eq!(count(NEW, Statistic::Invalid), Some(0x12));
        assert_eq!(count(NEW, Statistic::ChainTooLong), Some(3));
        assert_eq!(count(NEW, Statistic::EarlyDrop), Some(6));
        assert_eq!(count(NEW, Statistic::Drop), Some(4));
        assert_eq!(count(OLD, Statistic::EarlyDrop), Some(1));
        assert_eq!(count(OLD, Statistic::ChainTooLong), None);
    }

    #[test]
    fn what_is_cut_off_is_refused() {
        assert_eq!(counts(""), None);
        assert_eq!(counts("early_drop drop\n0000"), None);
        assert_eq!(counts("early_drop\nmany"), None);
    }

    #[test]
    fn totals_begin_at_0_and_survive_a_wrap_and_the_end_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        assert!(StatisticsFile::open(&root).is_err());
        let path = root.path(FILE);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let write = |drop: &str| fs::write(&path, format!("drop\n{drop}\n")).unwrap();
        write("fffffffe");
        let mut file = StatisticsFile::open(&root).unwrap();
        assert_eq!(file.total()[&Statistic::Drop], 0);
        write("00000003");
        assert_eq!(file.total()[&Statistic::Drop], 5);
        file.restart();
        write("00000004");
        assert_eq!(file.total()[&Statistic::Drop], 1);
        write("no number");
        assert_eq!(file.total()[&Statistic::Drop], 1);
    }
}
