//! The engine: sends a scenario's packets through the router, each in its time, and tells a witness
//! what happened to the table.

mod backlog;
mod cpu;
mod flush;
mod pace;
mod report;
mod sender;
mod senders;
mod settle;
mod statistics;

use std::{io, time::Duration};

pub use flush::{FlushError, Flusher, flush};
pub use report::Report;
pub use settle::Flush;
pub use statistics::Statistics;

use self::{
    pace::{Pace, Sent},
    sender::{Passed, Sender},
    senders::Place,
};
use super::{
    clock::{Clock, ClockError},
    control::Control,
    craft::CraftError,
    net::{NetError, Topology},
    packet::{Due, Witness},
    send::SendError,
};

/// How packets are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Senders, each on a CPU of its own. Connections are dealt out among them.
    pub threads: usize,
    /// How long entries may expire by themselves after the last packet, before the table is flushed at
    /// a moment at which none is about to. Without it, the table is flushed at once.
    pub settle: Option<Duration>,
}

/// Why a run failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The namespaces refuse.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The time refuses.
    #[error(transparent)]
    Clock(#[from] ClockError),
    /// There is no such packet.
    #[error(transparent)]
    Craft(#[from] CraftError),
    /// A packet cannot be sent.
    #[error(transparent)]
    Send(#[from] SendError),
    /// The table cannot be flushed.
    #[error(transparent)]
    Flush(#[from] FlushError),
    /// There are not enough CPUs.
    #[error("{threads} senders need as many CPUs, and there are {cpus}: give --threads {cpus}")]
    Cpus {
        /// Senders.
        threads: usize,
        /// CPUs that this process may use.
        cpus: usize,
    },
    /// A thread cannot be bound to a CPU.
    #[error("a sender cannot be bound to its CPU: {0}. Look at this process's cpuset")]
    Bind(io::Error),
    /// A thread cannot give up its priority.
    #[error("a sender cannot give up its priority: {0}. Run the lab as root")]
    Priority(io::Error),
    /// What waits at a CPU cannot be seen.
    #[error("/proc/net/softnet_stat cannot be read: {0}. Mount /proc")]
    Backlog(io::Error),
}

impl Options {
    /// Whether there are CPUs for all senders.
    ///
    /// # Errors
    /// [`RunError::Cpus`], or when the CPUs cannot be counted.
    pub fn check(&self) -> Result<(), RunError> {
        cpu::of_senders(self.threads).map(|_| ())
    }
}

/// Sends all packets, lets entries expire, and flushes the table.
///
/// # Errors
/// [`RunError`]. What was sent until then was told to the witness.
pub fn run(
    topology: &Topology,
    traffic: impl Iterator<Item = Due>,
    witness: &mut dyn Witness,
    options: &Options,
    control: &Control,
) -> Result<Report, RunError> {
    run_and_look(topology, traffic, witness, options, control, || ())
}

/// Likewise; `look` is called after the last packet, before anything is left to expire or deleted.
///
/// # Errors
/// [`RunError`]; `look` is called after an error of sending, too.
pub fn run_and_look(
    topology: &Topology,
    traffic: impl Iterator<Item = Due>,
    witness: &mut dyn Witness,
    options: &Options,
    control: &Control,
    look: impl FnOnce(),
) -> Result<Report, RunError> {
    // Whether that can be done at the end is better known before.
    flush(&topology.router)?;
    let clock = Clock::calibrate()?;
    let before = Statistics::of(&topology.router)?;
    // The packets of time 0 go out when everything is ready.
    let start = clock.now()? + 2;
    let place = Place {
        topology,
        clock: &clock,
        control,
        start,
    };
    let sent = place.send(traffic, witness, options.threads);
    look();
    let sent = sent?;
    let span = (start, clock.now()?.max(start));
    let after = Statistics::of(&topology.router)?;
    control.settle();
    let flush = settle::settle(topology, &clock, witness, options.settle, control)?;
    Ok(Report {
        sent,
        span,
        jiffy_s: clock.jiffy_s(),
        before,
        after,
        flush,
        is_stopped: control.is_stopped(),
    })
}
