//! Indexes that the verifier can follow.

/// The same index, as a number of which the compiler knows nothing.
///
/// The compiler knows the range of an id and drops a mask or a check as needless; the verifier
/// does not know it, and needs them. The volatile read makes the compiler forget.
#[inline(always)]
pub fn opaque(index: usize) -> usize {
    // SAFETY: a local variable.
    unsafe { (&raw const index).read_volatile() }
}

/// Masks an index into an array of `N`, a power of two.
#[inline(always)]
pub fn masked<const N: usize>(index: usize) -> usize {
    const { assert!(N.is_power_of_two()) };
    opaque(index) & (N - 1)
}
