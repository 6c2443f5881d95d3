//! Which namespaces are watched, and how long their timers are.

use aya_ebpf::helpers::{
    bpf_probe_read_kernel, generated::bpf_probe_read_kernel as bpf_probe_read_kernel_to,
};
use tracker_common::{
    Loss, Timer,
    layout::{ABSENT, MAX_NAMESPACES, Namespace, OUT_OF_SCOPE},
};

use crate::{
    asm, bank, config,
    index::{masked, opaque},
    maps::{NAMESPACES, OWNERS, SCOPE, SLOTS},
    tally,
};

/// `BPF_NOEXIST`.
const NEW: u64 = 1;

/// A value at a kernel address; a failure is counted.
#[inline(always)]
pub fn read<T>(address: u64) -> Option<T> {
    // SAFETY: the helper takes any address, and fails where nothing can be read.
    let value = unsafe { bpf_probe_read_kernel(address as *const T) };
    if value.is_err() {
        tally::loss(Loss::ReadFailed);
    }
    value.ok()
}

/// The watched namespace in a slot.
#[inline(always)]
pub fn peek(slot: u32) -> Option<&'static mut Namespace> {
    // SAFETY: a map value lives as long as its map. Other CPUs may write it: its fields are read
    // and written one at a time, and any mix of old and new ones is a state that it was in.
    NAMESPACES
        .get_ptr_mut(slot)
        .map(|namespace| unsafe { &mut *namespace })
}

/// Reads the timers of a namespace anew if that was before this jiffy; false if another one has taken
/// its address.
#[inline(always)]
pub fn is_current(namespace: &mut Namespace, slot: u32, now: u32) -> bool {
    if namespace.checked == now {
        return true;
    }
    namespace.checked = now;
    let is_there = refresh(slot) == 0;
    if !is_there {
        // Nobody else in this jiffy may take the timers for read.
        namespace.checked = now.wrapping_sub(1);
    }
    is_there
}

/// Slot of the namespace at a kernel address, this CPU's bank of it up to date; [`OUT_OF_SCOPE`] if
/// it is not watched.
#[inline(never)]
pub fn slot(net: u64) -> u32 {
    // SAFETY: the value is copied out at once.
    let slot = match unsafe { SLOTS.get(net) } {
        Some(&slot) if slot == OUT_OF_SCOPE || is_of(slot, net) => return slot,
        _ => asm::number(net).map_or(OUT_OF_SCOPE, |net| register(net)),
    };
    if slot != OUT_OF_SCOPE {
        bank::update(slot);
    }
    slot
}

/// The namespace at this address has the slot; this CPU's bank of it is up to date then.
#[inline(always)]
fn is_of(slot: u32, net: u64) -> bool {
    bank::update(slot) == 0 && bank::of(slot).is_some_and(|bank| bank.net == net)
}

/// Length of a timer in jiffies when an entry last seen in `epoch` was refreshed; `None` if that
/// is not known any more, because the timer changed twice since.
#[inline(always)]
pub fn length(namespace: &Namespace, timer: Timer, epoch: u32) -> Option<u32> {
    let id = masked::<{ Timer::SLOTS }>(timer.id(), namespace.epoch);
    if namespace.changed[id] <= epoch {
        Some(namespace.now[id])
    } else if namespace.changed_before[id] <= epoch {
        Some(namespace.before[id])
    } else {
        None
    }
}

/// A namespace is met for the first time: gives it a slot if it is in scope.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn register(net: u64) -> u32 {
    let Some(inum) = read::<u32>(net + u64::from(config::NET_INUM.load())) else {
        return OUT_OF_SCOPE;
    };
    // SAFETY: the value is copied out at once.
    let slot = match unsafe { SCOPE.get(inum) } {
        // Numbers are given again: the slot stays with the one that had it first.
        Some(&slot) if peek(slot).is_some_and(|it| it.net == 0 || it.net == net) => Some(slot),
        _ if config::SCOPE_ALL.load() != 0 => claim(net, inum),
        _ => None,
    };
    let Some(slot) = slot else {
        // A refused insert only means that the question is asked again.
        let _ = SLOTS.insert(net, OUT_OF_SCOPE, 0);
        return OUT_OF_SCOPE;
    };
    if let Some(namespace) = peek(slot) {
        namespace.net = net;
        namespace.inum = inum;
    }
    refresh(slot);
    let _ = SLOTS.insert(net, slot, 0);
    slot
}

