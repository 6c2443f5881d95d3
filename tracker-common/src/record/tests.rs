extern crate std;

use super::*;
use crate::histogram;
use proptest::prelude::*;
use std::{collections::HashMap, vec, vec::Vec};

const TICK_US: u64 = 4_000;

#[derive(Debug, PartialEq)]
enum Event {
    Entered(State),
    Left(State, Outcome, u32),
    Gap(Timer, u64),
    MaxGap(Timer, Option<usize>, usize),
    Unattributed(Cause),
}

#[derive(Default)]
struct List(Vec<Event>);

impl Sink for List {
    fn entered(&mut self, state: State) {
        self.0.push(Event::Entered(state));
    }
    fn left(&mut self, state: State, outcome: Outcome, jiffies: u32) {
        self.0.push(Event::Left(state, outcome, jiffies));
    }
    fn gap(&mut self, timer: Timer, micros: u64, _: usize) {
        self.0.push(Event::Gap(timer, micros / TICK_US));
    }
    fn max_gap(&mut self, timer: Timer, from: Option<usize>, to: usize, _: u64) {
        self.0.push(Event::MaxGap(timer, from, to));
    }
    fn unattributed(&mut self, cause: Cause) {
        self.0.push(Event::Unattributed(cause));
    }
    fn placed(&self, jiffies: u32) -> (u64, usize) {
        let micros = u64::from(jiffies) * TICK_US;
        (micros, histogram::index(micros))
    }
}

const ORIGIN: Origin = Origin { slot: 3, flags: 0 };

/// Length of every timer here.
const ARMED: u32 = 7_500;

fn seen(state: State, timer: Timer, refreshed: u32, now: u32) -> Seen {
    Seen {
        state,
        timer,
        refreshed,
        armed: ARMED,
        now,
    }
}

fn inserted(seen: &Seen, sink: &mut impl Sink) -> Record {
    let mut record = Record::BLANK;
    record.insert(seen, ORIGIN, sink);
    record
}

fn adopted(seen: &Seen, sink: &mut impl Sink) -> Record {
    let mut record = Record::BLANK;
    record.adopt(seen, ORIGIN, sink);
    record
}

fn bucket(jiffies: u64) -> usize {
    histogram::index(jiffies * TICK_US)
}

#[test]
fn a_record_is_small() {
    assert_eq!(size_of::<Record>(), 48);
}

#[test]
fn a_life_is_told_one_packet_late_but_with_its_exact_times() {
    let mut list = List::default();
    let mut record = inserted(
        &seen(State::TcpSynSent, Timer::TcpSynSent, 100, 100),
        &mut list,
    );
    // The SYN/ACK arrives at 110: nothing is known yet of what it will do.
    record.look(
        &seen(State::TcpSynSent, Timer::TcpSynSent, 100, 110),
        &mut list,
    );
    // The ACK at 120 shows what the SYN/ACK has done.
    record.look(
        &seen(State::TcpSynRecv, Timer::TcpSynRecv, 110, 120),
        &mut list,
    );
    // The entry dies at 500, and shows what the ACK has done.
    record.look(
        &seen(State::TcpEstablished, Timer::TcpEstablished, 120, 500),
        &mut list,
    );
    record.leave(Outcome::Killed, 500, &mut list);
    assert_eq!(
        list.0,
        vec![
            Event::Entered(State::TcpSynSent),
            Event::MaxGap(Timer::TcpSynSent, None, 0),
            Event::Gap(Timer::TcpSynSent, 10),
            Event::MaxGap(Timer::TcpSynSent, Some(0), bucket(10)),
            Event::MaxGap(Timer::TcpSynRecv, None, 0),
            Event::Left(State::TcpSynSent, Outcome::MovedOn, 10),
            Event::Entered(State::TcpSynRecv),
            Event::Gap(Timer::TcpSynRecv, 10),
            Event::MaxGap(Timer::TcpSynRecv, Some(0), bucket(10)),
            Event::MaxGap(Timer::TcpEstablished, None, 0),
            Event::Left(State::TcpSynRecv, Outcome::MovedOn, 10),
            Event::Entered(State::TcpEstablished),
            Event::Left(State::TcpEstablished, Outcome::Killed, 380),
        ]
    );
}

