//! How sure a share is that was counted.

use statrs::function::beta::beta_reg;

/// Confidence of every bound: one-sided 95 %.
const CONFIDENCE: f64 = 0.95;

/// Upper 95 % bound of a probability after `hits` of `trials`: exact, by Clopper and Pearson ("The
/// use of confidence or fiducial limits illustrated in the case of the binomial", 1934), the 0.95
/// quantile of Beta(hits + 1, trials - hits). With no hits that is 1 - 0.05^(1/trials), about
/// 3/trials; with no trials nothing is known, and it is 1.
#[must_use]
pub fn upper_95(hits: u64, trials: u64) -> f64 {
    upper_95_of(hits as f64, trials)
}

/// The same where hits are not whole, since some are only likely: between those of the whole numbers beside.
#[must_use]
pub fn upper_95_of(hits: f64, trials: u64) -> f64 {
    let missed = trials as f64 - hits;
    if missed <= 0.0 {
        return 1.0;
    }
    if hits <= 0.0 {
        return -(f64::ln(1.0 - CONFIDENCE) / trials as f64).exp_m1();
    }
    // The quantile lies above the share itself. Halving is slow and cannot go astray.
    let (mut low, mut high) = (hits / trials as f64, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if beta_reg(hits + 1.0, missed, middle) < CONFIDENCE {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Whether [`upper_95_of`] is not above a limit between 0 and 1.
#[must_use]
pub fn holds(hits: f64, trials: u64, limit: f64) -> bool {
    let missed = trials as f64 - hits;
    if hits <= 0.0 {
        return trials >= trials_needed(limit);
    }
    missed > 0.0 && beta_reg(hits + 1.0, missed, limit) >= CONFIDENCE
}

/// Lower bound of a probability after `hits` of `trials`, with this confidence: the counterpart of
/// [`upper_95`], the 1 - confidence quantile of Beta(hits, trials - hits + 1).
#[must_use]
pub fn lower(hits: u64, trials: u64, confidence: f64) -> f64 {
    let hits = hits.min(trials);
    if hits == 0 {
        return 0.0;
    }
    let (a, b) = (hits as f64, (trials - hits) as f64 + 1.0);
    let (mut low, mut high) = (0.0, hits as f64 / trials as f64);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if beta_reg(a, b, middle) < 1.0 - confidence {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Most hits in `trials` that still bound the probability by `limit`; `None` if even none do.
#[must_use]
pub fn most_hits(trials: u64, limit: f64) -> Option<u64> {
    if upper_95(0, trials) > limit {
        return None;
    }
    // The bound lies above the share itself, so the share is where it certainly is too high.
    let (mut fits, mut fails) = (0, (limit * trials as f64).ceil() as u64 + 1);
    while fails - fits > 1 {
        let middle = fits + (fails - fits) / 2;
        if upper_95(middle, trials) <= limit {
            fits = middle;
        } else {
            fails = middle;
        }
    }
    Some(fits)
}

/// Trials without a hit that bound the probability by `limit`: the rule of three, 3/limit, exactly.
#[must_use]
pub fn trials_needed(limit: f64) -> u64 {
    (f64::ln(1.0 - CONFIDENCE) / f64::ln_1p(-limit)).ceil() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_bounds() {
        for (hits, trials, bound) in [
            (0, 0, 1.0),
            (0, 10, 0.258_866),
            (0, 30_000, 9.985e-5),
            (1, 10, 0.394_163),
            (5, 100, 0.102_254),
            (10, 10, 1.0),
            (3, 1_000_000, 7.753_6e-6),
        ] {
            let got = upper_95(hits, trials);
            assert!(
                (got - bound).abs() < bound * 1e-3,
                "{hits} of {trials}: {got}"
            );
        }
    }

    #[test]
    fn one_of_few_bounds_from_below() {
        assert!((lower(1, 100, 0.95) - 5.128e-4).abs() < 1e-6);
        assert!((lower(10, 10, 0.95) - 0.741_13).abs() < 1e-4);
        assert!(lower(0, 10, 0.95) <= 0.0);
    }

    #[test]
    fn none_of_many_is_the_rule_of_three() {
        assert!((upper_95(0, 100_000) * 100_000.0 - 3.0).abs() < 0.01);
        assert_eq!(trials_needed(1e-4), 29_956);
        assert_eq!(most_hits(29_955, 1e-4), None);
        assert_eq!(most_hits(29_956, 1e-4), Some(0));
        assert_eq!(most_hits(1_000_000, 1e-4), Some(83));
    }

    proptest! {
        #[test]
        fn the_bound_is_above_the_share_and_falls_with_more_trials(
            trials in 1_u64..10_000_000, share in 0.0..1.0, more in 1_u64..1000,
        ) {
            let hits = (share * trials as f64) as u64;
            let bound = upper_95(hits, trials);
            prop_assert!(bound <= 1.0 && bound >= hits as f64 / trials as f64);
            prop_assert!(upper_95(hits, trials + more) <= bound + 1e-12);
            prop_assert!(upper_95(hits + 1, trials) + 1e-12 >= bound);
            let between = upper_95_of(hits as f64 + 0.5, trials);
            prop_assert!(between + 1e-12 >= bound && between <= upper_95(hits + 1, trials) + 1e-12);
            for limit in [bound * 0.999, bound * 1.001].into_iter().filter(|&it| it < 1.0) {
                prop_assert_eq!(holds(hits as f64, trials, limit), bound <= limit);
            }
        }

        #[test]
        fn most_hits_is_the_most(trials in 1_u64..5_000_000, limit in 1e-6..0.2) {
            match most_hits(trials, limit) {
                Some(hits) => {
                    prop_assert!(upper_95(hits, trials) <= limit);
                    prop_assert!(upper_95(hits + 1, trials) > limit);
                }
                None => prop_assert!(upper_95(0, trials) > limit),
            }
        }
    }
}
