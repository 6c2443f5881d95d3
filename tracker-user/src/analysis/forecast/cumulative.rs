//! A count that only grows.

/// How many there had been at some moments, straight lines between them, and the mean rate before
/// the first and after the last: what a watch cannot tell of the time around it.
#[derive(Clone, Debug, Default)]
pub struct Cumulative {
    /// Times in seconds, ascending, with the counts.
    points: Vec<(f64, f64)>,
}

impl Cumulative {
    /// From the times at which intervals end, and what each added; 0 at `start`.
    pub fn of(start: f64, added: impl IntoIterator<Item = (f64, u64)>) -> Self {
        let mut sum = 0.0;
        let mut points = vec![(start, 0.0)];
        for (at, count) in added {
            sum += count as f64;
            points.push((at, sum));
        }
        Self { points }
    }

    /// From what was there at some moments, ascending.
    pub fn from(points: Vec<(f64, f64)>) -> Self {
        Self { points }
    }

    /// Those that happened before what is counted here, by these times, all equally likely.
    pub fn earlier(&self, by: &[f64]) -> Self {
        let share = 1.0 / by.len().max(1) as f64;
        let points = self.points.iter().map(|&(at, count)| {
            let shifted = by.iter().map(|by| self.at(at + by) * share).sum();
            (at, if by.is_empty() { count } else { shifted })
        });
        Self {
            points: points.collect(),
        }
    }

    /// How many there had been at a time.
    pub fn at(&self, time: f64) -> f64 {
        let (Some(&first), Some(&last)) = (self.points.first(), self.points.last()) else {
            return 0.0;
        };
        let rate = (last.1 - first.1) / (last.0 - first.0).max(1e-9);
        if time <= first.0 {
            return first.1 - (first.0 - time) * rate;
        }
        if time >= last.0 {
            return last.1 + (time - last.0) * rate;
        }
        let after = self.points.partition_point(|it| it.0 <= time);
        let (a, b) = (self.points[after - 1], self.points[after]);
        a.1 + (b.1 - a.1) * (time - a.0) / (b.0 - a.0).max(1e-9)
    }

    /// How many there were between two times; below 0 if the second is the earlier one.
    pub fn between(&self, from: f64, to: f64) -> f64 {
        self.at(to) - self.at(from)
    }
}
