//! An entry leaves the table.

use aya_ebpf::EbpfContext;
use tracker_common::{
    Cause, Proto, Reason, State, Timer, grave, jiffies,
    record::{Outcome, Record, Sink},
    uapi::status,
};

use crate::{
    bank,
    caller::{self, Caller},
    entries::{self, Place},
    entry::{self, Entry, in_table, is_dying},
    graves, packet, ports, rare,
    tally::{self, Alone, Known},
};

/// Entry of `nf_ct_remove_expectations`: called for each entry that leaves the table, which still
/// shows all that it was. Called for others too: the living have their expectations removed now
/// and then, and so has what nobody refers to any more, once it has left.
#[inline(always)]
pub fn leaves<C: EbpfContext, const IN_PLACE: bool>(ctx: &C, entry: Entry<IN_PLACE>) -> Option<()> {
    let bits = entry.status();
    if is_dying(bits) && entry.references() != 0 {
        death(ctx, entry, bits);
    }
    Some(())
}

/// Entry of `nf_ct_delete`: called for each entry that is to leave the table, and before it is marked: if
/// two CPUs want it to at the same time, it counts twice.
#[inline(always)]
pub fn deleted<C: EbpfContext, const IN_PLACE: bool>(
    ctx: &C,
    entry: Entry<IN_PLACE>,
) -> Option<()> {
    let bits = entry.status();
    if in_table(bits) {
        death(ctx, entry, bits);
    }
    Some(())
}

/// Entry of `__nf_ct_delete_from_lists`, called for each entry that leaves the table, and of
/// `nf_conntrack_free`: called for each that has left it, and for each that never came into it.
#[inline(always)]
pub fn freed<C: EbpfContext, const IN_PLACE: bool>(ctx: &C, entry: Entry<IN_PLACE>) -> Option<()> {
    let bits = entry.status();
    if is_dying(bits) {
        death(ctx, entry, bits);
    }
    Some(())
}

#[inline(always)]
fn death<C: EbpfContext, const IN_PLACE: bool>(
    ctx: &C,
    entry: Entry<IN_PLACE>,
    bits: u64,
) -> Option<()> {
    let mut found = entries::find(entry.address());
    if let Some(place) = found.take_if(|it| !it.record.is_shown()) {
        // A packet on another CPU is about to take the entry up.
        place.free(entry.address());
    }
    let Some(place) = found else {
        stranger(ctx, entry);
        return None;
    };
    if ran_out(entry, bits, &place) {
        place.free(entry.address());
        return None;
    }
    let record = &*place.record;
    let timeout = record.refreshed.wrapping_add(record.armed);
    if timeout == entry.timeout() && unchanged(ctx, entry, place) {
        return None;
    }
    changed(ctx, entry);
    Some(())
}

/// Counts the death of an entry, if it has run out of time after its last packet was looked at, as
/// most do.
#[inline(always)]
fn ran_out<const IN_PLACE: bool>(entry: Entry<IN_PLACE>, bits: u64, place: &Place) -> bool {
    let record = &*place.record;
    let timeout = entry.timeout();
    let remaining = jiffies::remaining(timeout, entry::now());
    if record.flags & !Record::CHECKED != 0 || !jiffies::is_expired(remaining) {
        return false;
    }
    // UDP-Lite, whose states are those of UDP, has a flag.
    let proto = match record.state {
        // Whose flow may come back has a grave, for which more is read.
        state if state == State::TcpFinWait as u8 || state == State::TcpCloseWait as u8 => {
            return false;
        }
        state if state <= State::TcpSynSent2 as u8 => Proto::Tcp,
        state if state <= State::UdpStream as u8 => Proto::Udp,
        _ => return false,
    };
    let state = entry.state_id(proto, bits);
    if !record.is_current(timeout, state, entry.is_stuck(proto)) {
        return false;
    }
    let Some(bank) = bank::of(u32::from(record.slot)) else {
        return false;
    };
    let overdue = 0_u32.wrapping_sub(remaining as u32);
    let life = jiffies::between(record.born, timeout);
    let stay = jiffies::between(record.entered, timeout);
    let life_us = Known::new(bank).ran_out(record.state, record.timer, life, stay, overdue);
    ports::death(bank, record, proto, entry.port(proto), life_us);
    if matches!(proto, Proto::Udp) {
        graves::dig(place.flow(), record.timer, record.refreshed);
    }
    true
}