#[test]
fn a_packet_that_refreshes_nothing_ends_no_gap() {
    let mut list = List::default();
    let unanswered = |now| seen(State::TcpSynSent, Timer::TcpSynSent, 100, now);
    let mut record = inserted(&unanswered(100), &mut list);
    list.0.clear();
    for retransmit in [350, 850, 1850] {
        record.look(&unanswered(retransmit), &mut list);
    }
    assert_eq!(list.0, vec![]);
}

#[test]
fn an_older_entry_counts_in_gaps_but_not_in_residency() {
    let mut list = List::default();
    let mut record = adopted(
        &seen(State::TcpEstablished, Timer::TcpEstablished, 50, 90),
        &mut list,
    );
    record.look(
        &seen(State::TcpFinWait, Timer::TcpFinWait, 90, 95),
        &mut list,
    );
    assert_eq!(
        list.0,
        vec![
            Event::MaxGap(Timer::TcpEstablished, None, 0),
            Event::Gap(Timer::TcpEstablished, 40),
            Event::MaxGap(Timer::TcpEstablished, Some(0), bucket(40)),
            Event::MaxGap(Timer::TcpFinWait, None, 0),
            Event::Entered(State::TcpFinWait),
        ]
    );
}

#[test]
fn a_refresh_that_goes_back_in_time_is_said_and_not_filed() {
    let mut list = List::default();
    let mut record = inserted(&seen(State::Icmp, Timer::Icmp, 100, 100), &mut list);
    list.0.clear();
    record.look(&seen(State::Icmp, Timer::Icmp, 60, 110), &mut list);
    assert_eq!(list.0, vec![Event::Unattributed(Cause::Inconsistent)]);
    // The next refresh is a beginning: what came before it is not known.
    list.0.clear();
    record.look(&seen(State::Icmp, Timer::Icmp, 110, 120), &mut list);
    record.look(&seen(State::Icmp, Timer::Icmp, 120, 130), &mut list);
    assert_eq!(list.0[0], Event::Gap(Timer::Icmp, 10));
}

#[test]
fn a_gap_that_its_timer_would_have_ended_is_said_and_not_filed() {
    let waiting = |refreshed, now| seen(State::TcpLastAck, Timer::TcpLastAck, refreshed, now);
    let longest = ARMED + 1;
    let mut list = List::default();
    let mut record = adopted(&waiting(100, 100), &mut List::default());
    list.0.clear();
    record.look(&waiting(100 + longest + 1, 100 + longest + 5), &mut list);
    assert_eq!(list.0, vec![Event::Unattributed(Cause::Inconsistent)]);
    // The next refresh is a beginning.
    list.0.clear();
    record.look(&waiting(8_000, 8_100), &mut list);
    assert_eq!(list.0, vec![]);
    record.look(&waiting(8_000 + longest, 16_000), &mut list);
    assert_eq!(list.0[0], Event::Gap(Timer::TcpLastAck, u64::from(longest)));
}

#[test]
fn the_timer_that_was_armed_bounds_the_gap_and_not_the_one_after_it() {
    let armed = |timer, armed, refreshed| Seen {
        armed,
        ..seen(State::TcpEstablished, timer, refreshed, refreshed)
    };
    let mut list = List::default();
    let mut record = adopted(
        &armed(Timer::TcpEstablished, 90_000, 1),
        &mut List::default(),
    );
    list.0.clear();
    record.look(&armed(Timer::TcpFinWait, 30_000, 60_001), &mut list);
    assert_eq!(list.0[0], Event::Gap(Timer::TcpEstablished, 60_000));
    list.0.clear();
    record.look(&armed(Timer::TcpEstablished, 90_000, 100_000), &mut list);
    assert_eq!(list.0, vec![Event::Unattributed(Cause::Inconsistent)]);
}

#[test]
fn a_second_packet_in_the_same_jiffy_arms_anew() {
    let at = |state, timer, armed, refreshed| Seen {
        armed,
        ..seen(state, timer, refreshed, refreshed)
    };
    let mut list = List::default();
    let mut record = adopted(
        &at(State::TcpSynRecv, Timer::TcpSynRecv, 15_000, 100),
        &mut List::default(),
    );
    let established = |refreshed| {
        at(
            State::TcpEstablished,
            Timer::TcpEstablished,
            90_000,
            refreshed,
        )
    };
    record.look(&established(100), &mut list);
    list.0.clear();
    record.look(&established(80_100), &mut list);
    assert_eq!(list.0[0], Event::Gap(Timer::TcpEstablished, 80_000));
}

