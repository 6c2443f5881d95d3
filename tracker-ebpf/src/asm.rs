//! Instructions that the language has no words for.

use core::arch::asm;

use aya_ebpf::helpers::bpf_probe_read_kernel;
use tracker_common::{CAST, CAST_TYPE, Field};

/// Loads the field with this [`Field::mark`]: one instruction, in which user space puts the field's
/// offset and size on this kernel.
///
/// # Safety
/// `base` must point to the field's structure, or to a copy that is long enough: the verifier refuses
/// what does not, or the load gives 0 where nothing can be read.
#[inline(always)]
pub unsafe fn field<const MARK: i16>(base: *const u8) -> u64 {
    const { assert!(Field::from_mark(MARK).is_some()) };
    let value: u64;
    // SAFETY: reads only, as the caller promises.
    unsafe {
        asm!(
            "{value} = *(u64 *)({base} + {mark})",
            value = out(reg) value,
            base = in(reg) base,
            mark = const MARK,
            options(pure, readonly, nostack, preserves_flags)
        );
    }
    value
}

/// An entry's address as one that may be read through. User space puts the call of a function of the
/// kernel here, which the verifier replaces by a move; a kernel without it has programs without this.
#[inline(always)]
pub fn cast(address: u64) -> *const u8 {
    let entry: u64;
    // SAFETY: registers only, those that a call leaves undefined among them.
    unsafe {
        asm!(
            "r2 = {kind}",
            "r0 = {call}",
            kind = const CAST_TYPE,
            call = const CAST,
            inlateout("r1") address => _,
            lateout("r0") entry,
            lateout("r2") _,
            lateout("r3") _,
            lateout("r4") _,
            lateout("r5") _,
            options(pure, nomem, nostack)
        );
    }
    entry as *const u8
}

/// The lower half of an address, as a number: what the verifier takes for a pointer may not be
/// calculated with.
#[inline(always)]
pub fn lower_half(address: u64) -> u32 {
    let half: u64;
    // SAFETY: registers only.
    unsafe {
        asm!(
            "w0 = w1",
            in("r1") address,
            lateout("r0") half,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    half as u32
}

/// An address as a plain number, for a function that takes no pointer; `None` if the stack cannot be read.
#[inline(always)]
pub fn number(address: u64) -> Option<u64> {
    // SAFETY: a variable of this function; what the helper writes is a number to the verifier.
    unsafe { bpf_probe_read_kernel(&raw const address).ok() }
}

/// A number is this address: told in a way that the compiler does not see, since it would then take the one for the
/// other, which to the verifier are not the same.
#[inline(always)]
pub fn is_same(number: u64, address: u64) -> bool {
    let same: u64;
    // SAFETY: registers only.
    unsafe {
        asm!(
            "{same} = 1",
            "if {number} == {address} goto 2f",
            "{same} = 0",
            "2:",
            same = out(reg) same,
            number = in(reg) number,
            address = in(reg) address,
            options(pure, nomem, nostack)
        );
    }
    same != 0
}

/// The same number, of which the compiler knows nothing any more: so it keeps what the verifier, which may
/// know less, needs to see checked. An instruction, since each line of the source must have one of its own.
#[inline(always)]
pub fn hidden(mut number: u64) -> u64 {
    // SAFETY: registers only.
    unsafe {
        asm!(
            "{number} = {number}",
            number = inout(reg) number,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    number
}

/// The same number, of which the verifier knows nothing any more: what follows is then verified once
/// and not for each value. `noise` is any number that it does not know.
#[inline(always)]
pub fn forgotten(mut number: u64, noise: u64) -> u64 {
    // SAFETY: registers only.
    unsafe {
        asm!(
            "{number} += {noise}",
            "{number} -= {noise}",
            number = inout(reg) number,
            noise = in(reg) noise,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    number
}

/// The same index if it is below `END`, else 0: so that the verifier knows it, in the register that is
/// used and not in a copy of it that the compiler may check instead.
#[inline(always)]
pub fn below<const END: i32>(mut index: u64) -> usize {
    // SAFETY: registers only.
    unsafe {
        asm!(
            "if {index} < {end} goto 2f",
            "{index} = 0",
            "2:",
            index = inout(reg) index,
            end = const END,
            options(pure, nomem, nostack)
        );
    }
    index as usize
}

/// Puts `new` where `old` is; tells whether it was.
///
/// # Safety
/// `place` must be valid for reads and writes.
#[inline(always)]
pub unsafe fn exchange(place: *mut u64, old: u64, new: u64) -> bool {
    let found: u64;
    // SAFETY: as the caller promises.
    unsafe {
        asm!(
            "r0 = cmpxchg_64(r1 + 0, r0, r2)",
            inout("r0") old => found,
            in("r1") place,
            in("r2") new,
            options(nostack, preserves_flags)
        );
    }
    found == old
}

/// Adds in one instruction, which no other program can come between.
///
/// # Safety
/// `counter` must be valid for reads and writes.
#[inline(always)]
pub unsafe fn add_u64(counter: *mut u64, by: u64) {
    // SAFETY: as the caller promises.
    unsafe {
        asm!(
            "lock *(u64 *)({counter} + 0) += {by}",
            counter = in(reg) counter,
            by = in(reg) by,
            options(nostack, preserves_flags)
        );
    }
}

/// [`add_u64`] of half the size; wraps.
///
/// # Safety
/// As [`add_u64`].
#[inline(always)]
pub unsafe fn add_u32(counter: *mut u32, by: u32) {
    // SAFETY: as the caller promises.
    unsafe {
        asm!(
            "lock *(u32 *)({counter} + 0) += {by}",
            counter = in(reg) counter,
            by = in(reg) u64::from(by),
            options(nostack, preserves_flags)
        );
    }
}
