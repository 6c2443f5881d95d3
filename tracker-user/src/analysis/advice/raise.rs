//! What speaks for a longer timer: it cuts living connections, or a standard asks for more.

use tracker_common::{Proto, Timer, layout::HistogramId};

use super::{
    Policy, policy,
    returns::{self, most},
    round,
    scene::Scene,
    timer::Verdict,
};
use crate::units;

/// Fewer may be chance.
const LOWEST_CROWD: u64 = 3;

/// A higher value, and why; `None` if nothing speaks for one. The highest of all that anything asks for.
pub fn verdict(scene: &Scene<'_>, timer: Timer, current: u64) -> Option<Verdict> {
    let seen = returned(scene, timer, current)
        .or_else(|| crowded(scene, timer, current))
        .or_else(|| picked_up(scene, timer, current));
    let standard = standard(scene, timer, current);
    match (seen, standard) {
        (Some(seen), Some(standard)) if standard.seconds > seen.seconds => Some(standard),
        (seen, standard) => seen.or(standard),
    }
}

/// Connections came back that it had cut.
fn returned(scene: &Scene<'_>, timer: Timer, current: u64) -> Option<Verdict> {
    let (seconds, reason) = returns::raise(scene, timer, current)?;
    Some(Verdict { seconds, reason })
}

/// Gaps crowd the timeout of a timer that lets entries expire of which nobody can see whether they come back.
fn crowded(scene: &Scene<'_>, timer: Timer, current: u64) -> Option<Verdict> {
    let gaps = scene.set_to(timer, current, HistogramId::MaxGap(timer));
    let p999 = gaps.quantile_us(0.999) as f64 / 1e6;
    let near = gaps.exceeding(round::with_head_room(current));
    let expired = scene.expired_at(timer, current);
    if p999 * round::MARGIN <= current as f64 || near.min(expired) < LOWEST_CROWD {
        return None;
    }
    if returns::cut(scene, timer, current).is_some() {
        return None;
    }
    // How much longer the rest is nobody saw: half as long again is a step, not a measurement.
    let step = (p999 * round::MARGIN).max(current as f64 * 1.5);
    let seconds = round::seconds_up(step).min(most(timer, current));
    let reason = format!(
        "{} resumed after up to {}, close to its end, and {} expired, of which some may have paused for longer",
        units::plural(near, "connection", "connections"),
        units::seconds(gaps.max_us as f64 / 1e6),
        units::count(expired),
    );
    Some(Verdict { seconds, reason })
}

/// Established connections expired, and about as many went on mid-stream, though their graves are not known any
/// more.
fn picked_up(scene: &Scene<'_>, timer: Timer, current: u64) -> Option<Verdict> {
    if timer != Timer::TcpEstablished {
        return None;
    }
    let counters = &scene.all.counters;
    let pickups = counters.pickups[Proto::Tcp.id()];
    let expired = counters.timer_expired[timer.id()];
    let connections = counters.inserts[Proto::Tcp.id()].max(1);
    // A flood of stray ACKs makes pickups as well, but no established connection expires with it.
    let returned = pickups.min(expired);
    let share = returned as f64 / connections as f64;
    if returned < LOWEST_CROWD || returned * 2 < pickups || share <= scene.request.max_harm {
        return None;
    }
    let seconds = current
        .saturating_mul(2)
        .min(crate::settings::default_seconds(timer));
    if seconds <= current {
        return None;
    }
    let reason = format!(
        "{} expired and {} went on mid-stream: it cuts living ones",
        units::plural(expired, "connection", "connections"),
        units::count(pickups)
    );
    Some(Verdict { seconds, reason })
}

/// A standard binds, and asks for more.
fn standard(scene: &Scene<'_>, timer: Timer, current: u64) -> Option<Verdict> {
    let standard = policy::standard(timer)?;
    let binds = scene.request.policy == Policy::Rfc && standard.raises;
    (binds && current < standard.floor.seconds).then(|| Verdict {
        seconds: standard.floor.seconds,
        reason: standard.floor.why.to_owned(),
    })
}
