//! Arrays that the programs write, read without a system call that would keep them from running.

use std::{io, marker::PhantomData, mem::MaybeUninit, os::fd::AsFd};

use aya::{
    Ebpf,
    maps::{Map, MapData},
};
use memmap2::MmapOptions;
use tracker_common::layout::{Counters, Group, Histogram, Losses, Namespace, PortPlace};

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

words!(Counters, Group, Histogram, Losses, Namespace, PortPlace);

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
        let end = first.checked_add(count).filter(|&end| end <= self.len);
        if end.is_none() {
            return Err(io::Error::other(format!(
                "values {first} and {count} more are not in an array of {}",
                self.len
            )));
        }
        let window = MmapOptions::new()
            .offset(u64::from(first) * size_of::<T>() as u64)
            .len(count as usize * size_of::<T>())
            .map_raw_read_only(&self.map.fd().as_fd())?;
        let mut value = Box::new(MaybeUninit::<T>::uninit());
        for i in 0..count as usize {
            // SAFETY: in the window, which lives until the end of this function.
            let from = unsafe { window.as_ptr().add(i * size_of::<T>()) };
            let to = value.as_mut_ptr().cast::<u64>();
            for word in 0..size_of::<T>() / 8 {
                // SAFETY: as above; aligned (`Words`). The kernel may write at the same time, a
                // word at a time, so the read is volatile.
                let read = unsafe { from.cast::<u64>().add(word).read_volatile() };
                // SAFETY: in the value, and aligned (`Words`).
                unsafe { to.add(word).write(read) };
            }
            // SAFETY: every word was written, and any words are a value (`Words`).
            show(unsafe { value.assume_init_ref() });
        }
        Ok(())
    }
}
