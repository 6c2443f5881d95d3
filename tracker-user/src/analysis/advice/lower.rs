//! The lowest value of a timer that the evidence and the policy allow.
//!
//! Values are tried upwards from the floor. Harm of one is the share of connections with a longer resumed gap; its
//! 95 % bound must not be above `max_harm`, with head-room, for all connections together, for each port and for each
//! hour.

use tracker_common::Timer;

use super::{
    Action, bound, harm, overrides, policy, round,
    sample::{Hour, LONG, Sample, too_short},
    scene::Scene,
    timer::Verdict,
};
use crate::{analysis::forecast::Trial, settings::Name, units};

/// A timer is not lowered for less than this share of the mean entry count.
const WORTH: f64 = 0.01;

/// The lowest value, or why there is none.
pub fn verdict(scene: &Scene<'_>, timer: Timer, current: u64) -> Result<Verdict, String> {
    if scene.max_gaps(timer).is_empty() {
        return Err("no connection was seen under it".to_owned());
    }
    let floor = policy::floor(scene.request.policy, timer);
    let mut seconds = floor.seconds.max(overrides::least(scene, timer));
    if seconds >= current {
        let why = if floor.seconds >= current {
            floor.why
        } else {
            "it must stay above tcp_timeout_unacknowledged and tcp_timeout_max_retrans"
        };
        return Err(why.to_owned());
    }
    let mut search = Search::new(scene, timer, seconds)?;
    loop {
        let Some(least) = search.asked_for(seconds)? else {
            return Ok(Verdict {
                seconds,
                reason: search.reason(seconds),
            });
        };
        let asked = round::seconds_up(least.max(seconds + 1) as f64);
        // What can tell of more asks for less, perhaps.
        let until = search.sample.until().max(seconds + 1);
        let next = asked.min(round::seconds_up(until as f64));
        if next >= current {
            return Err(search.held);
        }
        if next >= until {
            let Ok(fewer) = Search::new(scene, timer, next) else {
                // Nor can anything tell of what is asked for.
                let why = Search::new(scene, timer, asked).err();
                let why = why.filter(|_| asked < current);
                return Err(
                    why.map_or(search.held.clone(), |why| format!("{}; {why}", search.held))
                );
            };
            search = Search {
                held: search.held,
                idle: search.idle,
                port: search.port,
                ..fewer
            };
        }
        seconds = next;
    }
}

/// What can tell of the values that are tried.
struct Search<'a, 'b> {
    scene: &'b Scene<'a>,
    timer: Timer,
    sample: Sample<'a>,
    /// Read when the first value gets so far.
    hours: Option<Vec<Hour>>,
    /// What spoke against the last value.
    held: String,
    /// The lowest value that who was idle at the end spoke against.
    idle: Option<u64>,
    /// The lowest value that nothing but a port spoke against, and what that port did.
    port: Option<(u64, String)>,
}

impl<'a, 'b> Search<'a, 'b> {
    /// What can tell of a value, if that is enough.
    fn new(scene: &'b Scene<'a>, timer: Timer, seconds: u64) -> Result<Self, String> {
        let max_harm = scene.request.max_harm;
        let is_enough = |it: &Sample<'_>| bound::holds(it.lost as f64, it.connections, max_harm);
        let any = Sample::of_any_length(scene, timer, seconds);
        if !is_enough(&any) {
            return Err(needed(&any, max_harm));
        }
        let sample = Sample::of(scene, timer, seconds);
        if sample.is_empty() {
            return Err(too_short(scene, timer, seconds));
        }
        if !is_enough(&sample) {
            let length = units::whole((seconds as f64 * LONG) as u64);
            return Err(format!(
                "{}, in watches of {length} or more",
                needed(&sample, max_harm)
            ));
        }
        Ok(Self {
            scene,
            timer,
            sample,
            hours: None,
            held: String::new(),
            idle: None,
            port: None,
        })
    }

    /// The least value that what speaks against this one asks for; `None` if nothing does.
    ///
    /// # Errors
    /// What speaks against this one and any higher one.
    fn asked_for(&mut self, seconds: u64) -> Result<Option<u64>, String> {
        if let Some((least, held)) = self.all(seconds) {
            self.held = held;
            return Ok(Some(least));
        }
        if let Some((longest, it)) = harm::strictest(self.scene, &self.sample, seconds) {
            let (all, _) = self
                .port
                .get_or_insert_with(|| (seconds, harm::paused(self.scene, it, seconds)));
            self.held = harm::paused(self.scene, it, *all);
            return Ok(Some(spares(longest)));
        }
        worth(self.scene, self.timer, seconds)?;
        if let Some(hour) = self.hour(seconds)? {
            self.held = hour;
            return Ok(Some(seconds + 1));
        }
        Ok(None)
    }

