//! One sender on the calling thread, or several, among which connections are dealt out.

use std::{
    sync::mpsc::{Receiver, Sender as Results, SyncSender, channel, sync_channel},
    thread,
};

use super::{
    Control, Pace, Passed, RunError, Sender, Sent,
    cpu::{self, Bound},
};
use crate::lab::{
    clock::Clock,
    net::Topology,
    packet::{Due, Packet, Witness},
    send::TOGETHER,
};

/// Portions of packets that may be made before they can be sent.
const AHEAD: usize = 32;

/// What all senders of a run share.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The namespaces.
    pub topology: &'a Topology,
    /// The kernel's ticks.
    pub clock: &'a Clock,
    /// Whether to go on.
    pub control: &'a Control,
    /// The run's first jiffy.
    pub start: u64,
}

impl Place<'_> {
    /// Sends all packets, by so many threads.
    pub fn send(
        self,
        traffic: impl Iterator<Item = Due>,
        witness: &mut dyn Witness,
        threads: usize,
    ) -> Result<Sent, RunError> {
        match cpu::of_senders(threads)?.as_slice() {
            &[only] => self.alone(traffic, witness, only),
            cpus => self.several(traffic, witness, cpus),
        }
    }

    fn alone(
        self,
        traffic: impl Iterator<Item = Due>,
        witness: &mut dyn Witness,
        cpu: usize,
    ) -> Result<Sent, RunError> {
        let _bound = Bound::to(cpu)?;
        let mut pace = self.pace(cpu)?;
        let mut tell = |passed: &Passed<'_>| {
            passed.each(|packet, from, to| witness.sent(packet, from, to));
        };
        for due in traffic {
            if self.control.is_stopped() {
                break;
            }
            pace.take(&due, &mut tell)?;
        }
        pace.flush(&mut tell)?;
        Ok(pace.sent)
    }

    fn several(
        self,
        traffic: impl Iterator<Item = Due>,
        witness: &mut dyn Witness,
        cpus: &[usize],
    ) -> Result<Sent, RunError> {
        thread::scope(|scope| {
            let (results, told) = channel();
            let (mut queues, mut senders) = (Vec::new(), Vec::new());
            for &cpu in cpus {
                let (queue, portions) = sync_channel(AHEAD);
                let results = results.clone();
                queues.push(queue);
                senders.push(scope.spawn(move || self.one(cpu, &portions, &results)));
            }
            drop(results);
            deal(traffic, &queues, self.control, || tell_all(&told, witness));
            drop(queues);
            let mut sent = Sent::default();
            let mut result = Ok(());
            for sender in senders {
                match sender.join() {
                    Ok(Ok(one)) => sent.add(&one),
                    Ok(Err(error)) => result = Err(error),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            tell_all(&told, witness);
            result.map(|()| sent)
        })
    }

    /// A sender on a thread of its own.
    fn one(
        self,
        cpu: usize,
        portions: &Receiver<Vec<Due>>,
        results: &Results<Told>,
    ) -> Result<Sent, RunError> {
        let _bound = Bound::to(cpu)?;
        let mut pace = self.pace(cpu)?;
        let mut tell = |passed: &Passed<'_>| {
            let mut told = Vec::with_capacity(passed.count());
            passed.each(|packet, from, to| told.push((*packet, from, to)));
            // Who listens outlives the senders.
            let _ = results.send(told);
        };
        for portion in portions {
            for due in &portion {
                if self.control.is_stopped() {
                    break;
                }
                pace.take(due, &mut tell)?;
            }
            // The next portion may come later than these are due.
            pace.flush(&mut tell)?;
        }
        Ok(pace.sent)
    }

    fn pace(&self, cpu: usize) -> Result<Pace<'_>, RunError> {
        let sender = Sender::open(self.topology, cpu)?;
        Ok(Pace::new(sender, self.clock, self.control, self.start))
    }
}

/// Packets that a sender has let through, each with the jiffies between which it passed.
type Told = Vec<(Packet, u64, u64)>;

fn tell_all(told: &Receiver<Told>, witness: &mut dyn Witness) {
    for (packet, from, to) in told.try_iter().flatten() {
        witness.sent(&packet, from, to);
    }
}

/// Hands each packet to its connection's sender. All get a portion at a time, also an empty one, so
/// that none waits for packets that are held back for another's sake.
fn deal(
    mut traffic: impl Iterator<Item = Due>,
    queues: &[SyncSender<Vec<Due>>],
    control: &Control,
    mut between: impl FnMut(),
) {
    let mut more = true;
    while more && !control.is_stopped() {
        let mut portions = vec![Vec::with_capacity(TOGETHER); queues.len()];
        more = false;
        for due in traffic.by_ref().take(TOGETHER * queues.len()) {
            portions[due.packet.connection as usize % queues.len()].push(due);
            more = true;
        }
        for (queue, portion) in queues.iter().zip(portions) {
            // One that has failed takes none; the others' packets of the run would be without it.
            if queue.send(portion).is_err() {
                return;
            }
        }
        between();
    }
}
