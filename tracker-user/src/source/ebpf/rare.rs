//! Histograms that the programs keep once for all CPUs.

use std::io;

use tracker_common::layout::{Histogram, HistogramId, Rare, RareCounts};

use super::mapped::Mapped;

/// What tells which of them have changed, of the namespace in a slot.
pub fn counts(map: &Mapped<'_, Rare>, slot: u32) -> io::Result<RareCounts> {
    let mut counts = RareCounts::ZERO;
    map.read_part(slot, 1, 0, |it| counts = *it)?;
    Ok(counts)
}

/// One of them, of the namespace in a slot.
pub fn histogram(map: &Mapped<'_, Rare>, slot: u32, id: HistogramId) -> io::Result<Box<Histogram>> {
    let offset =
        Rare::offset(id).ok_or_else(|| io::Error::other(format!("{id:?} is in a bank")))?;
    let mut histogram = Box::new(Histogram::ZERO);
    map.read_part(slot, 1, offset, |it: &Histogram| *histogram = *it)?;
    Ok(histogram)
}
