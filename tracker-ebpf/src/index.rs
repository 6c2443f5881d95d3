//! Indexes that the verifier can follow.

use crate::asm;

/// The same index, as a number of which neither the compiler nor the verifier knows anything. `noise`
/// is any number that the verifier does not know.
///
/// The compiler knows the range of an id and drops a mask or a check as needless; the verifier does
/// not know it, and needs them. And of what it knows to be one of several numbers it follows each on
/// its own.
#[inline(always)]
pub fn opaque(index: usize, noise: u32) -> usize {
    asm::forgotten(index as u64, u64::from(noise)) as usize
}

/// Masks an index into an array of `N`, a power of two.
#[inline(always)]
pub fn masked<const N: usize>(index: usize, noise: u32) -> usize {
    const { assert!(N.is_power_of_two()) };
    opaque(index, noise) & (N - 1)
}
