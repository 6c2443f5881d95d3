//! A distribution by bins, as it was measured somewhere.

use std::sync::Arc;

/// Values in bins, of which each begins where the one before it ends; evenly within each.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bins(Arc<[Bin]>);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Bin {
    to: f64,
    /// Weight of this bin and of all before it.
    below: f64,
}

impl Bins {
    /// From the ends of the bins, the first of which begins at 0, and their weights.
    pub fn new(rows: impl Iterator<Item = (f64, f64)>) -> Result<Self, &'static str> {
        let mut bins: Vec<Bin> = Vec::new();
        for (to, weight) in rows {
            let last = bins.last().copied().unwrap_or(Bin {
                to: 0.0,
                below: 0.0,
            });
            if to < last.to {
                return Err("a value that is less than the one before it");
            }
            if !(0.0..=1e15).contains(&weight) {
                return Err("a weight that is not from 0 to 1e15");
            }
            let below = last.below + weight;
            bins.push(Bin { to, below });
        }
        match bins.last() {
            Some(last) if last.below > 0.0 => Ok(Self(bins.into())),
            _ => Err("no weight above 0"),
        }
    }

    /// Where the last bin ends.
    pub fn highest(&self) -> f64 {
        self.0.last().map_or(0.0, |bin| bin.to)
    }

    /// The value below which so large a share of the weight lies.
    pub fn at(&self, share: f64) -> f64 {
        let weight = share * self.0.last().map_or(0.0, |bin| bin.below);
        let place = self.0.partition_point(|bin| bin.below <= weight);
        let Some(bin) = self.0.get(place) else {
            return self.highest();
        };
        let before = place.checked_sub(1).map(|place| self.0[place]);
        let (from, below) = before.map_or((0.0, 0.0), |bin| (bin.to, bin.below));
        from + (bin.to - from) * (weight - below) / (bin.below - below)
    }
}
