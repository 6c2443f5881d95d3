//! An entry leaves the table.

use aya_ebpf::{
    EbpfContext,
    helpers::{bpf_ktime_get_ns, generated::bpf_get_stack},
};
use tracker_common::{
    Cause, Loss, Reason, State, Timer, jiffies,
    record::{Outcome, Record, Sink},
    uapi::status,
};

use crate::{
    config,
    entry::{self, Entry},
    maps::{ENTRIES, FRAMES, STACK},
    namespace, ports, tally,
    tally::Tally,
};

/// Entry of `nf_ct_remove_expectations`: called for each entry that leaves the table, which still
/// shows all that it was. Called for others too: the living have their expectations removed now
/// and then, and so has what nobody refers to any more, once it has left.
#[inline(always)]
pub fn leaves<C: EbpfContext>(ctx: &C, address: u64) -> Option<()> {
    let entry = Entry::read(address, None)?;
    if entry.is_dying() && entry.references != 0 {
        death(ctx, address, &entry)
    } else {
        None
    }
}

/// Entry of `nf_ct_delete`: called for each entry that is to leave the table, more than once if
/// several want it to at the same time; the first marks it.
#[inline(always)]
pub fn deleted<C: EbpfContext>(ctx: &C, address: u64) -> Option<()> {
    let entry = Entry::read(address, None)?;
    if entry.in_table() {
        death(ctx, address, &entry)
    } else {
        None
    }
}

/// Entry of `nf_conntrack_free`: called for each entry that has left the table, and for each that
/// never came into it.
#[inline(always)]
pub fn freed<C: EbpfContext>(ctx: &C, address: u64) -> Option<()> {
    let entry = Entry::read(address, None)?;
    if entry.is_dying() {
        death(ctx, address, &entry)
    } else {
        None
    }
}

#[inline(always)]
fn death<C: EbpfContext>(ctx: &C, address: u64, entry: &Entry) -> Option<()> {
    // SAFETY: as in `packet`.
    let record = ENTRIES
        .get_ptr_mut(address)
        .map(|record| unsafe { &mut *record });
    let now = entry::now();
    let (slot, kept) = match &record {
        Some(record) => {
            let slot = u32::from(record.slot);
            namespace::epoch(slot, now)?;
            (slot, (record.flags, record.epoch))
        }
        None => {
            let (slot, current) = namespace::find(entry.net, now)?;
            (slot, (entry.flags(), current))
        }
    };
    let mut tally = Tally::of(slot)?;
    if record.is_none() && entry.status & status::NAT_CLASH != 0 {
        // It came into the table past the insert hook, so it does not leave it here either.
        tally.unattributed(Cause::Clash);
        return None;
    }

    let remaining = entry.remaining(now);
    let expired = jiffies::is_expired(remaining);
    let (mut seen, cause) = entry.look(None, slot, kept, now);
    let unanswered_reset =
        !expired && seen.state == State::TcpClose && entry.status & status::SEEN_REPLY == 0;
    if unanswered_reset {
        // The reset wrote the state and refreshed nothing.
        seen.timer = Timer::Unknown;
    } else if let Some(cause) = cause {
        tally.unattributed(cause);
    }

    let reason = if expired {
        Reason::Expired
    } else {
        premature(ctx, seen.state, unanswered_reset)
    };
    tally.death(seen.state, reason);
    let overdue = if expired { remaining.unsigned_abs() } else { 0 };
    if expired {
        let overdue_us = tally.micros(u64::from(overdue));
        tally.expiry(seen.timer, overdue_us);
    }
    if let Some(record) = record {
        if !entry.is_observed() {
            // Refreshed by packets that no hook saw, no telling how often.
            if !matches!(seen.timer, Timer::Unknown) && seen.refreshed as u32 != record.refreshed {
                tally.unattributed(Cause::Unobserved);
            }
            seen.timer = Timer::Unknown;
        }
        record.look(&seen, &mut tally);
        let outcome = if expired {
            Outcome::Expired
        } else {
            Outcome::Killed
        };
        record.leave(outcome, now - u64::from(overdue), &mut tally);
        if record.born_ns != 0 {
            let overdue_ns = u64::from(overdue) * u64::from(config::TICK_NS.load());
            // SAFETY: a helper without arguments.
            let end = unsafe { bpf_ktime_get_ns() } - overdue_ns;
            let lifetime_us = end.saturating_sub(record.born_ns) / 1000;
            tally.lifetime(lifetime_us);
            ports::death(entry, slot, lifetime_us);
        }
        // A record that is gone already was removed by the same death.
        let _ = ENTRIES.remove(address);
    }
    Some(())
}

/// Why an entry died before its time: told by who called.
#[inline(always)]
fn premature<C: EbpfContext>(ctx: &C, state: State, unanswered_reset: bool) -> Reason {
    let Some(stack) = STACK.get_ptr_mut(0) else {
        return Reason::Deleted;
    };
    // SAFETY: this CPU's value; the size is that of the array.
    let length = unsafe {
        bpf_get_stack(
            ctx.as_ptr(),
            stack.cast(),
            size_of::<[u64; FRAMES]>() as u32,
            0,
        )
    };
    if length <= 0 {
        tally::loss(Loss::StackFailed);
        return Reason::Deleted;
    }
    match caller(length as u32) {
        TCP_PACKET if unanswered_reset => Reason::ResetBeforeReply,
        TCP_PACKET if matches!(state, State::TcpTimeWait | State::TcpClose) => Reason::Reopened,
        EVICTION => Reason::EarlyDrop,
        _ => Reason::Deleted,
    }
}

/// [`caller`]: the TCP tracker.
const TCP_PACKET: u32 = 1;
/// [`caller`]: what makes room in a full table.
const EVICTION: u32 = 2;

/// Who has called, by the first so many bytes of the stack; 0 if that is nobody in particular.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn caller(length: u32) -> u32 {
    let Some(stack) = STACK.get(0) else { return 0 };
    for (i, &address) in stack.iter().enumerate() {
        if i >= length as usize / 8 {
            break;
        }
        if within(
            address,
            config::TCP_PACKET_START.load(),
            config::TCP_PACKET_END.load(),
        ) {
            return TCP_PACKET;
        }
        if within(
            address,
            config::EARLY_DROP_START.load(),
            config::EARLY_DROP_END.load(),
        ) || within(
            address,
            config::GC_WORKER_START.load(),
            config::GC_WORKER_END.load(),
        ) {
            return EVICTION;
        }
    }
    0
}

#[inline(always)]
const fn within(address: u64, start: u64, end: u64) -> bool {
    start <= address && address < end
}

/// Counts how long a living entry has been in its state.
#[inline(always)]
pub fn living(address: u64) -> Option<()> {
    // SAFETY: as in `packet`.
    let record: &Record = ENTRIES
        .get_ptr_mut(address)
        .map(|record| unsafe { &*record })?;
    let mut tally = Tally::of(u32::from(record.slot))?;
    let state = State::from_id(record.state as usize)?;
    if record.entered != Record::UNSEEN {
        let micros = tally.micros(entry::now().saturating_sub(record.entered));
        tally.living(state, micros);
    }
    Some(())
}