#[test]
fn a_gap_is_told_across_the_wrap_of_jiffies() {
    let before = u32::MAX - 9;
    let mut list = List::default();
    let mut record = adopted(&seen(State::Icmp, Timer::Icmp, before, before), &mut list);
    record.look(&seen(State::Icmp, Timer::Icmp, 20, 40), &mut list);
    assert_eq!(list.0[1], Event::Gap(Timer::Icmp, 30));
}

#[test]
fn an_unknown_timer_files_no_gap_but_follows_the_state() {
    let mut list = List::default();
    let policy = |state, now| seen(state, Timer::Unknown, 0, now);
    let mut record = inserted(&policy(State::UdpUnreplied, 10), &mut list);
    record.look(&policy(State::UdpReplied, 30), &mut list);
    assert_eq!(
        list.0,
        vec![
            Event::Entered(State::UdpUnreplied),
            Event::Left(State::UdpUnreplied, Outcome::MovedOn, 20),
            Event::Entered(State::UdpReplied),
        ]
    );
}

proptest! {
    /// However the gaps fall, the histogram of max gaps holds each entry once, at its longest.
    #[test]
    fn max_gaps_follow_the_records(gaps in prop::collection::vec((0_u32..5_000, any::<bool>()), 1..60)) {
        let timers = [Timer::TcpEstablished, Timer::TcpUnacknowledged];
        let mut list = List::default();
        let mut at = 1;
        let first = seen(State::TcpEstablished, timers[0], at, at);
        let mut record = inserted(&first, &mut list);
        let mut armed = timers[0];
        let mut longest: HashMap<Timer, u32> = HashMap::from([(armed, 0)]);
        for (gap, unacknowledged) in gaps {
            at += gap;
            let kept = longest.entry(armed).or_default();
            *kept = gap.max(*kept);
            armed = timers[usize::from(unacknowledged)];
            longest.entry(armed).or_default();
            record.look(&seen(State::TcpEstablished, armed, at, at), &mut list);
        }
        let mut held: HashMap<(Timer, usize), i64> = HashMap::new();
        for event in &list.0 {
            if let Event::MaxGap(timer, from, to) = *event {
                if let Some(from) = from {
                    *held.entry((timer, from)).or_default() -= 1;
                }
                *held.entry((timer, to)).or_default() += 1;
            }
        }
        held.retain(|_, count| *count != 0);
        let want: HashMap<_, _> =
            longest.into_iter().map(|(timer, gap)| ((timer, bucket(u64::from(gap))), 1)).collect();
        prop_assert_eq!(held, want);
    }
}

#[test]
fn a_record_is_current_until_a_refresh_or_a_change_of_state() {
    let mut sink = List::default();
    let at = seen(State::TcpFinWait, Timer::TcpFinWait, 1_000, 1_000);
    let record = inserted(&at, &mut sink);
    let timeout = 1_000 + ARMED;
    assert!(record.is_current(timeout, State::TcpFinWait as u8, false));
    assert!(!record.is_current(timeout + 1, State::TcpFinWait as u8, false));
    assert!(!record.is_current(timeout, State::TcpClose as u8, false));
    assert!(!record.is_current(timeout, State::TcpFinWait as u8, true));
    let established = Record {
        state: State::TcpEstablished as u8,
        ..record
    };
    assert!(!established.is_current(timeout, State::TcpEstablished as u8, false));
    let mut looked = record;
    looked.look(&at, &mut sink);
    assert_eq!(looked, record, "a look at what is current changes nothing");
    for other in [
        Record {
            timer: Timer::Unknown as u8,
            ..record
        },
        Record {
            timer: Timer::TcpMaxRetrans as u8,
            ..record
        },
        Record {
            flags: Record::POLICY,
            ..record
        },
    ] {
        assert!(!other.is_current(timeout, State::TcpFinWait as u8, false));
    }
}
