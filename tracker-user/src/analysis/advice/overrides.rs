//! Timers of TCP that the kernel arms in place of a state's where that one is longer: while data waits for its
//! acknowledgement, and after retransmissions (`nf_conntrack_tcp_packet`).

use tracker_common::Timer;

use super::scene::Scene;

/// Timers of states in which a packet may wait for its acknowledgement.
const STATES: [Timer; 5] = [
    Timer::TcpSynRecv,
    Timer::TcpEstablished,
    Timer::TcpFinWait,
    Timer::TcpCloseWait,
    Timer::TcpLastAck,
];

/// The least value under which a timer still cuts no gap of a timer that overrides it, in seconds: its own gaps tell
/// nothing of those.
pub fn least(scene: &Scene<'_>, timer: Timer) -> u64 {
    if !STATES.contains(&timer) {
        return 0;
    }
    let shorter = scene.watches(timer).flat_map(|watch| {
        let set = |it: Timer| watch.namespace.timeout(it);
        let values = Timer::OVERRIDES.into_iter().filter_map(set);
        values.filter(move |&it| it < watch.value)
    });
    shorter.max().unwrap_or(0)
}

/// Whose gaps a value cuts as well, beside those of the timer that it is of, in a clause.
pub fn remark(scene: &Scene<'_>, timer: Timer, value: u64) -> Option<String> {
    let current = scene.current(timer)?;
    let named = |timers: &[Timer], turns: &dyn Fn(u64) -> bool| {
        let turned = timers
            .iter()
            .filter(|&&it| scene.current(it).is_some_and(turns));
        turned.map(|it| it.name()).collect::<Vec<_>>().join(", ")
    };
    let names = if Timer::OVERRIDES.contains(&timer) {
        let turns = |state: u64| value < state && state <= current;
        named(&STATES, &turns)
    } else if STATES.contains(&timer) {
        let turns = |over: u64| value < over && over < current;
        named(&Timer::OVERRIDES, &turns)
    } else {
        return None;
    };
    (!names.is_empty()).then(|| {
        format!("it then runs in place of {names} as well, whose gaps are not counted here")
    })
}
