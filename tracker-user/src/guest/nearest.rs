//! Series of kernels.

use std::fmt;

/// A series, such as 6.12.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    major: u32,
    minor: u32,
}

impl Series {
    /// Of a release as `uname -r` says it, or of a series' name.
    #[must_use]
    pub fn of(release: &str) -> Option<Self> {
        let mut parts = release.split(|it: char| !it.is_ascii_digit());
        let mut number = || parts.next()?.parse().ok();
        Some(Self {
            major: number()?,
            minor: number()?,
        })
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// The first series whose collector of expired entries comes as often as their own timeouts ask for.
const ADAPTS: Series = Series {
    major: 5,
    minor: 18,
};

/// The newest that is no newer than the one wanted, or else the oldest: of those that collect expired
/// entries alike, if there are any. Some distributions' kernels of a series do otherwise than the series
/// does, so it counts what is known of this one (`adapts`).
#[must_use]
pub fn nearest(wanted: Series, adapts: Option<bool>, known: &[Series]) -> Option<Series> {
    let adapts = adapts.unwrap_or(wanted >= ADAPTS);
    let alike: Vec<Series> = known
        .iter()
        .copied()
        .filter(|it| (*it >= ADAPTS) == adapts)
        .collect();
    let among = if alike.is_empty() { known } else { &alike };
    let older = among.iter().filter(|it| **it <= wanted).max();
    older.or_else(|| among.iter().min()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_series_is_the_next_older_one() {
        let series = |text: &str| Series::of(text).unwrap();
        assert_eq!(series("6.12.57+deb13-cloud-amd64").to_string(), "6.12");
        assert_eq!(series("5.15.0-105-generic").to_string(), "5.15");
        assert_eq!(series("7.3-rc1"), series("7.3"));
        assert_eq!(Series::of("unknown"), None);
        let known = ["5.10", "6.1", "6.12", "7.3"].map(series);
        for (wanted, found) in [
            ("6.12", "6.12"),
            ("6.8.0-45-generic", "6.1"),
            ("5.4.0", "5.10"),
            ("5.17", "5.10"),
            ("5.19", "6.1"),
            ("8.0", "7.3"),
        ] {
            assert_eq!(nearest(series(wanted), None, &known), Some(series(found)));
        }
        assert_eq!(nearest(series("6.1"), None, &[]), None);
    }

    #[test]
    fn what_is_known_of_the_collector_goes_before_the_series() {
        let series = |text: &str| Series::of(text).unwrap();
        let known = ["5.10", "6.1", "6.12"].map(series);
        let found = |wanted, adapts| nearest(series(wanted), Some(adapts), &known);
        assert_eq!(found("5.14", true), Some(series("6.1")));
        assert_eq!(found("5.14", false), Some(series("5.10")));
        assert_eq!(
            nearest(series("5.14"), Some(true), &known[..1]),
            Some(series("5.10"))
        );
    }
}