    /// What all connections together ask for, if it is more than a value, and why.
    fn all(&mut self, seconds: u64) -> Option<(u64, String)> {
        let (sample, max_harm) = (&self.sample, self.scene.request.max_harm);
        let spared_us = round::with_head_room(seconds);
        let cut = sample.max_gaps.exceeding(spared_us);
        let hits = cut.saturating_add(sample.lost) as f64;
        if !bound::holds(hits, sample.connections, max_harm) {
            let allowed = harm::allowed(sample.connections, max_harm).saturating_sub(sample.lost);
            let longest = sample.max_gaps.at_rank(sample.connections - allowed);
            let held = format!(
                "gaps of up to {} are resumed under it",
                units::seconds(longest as f64 / 1e6)
            );
            return Some((spares(longest), held));
        }
        let undecided = sample.undecided(self.scene.limit_us(seconds));
        if !bound::holds(hits + undecided, sample.connections, max_harm) {
            let least = *self.idle.get_or_insert(seconds);
            let idle = self.sample.idle(self.scene.limit_us(least));
            let held = format!(
                "{} for more than {} when the watch ended, and may go on",
                units::plural(idle, "connection was idle", "connections were idle"),
                units::whole(least),
            );
            return Some((seconds + 1, held));
        }
        // Any port may be the one whose gap was lost.
        (cut > 0 && sample.unplaced > 0).then(|| {
            let held = format!(
                "the ports of {} were lost, and {} for more than {}",
                units::plural(sample.unplaced, "long gap", "long gaps"),
                units::plural(cut, "connection paused", "connections paused"),
                units::seconds(spared_us as f64 / 1e6),
            );
            (spares(sample.max_gaps.max_us), held)
        })
    }

    /// The worst hour that speaks against a value.
    fn hour(&mut self, seconds: u64) -> Result<Option<String>, String> {
        let hours = match self.hours.take() {
            Some(hours) => hours,
            None => self
                .sample
                .hours(self.scene.limit_us(seconds))
                .map_err(|error| format!("its hours cannot be judged: {error}"))?,
        };
        let hours = self.hours.insert(hours);
        Ok(harm::worst_hour(self.scene, &self.sample, hours, seconds))
    }

    /// Why this value, in one clause.
    fn reason(&self, seconds: u64) -> String {
        let it = super::timer::stated(self.scene, self.timer, seconds);
        let mut reason = format!(
            "{} of {} resumed after more than {}: harm at most {:.1e}",
            units::count(it.exceedances),
            units::plural(it.connections, "connection", "connections"),
            units::whole(seconds),
            it.harm_upper_95.unwrap_or(1.0)
        );
        if let Some((_, port)) = &self.port {
            reason.push_str(&format!("; {port}"));
        }
        let limit_us = self.scene.limit_us(seconds);
        let idle = self.sample.idle(limit_us);
        if idle > 0 {
            let (resumed, ended) = self.sample.ended(limit_us);
            reason.push_str(&format!(
                "; {} idle for longer when the watch ended, taken to be like {}, of which {} went on",
                units::plural(idle, "entry was", "entries were"),
                units::plural(ended, "one that ended", "others that ended"),
                units::count(resumed)
            ));
        }
        reason
    }
}

/// The value that spares gaps of so many µs with head-room.
fn spares(micros: u64) -> u64 {
    round::seconds_up(micros as f64 / 1e6 * round::MARGIN)
}

fn needed(sample: &Sample<'_>, max_harm: f64) -> String {
    // The rule of three is what people know; the exact number is a little below it.
    let needed = round_up(bound::trials_needed(max_harm));
    if sample.connections >= needed {
        format!(
            "{} that went unseen may have been harmed",
            units::count(sample.lost)
        )
    } else {
        format!(
            "only {} seen: {} needed for {max_harm:e}",
            units::plural(sample.connections, "connection", "connections"),
            units::count(needed)
        )
    }
}

/// Two digits, upwards.
fn round_up(number: u64) -> u64 {
    let step = 10_u64.pow(number.checked_ilog10().unwrap_or(0).saturating_sub(1));
    number.div_ceil(step).saturating_mul(step)
}

/// Whether lowering saves enough to touch a running system for it.
fn worth(scene: &Scene<'_>, timer: Timer, seconds: u64) -> Result<(), String> {
    let expired = scene.all.counters.timer_expired[timer.id()];
    let watch = scene.all.longest;
    let current = scene.current(timer).unwrap_or(seconds);
    if expired == 0 && watch < current as f64 {
        return Err(format!(
            "nothing expired under it in {}: only a watch longer than {} shows what it would save",
            units::seconds(watch),
            units::whole(current)
        ));
    }
    let gain = scene.saved(
        timer,
        Trial {
            name: Name::Timer(timer),
            value: seconds,
            only: Some(Action::Lower),
        },
    );
    if gain < (scene.all.course.mean() * WORTH).max(1.0) {
        return Err(if expired == 0 {
            "saves nothing here: nothing expired under it".to_owned()
        } else {
            format!(
                "saves little here: {} would save {}",
                units::whole(seconds),
                units::plural(gain.round().max(0.0) as u64, "entry", "entries")
            )
        });
    }
    Ok(())
}
