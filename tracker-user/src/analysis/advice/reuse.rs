//! Returns that are others: a client that asks often gives a port to another question sooner or later.
//!
//! That happens as often long after the expiry as soon after it, while a connection that pauses goes on soon; so
//! what comes back late tells how much of what comes back soon is chance. What comes back later still is seen less
//! often: the watch ends, and newer graves take the places of older ones.

use tracker_common::{Timer, grave};

use super::{bound, scene::Watch};
use crate::recording::NamespaceRecord;

/// How sure it must be that returns are more than chance.
const CONFIDENCE: f64 = 0.99;
/// Ports are not given again quite as evenly as is reckoned here: so many times more is still chance.
const UNEVEN: f64 = 1.1;
/// Chances that are tried lie so many times apart.
const STEP: f64 = 1.1;

/// The graves of one watch, as far as they can be asked. Times are in seconds after the expiry.
#[derive(Clone, Copy, Debug)]
pub struct Graves {
    /// Entries that expired.
    expired: f64,
    /// Who returns from here on counts as cut.
    from: f64,
    /// Who returns up to here counts as cut.
    limit: f64,
    /// The longest time after which one can return, if it expired as the watch began.
    end: f64,
    /// How often a newer grave takes the place of one, per second.
    overwritten: f64,
}

impl Graves {
    /// Of a timer in a watch, where returns count as cut between two lengths of the gap; `None` if the watch is too
    /// short to show later ones.
    pub fn of(watch: &Watch<'_>, timer: Timer, from: u64, to: u64) -> Option<Self> {
        let timeout = watch.value as f64;
        let expired = |namespace: &NamespaceRecord, timer: Timer| {
            namespace.counters.timer_expired[timer.id()] as f64
        };
        let digging = |namespace| {
            let timers = Timer::ALL.iter().filter(|&&it| grave::may_cut(it));
            timers.map(|&it| expired(namespace, it)).sum::<f64>()
        };
        let graves: f64 = watch.recording.namespaces.iter().map(digging).sum();
        let it = Self {
            expired: expired(watch.namespace, timer),
            from: (from as f64 - timeout).max(0.0),
            limit: to as f64 - timeout,
            end: watch.seconds - timeout,
            overwritten: graves / watch.seconds.max(1.0) / grave::GRAVES as f64,
        };
        (it.from < it.limit && it.limit < it.end).then_some(it)
    }

    /// How many return by a chance of so much a second: within the limit, and later.
    fn expected(&self, chance: f64) -> (f64, f64) {
        let share = |from, to| self.expired * self.share(chance, from, to);
        (share(self.from, self.limit), share(self.limit, self.end))
    }

    /// Share of the entries, expired at any time of the watch, that return by a chance of so much a second between
    /// two times after the expiry: the integral of chance × exp(-(chance + overwritten) x) × (end - x) / end.
    fn share(&self, chance: f64, from: f64, to: f64) -> f64 {
        let (end, rate) = (self.end, chance + self.overwritten);
        if rate * end < 1e-4 {
            // Nobody is used up: a part of a triangle.
            return chance * (to - from) * (1.0 - (from + to) / (2.0 * end));
        }
        let left = |at: f64| f64::exp(-rate * at);
        let seen = |at: f64| (end - at) / end * left(at) / rate;
        chance * (seen(from) - seen(to) - (left(from) - left(to)) / (end * rate * rate))
    }
}

/// How many of those that returned within the limit did not by chance, given how many returned later; `None` if all
/// of them may have.
pub fn more_than_chance(graves: &[Graves], soon: u64, late: u64) -> Option<u64> {
    if soon == 0 {
        return None;
    }
    let (by_chance, later) = by_chance(graves, soon as f64, late as f64)?;
    let share = by_chance / (by_chance + later);
    if bound::lower(soon, soon.saturating_add(late), CONFIDENCE) <= share * UNEVEN {
        return None;
    }
    let by_chance = late as f64 * by_chance / later;
    Some(soon.saturating_sub(by_chance.round() as u64))
}