/// Claims a free slot. Two CPUs may meet the same namespace at once: a slot that is its own
/// already is as good, unless another namespace lay at its address before.
#[inline(always)]
fn claim(net: u64, inum: u32) -> Option<u32> {
    for slot in 0..MAX_NAMESPACES {
        if slot < config::NAMESPACES_GIVEN.load() {
            continue;
        }
        if slot >= config::NAMESPACE_SLOTS.load() {
            break;
        }
        // Asked again where another CPU was quicker: that may have been for this one.
        if owns(slot, net, inum) || OWNERS.insert(slot, net, NEW).is_ok() || owns(slot, net, inum) {
            return Some(slot);
        }
    }
    tally::loss(Loss::NamespacesFull);
    None
}

/// The slot is claimed for the namespace at this address, with this inode number.
#[inline(always)]
fn owns(slot: u32, net: u64, inum: u32) -> bool {
    // SAFETY: the value is copied out at once.
    unsafe { OWNERS.get(slot) }.is_some_and(|owner| *owner == net)
        && peek(slot).is_some_and(|it| it.inum == 0 || it.inum == inum)
}

/// Reads the timers of the namespace in a slot anew, and notes those that changed; 1 if it is gone
/// and another one lies at its address.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn refresh(slot: u32) -> u32 {
    let Some(namespace) = peek(slot) else {
        return 1;
    };
    let net = namespace.net;
    if read::<u32>(net + u64::from(config::NET_INUM.load())) != Some(namespace.inum) {
        return 1;
    }
    // SAFETY: the verifier checks the size, a constant to it, against the value of the map.
    let failed = unsafe {
        bpf_probe_read_kernel_to(
            namespace.settings.as_mut_ptr().cast(),
            config::NET_SETTINGS_SIZE.load(),
            (net + u64::from(config::NET_SETTINGS.load())) as *const _,
        )
    };
    if failed != 0 {
        tally::loss(Loss::ReadFailed);
        return 0;
    }
    let first = namespace.epoch == 0;
    namespace.max_retrans = u32::from(setting::<u8>(namespace, config::NET_TCP_MAX_RETRANS.load()));
    let epoch = namespace.epoch + 1;
    // The first reading is a change too: user space has read the settings before.
    let mut changed = usize::from(first);
    // Written out, since a loop here is one that 5.10 refuses ("back-edge").
    macro_rules! each {
        ($($id:literal)*) => {$(
            changed |= refresh_one(namespace, $id, epoch, first);
        )*};
    }
    each!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26);
    const {
        assert!(
            Timer::Unknown as usize == 27,
            "every timer but the unknown one is read"
        )
    };
    // Added and not branched upon: a branch here doubles what the verifier has to look at with
    // every timer above. At once, for another CPU that has seen no change may add that.
    let changed = opaque(changed, namespace.inum) as u32;
    // SAFETY: a field of a map's value, aligned.
    unsafe { asm::add_u32(&raw mut namespace.epoch, changed) };
    0
}

/// A setting as it was last read, by its offset among the settings.
#[inline(always)]
fn setting<T: Copy>(namespace: &Namespace, offset: u32) -> T {
    let base = namespace.settings.as_ptr().cast::<T>();
    // SAFETY: the offset is a constant to the verifier, which refuses a read outside of the map's
    // value; settings are aligned as in the kernel.
    unsafe { base.byte_add(offset as usize).read() }
}

/// Takes in one timer; 1 if it has changed.
#[inline(always)]
fn refresh_one(namespace: &mut Namespace, id: usize, epoch: u32, first: bool) -> usize {
    let offset = config::timer_offset(id);
    if offset == ABSENT {
        return 0;
    }
    let length: u32 = setting(namespace, offset);
    if length == namespace.now[id] {
        return 0;
    }
    if !first {
        namespace.before[id] = namespace.now[id];
        namespace.changed_before[id] = namespace.changed[id];
        namespace.changed[id] = epoch;
    }
    namespace.now[id] = length;
    usize::from(!first)
}
