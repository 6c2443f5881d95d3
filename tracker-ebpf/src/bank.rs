//! This CPU's counters of a namespace, and what is known on this CPU of the namespace.

use core::mem::offset_of;

use aya_ebpf::helpers::bpf_jiffies64;
use tracker_common::{
    Timer,
    layout::{Bank, Namespace, OUT_OF_SCOPE},
};

use crate::{
    config,
    maps::{self, BANKS},
    namespace,
};

/// The bank of the namespace in a slot; what it tells of the namespace may be out of date.
#[inline(always)]
pub fn of(slot: u32) -> Option<&'static mut Bank> {
    // SAFETY: this CPU's value, which lives as long as the map.
    BANKS
        .get_ptr_mut(slot * config::CPUS.load() + maps::cpu())
        .map(|bank| unsafe { &mut *bank })
}

/// The bank of the namespace in a slot, brought up to date if that was before this jiffy; `None` if
/// another namespace has taken its address.
#[inline(always)]
pub fn current(slot: u32) -> Option<&'static mut Bank> {
    at(slot, now())
}

/// [`current`], where it is [`now`].
#[inline(always)]
pub fn at(slot: u32, now: u64) -> Option<&'static mut Bank> {
    let bank = of(slot)?;
    if bank.checked == now || update(slot) == 0 {
        Some(bank)
    } else {
        None
    }
}

/// What the bank tells of its namespace is of this jiffy.
#[inline(always)]
pub fn is_current(bank: &Bank) -> bool {
    bank.checked == now()
}

/// Slot and bank of the namespace at a kernel address, as in [`current`]; `None` if it is not watched.
#[inline(always)]
pub fn find(net: u64) -> Option<(u32, &'static mut Bank)> {
    // Most watches are of one namespace.
    if let Some(first) = of(0)
        && first.net == net
        && is_current(first)
    {
        return Some((0, first));
    }
    let slot = namespace::slot(net);
    if slot == OUT_OF_SCOPE {
        return None;
    }
    Some((slot, of(slot)?))
}

/// Jiffies since the kernel began to count, which is not from 0.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: a helper without arguments.
    unsafe { bpf_jiffies64() }
}

/// Copies in words, where the compiler would call a function that copies bytes.
#[inline(always)]
fn copy(from: &[u32; Timer::SLOTS], to: &mut [u32; Timer::SLOTS]) {
    const { assert!(offset_of!(Namespace, now).is_multiple_of(8)) };
    const { assert!(offset_of!(Bank, lengths).is_multiple_of(8)) };
    let (from, to) = (from.as_ptr().cast::<u64>(), to.as_mut_ptr().cast::<u64>());
    macro_rules! each {
        ($($word:literal)*) => {$(
            // SAFETY: in the arrays, and aligned.
            unsafe { to.add($word).write_volatile(from.add($word).read_volatile()) };
        )*};
    }
    each!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15);
    const { assert!(Timer::SLOTS == 32) };
}

/// Brings what a bank tells of its namespace up to date; 1 if another namespace has taken the address.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn update(slot: u32) -> u32 {
    let now = now();
    let (Some(namespace), Some(bank)) = (namespace::peek(slot), of(slot)) else {
        return 1;
    };
    if !namespace::is_current(namespace, slot, now as u32) {
        return 1;
    }
    bank.net = namespace.net;
    bank.max_retrans = namespace.max_retrans;
    bank.epoch = namespace.epoch;
    copy(&namespace.now, &mut bank.lengths);
    bank.checked = now;
    0
}