/// How many return within the limit, and later, by the chance that makes so many return later. If two chances do,
/// since of what returns very often little is left for later, it is the higher one, unless that would have made
/// more return within the limit than did. `None` if none does: it is not the entries that return.
fn by_chance(graves: &[Graves], soon: f64, late: f64) -> Option<(f64, f64)> {
    let expected = |chance: f64| {
        graves.iter().fold((0.0, 0.0), |sum, it| {
            let (soon, late) = it.expected(chance);
            (sum.0 + soon, sum.1 + late)
        })
    };
    let end = graves.iter().map(|it| it.end).fold(1.0, f64::max);
    let mut chance = 1e-6 / end;
    let mut more = expected(chance).1 >= late;
    let mut found = more.then(|| expected(chance));
    while chance < 1.0 {
        let next = chance * STEP;
        if (expected(next).1 >= late) != more {
            let (mut low, mut high) = (chance, next);
            for _ in 0..40 {
                let middle = f64::midpoint(low, high);
                if (expected(middle).1 >= late) == more {
                    low = middle;
                } else {
                    high = middle;
                }
            }
            let now = expected(high);
            if found.is_none() || now.0 <= soon * UNEVEN {
                found = Some(now);
            }
            more = !more;
        }
        chance = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRAVES: Graves = Graves {
        expired: 8_000.0,
        from: 0.0,
        limit: 90.0,
        end: 870.0,
        overwritten: 0.0,
    };

    #[test]
    fn the_share_that_returns_is_its_integral() {
        // Without an end of the watch it would be exp(-from chance) - exp(-to chance).
        let chance = 1.0 / 3_000.0;
        let endless = Graves { end: 1e9, ..GRAVES };
        let exact = f64::exp(-90.0 * chance) - f64::exp(-900.0 * chance);
        assert!((endless.share(chance, 90.0, 900.0) / exact - 1.0).abs() < 1e-3);
        // Of a chance that uses up nobody, it is that of a triangle.
        let triangle = 1e-9 * 870.0 / 2.0;
        assert!((GRAVES.share(1e-9, 0.0, 870.0) / triangle - 1.0).abs() < 1e-3);
        for overwritten in [0.0, 1e-4, 1e-2] {
            let it = Graves {
                overwritten,
                ..GRAVES
            };
            for chance in [1e-9, 1e-5, 1e-3, 0.1] {
                let slice = |at: u32| f64::from(at).mul_add(0.01, 90.005);
                let of = |x: f64| {
                    (870.0 - x) / 870.0 * chance * f64::exp(-(chance + overwritten) * x) * 0.01
                };
                let summed: f64 = (0..78_000).map(|it| of(slice(it))).sum();
                let share = it.share(chance, 90.0, 870.0);
                assert!((share / summed - 1.0).abs() < 1e-3, "{share} {summed}");
            }
        }
    }

    #[test]
    fn ports_that_are_given_again_are_chance() {
        let told = |soon, late| more_than_chance(&[GRAVES], soon, late);
        // Of all ages at which one of them can come back, a fifth are within the limit.
        assert_eq!(told(167, 687), None);
        assert_eq!(told(0, 0), None);
        assert_eq!(told(1, 0), None);
        // A connection that goes on in the middle of them is told from them.
        let cut = told(270, 687).unwrap();
        assert!((88..=98).contains(&cut), "{cut}");
        assert_eq!(told(8, 0), Some(8));
        // Who always finds its port taken tells nothing.
        assert_eq!(told(2_000, 6_000), None);
    }

    #[test]
    fn where_later_returns_can_hardly_be_seen_none_of_them_tells_nothing() {
        let short = Graves {
            end: 95.0,
            ..GRAVES
        };
        assert_eq!(more_than_chance(&[short], 8, 0), None);
        let crowded = Graves {
            overwritten: 0.1,
            ..GRAVES
        };
        assert_eq!(more_than_chance(&[crowded], 8, 0), None);
    }

    #[test]
    fn watches_of_unequal_length_are_each_taken_for_its_own() {
        let day = Graves {
            end: 86_370.0,
            expired: 80.0,
            ..GRAVES
        };
        // Nearly all that expired did so in the short watch, where late returns are not seen for long.
        assert_eq!(more_than_chance(&[GRAVES, day], 167, 700), None);
    }
}
