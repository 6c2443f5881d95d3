//! Maps added up over the CPUs.

use std::{collections::BTreeMap, io, mem::offset_of};

use tracker_common::{
    Loss, State, Timer,
    layout::{Bank, Counters, Histogram, HistogramId, Losses, PortKey, PortUse, Ports, Usual},
};

use super::mapped::{Mapped, Words};

/// Adds one CPU's value to a total.
pub trait Add {
    /// Nothing.
    const ZERO: Self;
    /// Adds; wraps where the kernel's side wraps.
    fn add(&mut self, cpu: &Self);
}

fn add_all<const N: usize>(total: &mut [u64; N], cpu: &[u64; N]) {
    for (total, cpu) in total.iter_mut().zip(cpu) {
        *total = total.wrapping_add(*cpu);
    }
}

impl Add for Counters {
    const ZERO: Self = Self::ZERO;

    fn add(&mut self, cpu: &Self) {
        let Self {
            inserts,
            pickups,
            entered,
            moved_on,
            expired,
            killed,
            live_us,
            deaths,
            timer_expired,
            gaps,
            connections,
            causes,
        } = self;
        add_all(inserts, &cpu.inserts);
        add_all(pickups, &cpu.pickups);
        add_all(entered, &cpu.entered);
        add_all(moved_on, &cpu.moved_on);
        add_all(expired, &cpu.expired);
        add_all(killed, &cpu.killed);
        add_all(live_us, &cpu.live_us);
        for (deaths, cpu) in deaths.iter_mut().zip(&cpu.deaths) {
            add_all(deaths, cpu);
        }
        add_all(timer_expired, &cpu.timer_expired);
        add_all(gaps, &cpu.gaps);
        add_all(connections, &cpu.connections);
        add_all(causes, &cpu.causes);
    }
}

impl Add for Usual {
    const ZERO: Self = Self::ZERO;

    fn add(&mut self, cpu: &Self) {
        let Self { begun, ran_out } = self;
        add_all(begun, &cpu.begun);
        for (ran_out, cpu) in ran_out.iter_mut().zip(&cpu.ran_out) {
            add_all(ran_out, cpu);
        }
    }
}

impl Add for Histogram {
    const ZERO: Self = Self::ZERO;

    fn add(&mut self, cpu: &Self) {
        let Self {
            sum_us,
            max_us,
            buckets,
        } = self;
        *sum_us = sum_us.wrapping_add(cpu.sum_us);
        *max_us = (*max_us).max(cpu.max_us);
        for (bucket, cpu) in buckets.iter_mut().zip(&cpu.buckets) {
            *bucket = bucket.wrapping_add(*cpu);
        }
    }
}

impl Add for Losses {
    const ZERO: Self = Self {
        count: [0; Loss::SLOTS],
    };

    fn add(&mut self, cpu: &Self) {
        let Self { count } = self;
        add_all(count, &cpu.count);
    }
}

impl Add for PortUse {
    const ZERO: Self = Self {
        inserts: 0,
        deaths: 0,
        entry_us: 0,
    };

    fn add(&mut self, cpu: &Self) {
        let Self {
            inserts,
            deaths,
            entry_us,
        } = self;
        *inserts = inserts.wrapping_add(cpu.inserts);
        *deaths = deaths.wrapping_add(cpu.deaths);
        *entry_us = entry_us.wrapping_add(cpu.entry_us);
    }
}

/// Sum over the CPUs.
pub fn losses(map: &Mapped<'_, Losses>, cpus: u32) -> io::Result<Losses> {
    let mut total = Losses::ZERO;
    map.read(0, cpus, |cpu| total.add(cpu))?;
    Ok(total)
}

/// Sum over the CPUs of what lies at an offset into the banks of a slot.
fn sum<T: Add + Words>(
    banks: &Mapped<'_, Bank>,
    slot: u32,
    offset: usize,
    cpus: u32,
) -> io::Result<Box<T>> {
    let mut total = Box::new(T::ZERO);
    banks.read_part(slot * cpus, cpus, offset, |cpu| total.add(cpu))?;
    Ok(total)
}

/// Counters of the namespace in a slot.
pub fn counters(banks: &Mapped<'_, Bank>, slot: u32, cpus: u32) -> io::Result<Box<Counters>> {
    let mut counters = sum(banks, slot, offset_of!(Bank, counters), cpus)?;
    let usual: Box<Usual> = sum(banks, slot, offset_of!(Bank, usual), cpus)?;
    usual.add_to(&mut counters);
    Ok(counters)
}