/// Buries an entry if its last packet has been looked at.
#[inline(never)]
fn unchanged<C: EbpfContext, const IN_PLACE: bool>(
    ctx: &C,
    entry: Entry<IN_PLACE>,
    place: Place,
) -> bool {
    // What is known of a protocol is left out: most entries are of these two.
    match entry.proto() {
        Proto::Udp => buried(ctx, entry, place, Proto::Udp),
        Proto::Tcp => buried(ctx, entry, place, Proto::Tcp),
        proto => buried(ctx, entry, place, proto),
    }
}

#[inline(always)]
fn buried<C: EbpfContext, const IN_PLACE: bool>(
    ctx: &C,
    entry: Entry<IN_PLACE>,
    place: Place,
    proto: Proto,
) -> bool {
    let mut end = End::of(entry, proto);
    let record = &*place.record;
    if !record.is_current(entry.timeout(), end.state as u8, entry.is_stuck(proto)) {
        return false;
    }
    end.timer = record.timer;
    bury(ctx, entry, place, proto, &end);
    true
}

/// The death of an entry whose last packet has not been looked at. A function of its own for its
/// stack.
#[inline(never)]
fn changed<C: EbpfContext, const IN_PLACE: bool>(ctx: &C, entry: Entry<IN_PLACE>) {
    let Some(mut place) = entries::find(entry.address()) else {
        return;
    };
    let proto = entry.proto();
    let timer = packet::catch_up(entry, proto, &mut place, packet::DEATH);
    let mut end = End::of(entry, proto);
    end.timer = timer;
    bury(ctx, entry, place, proto, &end);
}

/// Counts the death of an entry, and forgets it.
#[inline(always)]
fn bury<C: EbpfContext, const IN_PLACE: bool>(
    ctx: &C,
    entry: Entry<IN_PLACE>,
    place: Place,
    proto: Proto,
    end: &End,
) {
    let record = &*place.record;
    let last = entry::now().wrapping_sub(end.overdue);
    let lifetime = jiffies::between(record.born, last);
    let stay = jiffies::between(record.entered, last);
    let times = u64::from(lifetime) << 32 | u64::from(stay);
    end.count(ctx, record.slot, record.flags, times);
    if record.flags & Record::OLDER == 0
        && let Some(bank) = bank::of(u32::from(record.slot))
    {
        let micros = tally::micros(lifetime);
        ports::death(bank, record, proto, entry.port(proto), micros);
    }
    if end.expired {
        dig_grave(entry, proto as u32, record);
    }
    place.free(entry.address());
}

/// Digs the grave of an entry whose timer may have cut it.
#[inline(never)]
fn dig_grave<const IN_PLACE: bool>(entry: Entry<IN_PLACE>, proto: u32, record: &Record) {
    let proto = Proto::from_id(proto as usize).unwrap_or(Proto::Other);
    let timer = Timer::from_id(record.timer as usize);
    if matches!(proto, Proto::Tcp | Proto::Udp) && timer.is_some_and(grave::may_cut) {
        let key = entry.flow(proto, u32::from(record.slot));
        graves::dig(key, record.timer, record.refreshed);
    }
}

/// The death of an entry without a record: it is older than the watch, or there was no room.
#[inline(never)]
fn stranger<C: EbpfContext, const IN_PLACE: bool>(ctx: &C, entry: Entry<IN_PLACE>) {
    let now = entry::now();
    let bits = entry.status();
    let proto = entry.proto();
    let Some((slot, bank)) = bank::find(entry.net()) else {
        return;
    };
    if bits & status::NAT_CLASH != 0 {
        // It came into the table past the insert hook, so it does not leave it here either.
        Alone::new(bank).unattributed(Cause::Clash);
        return;
    }
    let own = entry.own_flags(proto);
    let mut end = End::of(entry, proto);
    let (seen, cause) = entry.look(proto, own, (slot, bank.epoch), now);
    if !end.unanswered_reset {
        end.timer = seen.timer as u8;
        if let Some(cause) = cause {
            Alone::new(bank).unattributed(cause);
        }
    }
    end.count(ctx, slot as u8, Record::OLDER | Record::UNSEEN, 0);
}

