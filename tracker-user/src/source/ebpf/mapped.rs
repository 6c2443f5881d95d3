//! Arrays that the programs write, read without a system call that would keep them from running.

use std::{io, marker::PhantomData, mem::MaybeUninit, os::fd::AsFd};

use aya::{
    Ebpf,
    maps::{Map, MapData},
};
use memmap2::{MmapOptions, MmapRaw};
use tracker_common::layout::{
    Bank, Counters, Gaps, Group, Histogram, Losses, Namespace, Ports, Rare, RareCounts, Usual,
};

/// A value that the kernel writes while it is read.
///
/// # Safety
/// Integers only, no padding, a multiple of 8 bytes: any words are a value.
pub unsafe trait Words: Copy {}

macro_rules! words {
    ($($type:ty),*) => {
        $(
            const _: () = assert!(size_of::<$type>() % 8 == 0 && align_of::<$type>() <= 8);
            // SAFETY: `repr(C)` integers without padding; the size is asserted.
            unsafe impl Words for $type {}
        )*
    };
}

words!(
    Bank, Counters, Gaps, Group, Histogram, Losses, Namespace, Ports, Rare, RareCounts, Usual
);

/// An array in the kernel, of which a part is mapped for as long as it is read.
///
/// To keep all of it mapped would count it as memory of this process once more.
pub struct Mapped<'a, T> {
    map: &'a MapData,
    len: u32,
    values: PhantomData<T>,
}

impl<'a, T: Words> Mapped<'a, T> {
    /// The array of a name.
    pub fn open(ebpf: &'a Ebpf, name: &str) -> anyhow::Result<Self> {
        let Some(Map::Array(map)) = ebpf.map(name) else {
            anyhow::bail!("the object has no array {name}");
        };
        let len = map.info()?.max_entries();
        Ok(Self {
            map,
            len,
            values: PhantomData,
        })
    }

    /// Number of values.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Shows `count` values one after another, from `first` on.
    pub fn read(&self, first: u32, count: u32, mut show: impl FnMut(&T)) -> io::Result<()> {
        self.check(first, count)?;
        let window = self.window(first, 0, count as usize * size_of::<T>())?;
        let mut value = Box::new_uninit();
        for i in 0..count as usize {
            // SAFETY: in the window.
            show(unsafe { copy(window.as_ptr().add(i * size_of::<T>()).cast(), &mut value) });
        }
        Ok(())
    }

    /// Shows what lies `offset` bytes into each of `count` values, from `first` on.
    pub fn read_part<P: Words>(
        &self,
        first: u32,
        count: u32,
        offset: usize,
        mut show: impl FnMut(&P),
    ) -> io::Result<()> {
        self.check(first, count)?;
        if !offset.is_multiple_of(8) || offset + size_of::<P>() > size_of::<T>() {
            return Err(io::Error::other(format!("no part lies at {offset}")));
        }
        let mut value = Box::new_uninit();
        for nth in first..first + count {
            let window = self.window(nth, offset, size_of::<P>())?;
            // SAFETY: in the window.
            show(unsafe { copy(window.as_ptr().cast(), &mut value) });
        }
        Ok(())
    }

    fn check(&self, first: u32, count: u32) -> io::Result<()> {
        match first.checked_add(count) {
            Some(end) if end <= self.len => Ok(()),
            _ => Err(io::Error::other(format!(
                "values {first} and {count} more are not in an array of {}",
                self.len
            ))),
        }
    }

    fn window(&self, nth: u32, offset: usize, bytes: usize) -> io::Result<MmapRaw> {
        MmapOptions::new()
            .offset(u64::from(nth) * size_of::<T>() as u64 + offset as u64)
            .len(bytes)
            .map_raw_read_only(&self.map.fd().as_fd())
    }
}

/// Copies a value that the kernel may write at the same time.
///
/// # Safety
/// `from` must be valid for reads of a value, and aligned to 8 bytes.
unsafe fn copy<T: Words>(from: *const u64, value: &mut MaybeUninit<T>) -> &T {
    let to = value.as_mut_ptr().cast::<u64>();
    for word in 0..size_of::<T>() / 8 {
        // SAFETY: as promised by the caller. The kernel writes a word at a time, so the read is volatile.
        let read = unsafe { from.add(word).read_volatile() };
        // SAFETY: in the value, and aligned (`Words`).
        unsafe { to.add(word).write(read) };
    }
    // SAFETY: every word was written, and any words are a value (`Words`).
    unsafe { value.assume_init_ref() }
}