/// Destination ports of the namespace in a slot.
pub fn ports(
    banks: &Mapped<'_, Bank>,
    slot: u32,
    cpus: u32,
) -> io::Result<BTreeMap<PortKey, PortUse>> {
    let mut ports: BTreeMap<PortKey, PortUse> = BTreeMap::new();
    let offset = offset_of!(Bank, ports);
    banks.read_part(slot * cpus, cpus, offset, |cpu: &Ports| {
        for place in &cpu.places {
            if let Some(key) = PortKey::unpacked(place.key) {
                ports.entry(key).or_default().add(&place.used);
            }
        }
        if cpu.others != PortUse::ZERO {
            ports.entry(PortKey::OTHERS).or_default().add(&cpu.others);
        }
    })?;
    Ok(ports)
}

/// Histograms that may have changed between two readings of the counters.
pub fn changed<'a>(
    before: &'a Counters,
    now: &'a Counters,
) -> impl Iterator<Item = HistogramId> + 'a {
    let visits = |of: &Counters, state: State| {
        let id = state.id();
        of.moved_on[id]
            .wrapping_add(of.expired[id])
            .wrapping_add(of.killed[id])
    };
    let residencies = State::ALL
        .iter()
        .filter(move |&&state| visits(before, state) != visits(now, state))
        .map(|&state| HistogramId::Residency(state));
    let gap = |timer: Timer| before.gaps[timer.id()] != now.gaps[timer.id()];
    let armed = |timer: Timer| before.connections[timer.id()] != now.connections[timer.id()];
    let gaps = Timer::ALL
        .iter()
        .filter(move |&&timer| gap(timer))
        .map(|&timer| HistogramId::Gap(timer));
    let max_gaps = Timer::ALL
        .iter()
        .filter(move |&&timer| gap(timer) || armed(timer))
        .map(|&timer| HistogramId::MaxGap(timer));
    let lifetime = (before.destroyed() != now.destroyed()).then_some(HistogramId::Lifetime);
    let overdue = (before.timer_expired != now.timer_expired).then_some(HistogramId::Overdue);
    residencies
        .chain(gaps)
        .chain(max_gaps)
        .chain(lifetime)
        .chain(overdue)
}

/// One histogram of the namespace in a slot, which has these counters.
///
/// The programs leave the first bucket of the longest gaps out: it holds all who are in no other. As
/// the two are not read at one instant it may be off by those who moved meanwhile, until the next
/// reading.
pub fn histogram(
    banks: &Mapped<'_, Bank>,
    slot: u32,
    id: HistogramId,
    counters: &Counters,
    cpus: u32,
) -> io::Result<Box<Histogram>> {
    let offset = id
        .offset()
        .ok_or_else(|| io::Error::other(format!("{id:?} is in no bank")))?;
    let mut histogram = sum(banks, slot, offset, cpus)?;
    if let HistogramId::MaxGap(timer) = id {
        complete(&mut histogram, counters.connections[timer.id()]);
    }
    Ok(histogram)
}

fn complete(histogram: &mut Histogram, connections: u64) {
    let [first, others @ ..] = &mut histogram.buckets;
    let elsewhere = others
        .iter()
        .fold(0_u32, |sum, bucket| sum.wrapping_add(*bucket));
    *first = (connections as u32).wrapping_sub(elsewhere);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_counter_tells_of_is_read() {
        let before = Counters::ZERO;
        let mut now = before;
        assert_eq!(changed(&before, &now).count(), 0);
        now.gaps[Timer::UdpStream.id()] = 1;
        now.connections[Timer::Icmp.id()] = 1;
        now.killed[State::TcpClose.id()] = 1;
        assert_eq!(
            changed(&before, &now).collect::<Vec<_>>(),
            [
                HistogramId::Residency(State::TcpClose),
                HistogramId::Gap(Timer::UdpStream),
                HistogramId::MaxGap(Timer::UdpStream),
                HistogramId::MaxGap(Timer::Icmp),
            ]
        );
    }

    #[test]
    fn a_bucket_that_went_down_on_another_cpu_is_whole_in_the_sum() {
        let mut one = Histogram::ZERO;
        one.raise(Some(0), 7, 7);
        let mut other = Histogram::ZERO;
        other.raise(Some(7), 9, 9);
        let mut total = Histogram::ZERO;
        Add::add(&mut total, &one);
        Add::add(&mut total, &other);
        complete(&mut total, 3);
        assert_eq!([0, 7, 9].map(|it| total.buckets[it]), [2, 0, 1]);
    }
}