/// How an entry ended.
struct End {
    state: State,
    /// Id of the timer that armed it.
    timer: u8,
    expired: bool,
    /// Jiffies from its expiry to its removal; 0 if it died otherwise.
    overdue: u32,
    unanswered_reset: bool,
    /// Nothing evicts it, and no packet ends it.
    is_safe: bool,
}

impl End {
    #[inline(always)]
    fn of<const IN_PLACE: bool>(entry: Entry<IN_PLACE>, proto: Proto) -> Self {
        let bits = entry.status();
        let (timeout, now) = (entry.timeout(), entry::now());
        let remaining = jiffies::remaining(timeout, now);
        let shown = entry.shown(proto, bits);
        let state = shown.state();
        let expired = jiffies::is_expired(remaining);
        Self {
            state,
            timer: Timer::Unknown as u8,
            expired,
            overdue: if expired { remaining.unsigned_abs() } else { 0 },
            unanswered_reset: shown.is_reset_unanswered(timeout, now),
            is_safe: bits & status::ASSURED != 0
                && matches!(state, State::TcpEstablished | State::UdpStream),
        }
    }

    /// Counts it. `times` are the jiffies of its life (upper half) and of its last state.
    #[inline(always)]
    fn count<C: EbpfContext>(&self, ctx: &C, slot: u8, flags: u8, times: u64) {
        let reason = if self.expired {
            Reason::Expired
        } else {
            self.premature(ctx)
        };
        let what = [
            slot,
            flags,
            self.state as u8,
            self.timer,
            reason as u8,
            0,
            0,
            0,
        ];
        count(u64::from_le_bytes(what), self.overdue, times);
    }

    /// Why an entry died before its time: told by who called.
    #[inline(always)]
    fn premature<C: EbpfContext>(&self, ctx: &C) -> Reason {
        if self.is_safe {
            return Reason::Deleted;
        }
        match caller::caller(ctx) {
            Caller::TcpPacket if self.unanswered_reset => Reason::ResetBeforeReply,
            Caller::TcpPacket if matches!(self.state, State::TcpTimeWait | State::TcpClose) => {
                Reason::Reopened
            }
            Caller::Eviction => Reason::EarlyDrop,
            _ => Reason::Deleted,
        }
    }
}

/// Counts a death: slot of the namespace, flags of the record, ids of the state, of the timer and of
/// the reason, a byte each. Verified on its own, so once.
#[inline(never)]
#[unsafe(no_mangle)]
extern "C" fn count(what: u64, overdue: u32, times: u64) -> u32 {
    let [slot, flags, state, timer, reason, ..] = what.to_le_bytes();
    let Some(bank) = bank::of(u32::from(slot)) else {
        return 0;
    };
    let mut tally = Alone::new(bank);
    let state = State::from_id(state as usize).unwrap_or(State::Generic);
    let timer = Timer::from_id(timer as usize).unwrap_or(Timer::Unknown);
    let reason = Reason::from_id(reason as usize).unwrap_or(Reason::Deleted);
    tally.death(state, reason);
    let outcome = if matches!(reason, Reason::Expired) {
        tally.expiry(timer, overdue);
        Outcome::Expired
    } else {
        Outcome::Killed
    };
    if flags & Record::UNSEEN == 0 {
        tally.left(state, outcome, times as u32);
    }
    if flags & Record::OLDER == 0 {
        tally.lifetime((times >> 32) as u32);
    }
    0
}

/// Counts how long a living entry has been in its state.
#[inline(always)]
pub fn living(address: u64) -> Option<()> {
    let place = entries::find(address)?;
    let record = &*place.record;
    let mut tally = Alone::new(bank::of(u32::from(record.slot))?);
    let state = State::from_id(record.state as usize)?;
    if record.flags & Record::UNSEEN == 0 {
        let micros = tally::micros(jiffies::between(record.entered, entry::now()));
        tally.living(state, micros);
    }
    let timer = Timer::from_id(record.timer as usize)?;
    if !matches!(timer, Timer::Unknown) {
        let idle = jiffies::between(record.refreshed, entry::now());
        rare::idle(u32::from(record.slot), timer, idle);
    }
    Some(())
}
