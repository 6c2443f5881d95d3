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

/// The newest that is no newer than the one wanted, or else the oldest.
#[must_use]
pub fn nearest(wanted: Series, known: &[Series]) -> Option<Series> {
    let older = known.iter().filter(|it| **it <= wanted).max();
    older.or_else(|| known.iter().min()).copied()
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
            ("8.0", "7.3"),
        ] {
            assert_eq!(nearest(series(wanted), &known), Some(series(found)));
        }
        assert_eq!(nearest(series("6.1"), &[]), None);
    }
}
