//! What a namespace's recording says of its connections, in the numbers that scripts are made of.

use tracker_common::{Proto, Reason, State, Timer, layout::HistogramId};

use super::measured::Measured;
use crate::{lab::scenario::Timeouts, recording::NamespaceRecord};

/// A namespace's recording.
pub struct Seen<'a> {
    pub record: &'a NamespaceRecord,
    /// Length of the watch in seconds.
    pub watch: f64,
    /// Length of what is played.
    pub play: f64,
}

impl Seen<'_> {
    /// Length of a timer in seconds: the namespace's, or the kernel's own.
    pub fn timeout(&self, timer: Timer) -> f64 {
        let own = || Timeouts::default().seconds(timer);
        self.record.timeout(timer).unwrap_or_else(own) as f64
    }

    /// So long lasts what does not end, in seconds.
    pub fn whole(&self) -> f64 {
        self.watch.max(self.play)
    }

    pub fn inserts(&self, proto: Proto) -> f64 {
        self.record.counters.inserts[proto.id()] as f64
    }

    pub fn pickups(&self, proto: Proto) -> f64 {
        self.record.counters.pickups[proto.id()] as f64
    }

    pub fn deaths(&self, state: State, reason: Reason) -> f64 {
        self.record.counters.deaths[state.id()][reason.id()] as f64
    }

    /// Visits to a state that began during the watch and in which these timers, the longest first, let
    /// the entry expire: how many each. Of an entry that is older than the watch nobody knows how long
    /// it was in its state; its expiry counts among those of its timer, but its time is in no residency.
    pub fn expired_within<const N: usize>(&self, state: State, timers: [Timer; N]) -> [f64; N] {
        let own = self.record.counters.expired[state.id()] as f64;
        // They were silent for longest.
        let mut older = (self.deaths(state, Reason::Expired) - own).max(0.0);
        let counts = timers.map(|timer| {
            // What begins within the watch does not come to the end of a longer timer.
            if self.timeout(timer) >= self.watch {
                older -= self.expired(timer).min(older);
                return 0.0;
            }
            let count = (self.expired(timer) - older).max(0.0);
            older -= self.expired(timer).min(older);
            count
        });
        let share = (own / counts.iter().sum::<f64>().max(1.0)).min(1.0);
        counts.map(|count| count * share)
    }

    /// Entries that expired in a state, as many as a watch of this length would see if all had begun
    /// within it.
    pub fn expired_of_all(&self, state: State, timer: Timer) -> f64 {
        let timeout = self.timeout(timer);
        if timeout >= self.watch {
            // As many come to their end as begin to wait for it.
            return self.deaths(state, Reason::Expired);
        }
        let [within] = self.expired_within(state, [timer]);
        Measured::point(timeout, within)
            .begun(0.0, self.watch)
            .weight()
    }

    /// Entries that a timer let expire.
    pub fn expired(&self, timer: Timer) -> f64 {
        self.record.counters.timer_expired[timer.id()] as f64
    }

    /// Visits to a state that began during the watch.
    pub fn entered(&self, state: State) -> f64 {
        self.record.counters.entered[state.id()] as f64
    }

    /// Share of the established connections living at the end that had said nothing for longer than any
    /// that went on, and than a time in seconds.
    pub fn fallen_silent(&self, time: f64) -> f64 {
        let idle = self.measured(HistogramId::Idle(Timer::TcpEstablished));
        let resumed = self.measured(HistogramId::MaxGap(Timer::TcpEstablished));
        let silent = idle.above(resumed.highest().max(time));
        silent.weight() / idle.weight().max(1.0)
    }

    /// Visits to a state that began during the watch and lasted beyond it.
    pub fn unfinished(&self, state: State) -> f64 {
        let (counters, id) = (&self.record.counters, state.id());
        let ended = counters.moved_on[id] + counters.expired[id] + counters.killed[id];
        counters.entered[id].saturating_sub(ended) as f64
    }

    pub fn residency(&self, state: State) -> Measured {
        self.measured(HistogramId::Residency(state))
    }

    pub fn measured(&self, id: HistogramId) -> Measured {
        let distribution = self.record.histograms.get(&id);
        distribution.map_or_else(Measured::default, Measured::of)
    }

    /// Entries that were ever seen under a timer.
    pub fn connections(&self, timer: Timer) -> f64 {
        self.record.counters.connections[timer.id()] as f64
    }

    /// Longest pauses under a timer, of those that noticed it.
    pub fn long_pauses(&self, timer: Timer) -> Measured {
        self.measured(HistogramId::MaxGap(timer)).above(1.0)
    }

    /// A pause that a timer does not notice, nor a much shorter one: in place of all shorter pauses,
    /// which would only make more packets.
    pub fn busy(&self, timer: Timer) -> f64 {
        (self.timeout(timer) / 6.0).clamp(1.0, 30.0)
    }
}
