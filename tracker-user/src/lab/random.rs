//! Chance by seed: the same on every machine.
//!
//! The generator's numbers are defined by its algorithm, and the functions that bend them into a
//! distribution are `libm`'s, not the platform's, so a seed gives the same packets everywhere.

use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// A source of chance.
#[derive(Clone, Debug)]
pub struct Chance(Xoshiro256PlusPlus);

impl Chance {
    /// The source that belongs to a seed and two numbers.
    #[must_use]
    pub fn new(seed: u64, a: u64, b: u64) -> Self {
        let seed = mix(mix(mix(seed) ^ a) ^ b);
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// Any number.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from 0 up to 1, which is never reached.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number below another one; 0 if that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(end)) >> 64) as u64
    }

    /// Exponentially distributed, with mean 1.
    pub fn exponential(&mut self) -> f64 {
        -libm::log(1.0 - self.unit())
    }

    /// Normally distributed, with mean 0 and deviation 1.
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(2.0 * self.exponential());
        radius * libm::cos(core::f64::consts::TAU * self.unit())
    }
}

/// Scrambles a number: each bit of it changes half of the result's (`SplitMix64`'s last steps).
#[must_use]
pub const fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_these_numbers_and_no_others() {
        let mut chance = Chance::new(1, 2, 3);
        let first = [chance.bits(), chance.bits()];
        assert_eq!(first, [FIRST, SECOND]);
        assert_ne!(Chance::new(1, 3, 2).bits(), FIRST);
    }

    #[test]
    fn distributions_have_their_means() {
        let mut chance = Chance::new(7, 0, 0);
        let mut mean = |draw: fn(&mut Chance) -> f64| {
            (0..100_000).map(|_| draw(&mut chance)).sum::<f64>() / 100_000.0
        };
        assert!((mean(Chance::unit) - 0.5).abs() < 0.01);
        assert!((mean(Chance::exponential) - 1.0).abs() < 0.02);
        assert!(mean(Chance::normal).abs() < 0.02);
        assert!((mean(|chance| chance.normal().powi(2)) - 1.0).abs() < 0.03);
        assert!((mean(|chance| chance.below(10) as f64) - 4.5).abs() < 0.05);
    }

    const FIRST: u64 = 5_298_041_080_994_355_231;
    const SECOND: u64 = 17_864_264_540_299_904_093;
}
