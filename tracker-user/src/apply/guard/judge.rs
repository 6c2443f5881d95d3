//! When is it more than chance?
//!
//! Each sign has a share that the plan allows: what was normal during its watch (by the upper 95 % bound
//! of what was counted there) and the harm that it accepts. The change is judged harmful when, if no
//! more than that share were true, what is seen would be less likely than an error probability. A guard
//! looks often and at several signs; so that all looks together go wrong in at most 5 % of guards,
//! the i-th look of a sign gets 5 % / (signs × i × (i + 1)), which add up to 5 %.

use statrs::function::beta::beta_reg;

use super::{
    Harm,
    gauge::{Count, Gauge, Sign},
};
use crate::analysis::advice::{bound::upper_95, file::PlanFile};

/// Probability of going back though nothing is wrong.
const ERROR: f64 = 0.05;

/// Shares that are allowed, and looks so far.
#[derive(Debug)]
pub struct Judge {
    limits: Vec<(Sign, f64)>,
    looks: u32,
}

impl Judge {
    /// For a plan.
    pub fn new(plan: &PlanFile, signs: &[Sign]) -> Self {
        let normal = &plan.guard;
        let share = |per_second: f64| {
            let counted = |rate: f64| (rate * plan.observed.duration_s).round() as u64;
            let (hits, inserts) = (counted(per_second), counted(normal.inserts_per_s));
            upper_95(hits, inserts + hits)
        };
        let limit = |sign: &Sign| {
            let usual = match sign {
                // Before the change, none of these pauses cut anything.
                Sign::Returns(_) => 0.0,
                Sign::Pickups => share(normal.pickups_per_s),
                Sign::EarlyDrop => share(normal.early_drop_per_s),
                Sign::Drop => share(normal.drop_per_s),
                Sign::InsertFailed => share(normal.insert_failed_per_s),
            };
            (*sign, usual + normal.max_harm)
        };
        Self::of(signs.iter().map(limit).collect())
    }

    fn of(limits: Vec<(Sign, f64)>) -> Self {
        Self { limits, looks: 0 }
    }

    /// Looks once more: the first sign that passes its bound.
    pub fn look(&mut self, gauge: &Gauge) -> Option<Harm> {
        self.judge(|sign| gauge.count(sign))
    }

    fn judge(&mut self, count: impl Fn(Sign) -> Count) -> Option<Harm> {
        self.looks += 1;
        let look = f64::from(self.looks);
        let error = ERROR / (self.limits.len() as f64 * look * (look + 1.0));
        self.limits.iter().find_map(|&(sign, limit)| {
            let Count { hits, trials } = count(sign);
            (at_least(hits, trials, limit) < error).then_some(Harm {
                sign,
                hits,
                trials,
                limit,
            })
        })
    }
}

/// Probability of at least so many hits in so many trials (binomial).
fn at_least(hits: u64, trials: u64, probability: f64) -> f64 {
    if hits == 0 || probability >= 1.0 {
        return 1.0;
    }
    beta_reg(hits as f64, (trials - hits) as f64 + 1.0, probability)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_xoshiro::{
        Xoshiro256PlusPlus,
        rand_core::{Rng, SeedableRng},
    };

    const LIMIT: f64 = 1e-3;
    const LOOKS: u32 = 300;

    /// Guards of this many looks, each at 100 new connections, that end with a rollback, in percent.
    fn alarms(share: f64, guards: u32) -> u32 {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(7);
        let mut hit = || (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64 <= share;
        let mut alarms = 0;
        for _ in 0..guards {
            let mut judge = Judge::of(vec![(Sign::Pickups, LIMIT)]);
            let mut count = Count::default();
            let is_alarm = (0..LOOKS).any(|_| {
                count.trials += 100;
                count.hits += (0..100).map(|_| u64::from(hit())).sum::<u64>();
                judge.judge(|_| count).is_some()
            });
            alarms += u32::from(is_alarm);
        }
        alarms * 100 / guards
    }

    #[test]
    fn what_the_plan_allows_is_kept_in_95_of_100_guards_and_more_is_not() {
        assert!(alarms(LIMIT, 400) <= 5);
        assert!(alarms(LIMIT * 5.0, 100) >= 99);
    }

    #[test]
    fn probabilities_are_those_of_the_binomial() {
        for (hits, trials, probability, expected) in [
            (1, 10, 0.1, 0.651_321_6),
            (3, 10, 0.1, 0.070_190_8),
            (10, 10, 0.5, 9.765_6e-4),
            (0, 0, 0.1, 1.0),
        ] {
            let found = at_least(hits, trials, probability);
            assert!(
                (found - expected).abs() < 1e-6,
                "{hits} of {trials}: {found}"
            );
        }
    }
}
