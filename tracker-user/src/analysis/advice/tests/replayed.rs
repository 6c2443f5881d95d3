//! Harm and saving, against what replaying every single gap gives.

use std::time::Duration;

use tracker_common::{
    Proto, Reason, State, Timer,
    histogram::index,
    layout::{HistogramId, PortKey},
};

use super::Random;
use crate::{
    analysis::{
        advice::{sample::Sample, scene::Scene, *},
        whatif::{Tried, whatif},
    },
    recording::synthetic::{Space, Synthetic},
    settings::{Assignment, Name},
    source::{Sample as Seen, Stratum},
};

const TIMER: Timer = Timer::UdpStream;
/// Its length, in seconds.
const LIMIT: f64 = 120.0;
/// Length of the watch, and of an interval.
const WATCH: u64 = 7_200;
const INTERVAL: u64 = 900;
const NAMES: [&str; 2] = ["host", "blue"];

/// A connection: when it had packets, and whether it expires after the last or is deleted with it.
struct Life {
    space: usize,
    port: u16,
    packets: Vec<f64>,
    expires: bool,
}

impl Life {
    /// All of them end within the watch.
    fn any(random: &mut Random) -> Self {
        let space = usize::from(random.next() < 0.3);
        let port = [53, 443, 4_500][(random.next() * 3.0) as usize];
        let mut at = random.next() * (WATCH as f64 - 7.0 * LIMIT);
        let mut packets = vec![at];
        for _ in 0..(random.next() * 6.0) as usize {
            // One port pauses for longer than the others, and everybody does in the second hour.
            let most = if port == 4_500 || at > 3_600.0 {
                LIMIT
            } else {
                70.0
            };
            at += (most * random.next().powi(3)).max(0.01);
            packets.push(at);
        }
        Self {
            space,
            port,
            packets,
            expires: random.next() < 0.7,
        }
    }

    /// Gaps, and when they end.
    fn gaps(&self) -> impl Iterator<Item = (f64, f64)> {
        self.packets.windows(2).map(|it| (it[1] - it[0], it[1]))
    }

    fn longest(&self) -> f64 {
        self.gaps().map(|it| it.0).fold(0.0, f64::max)
    }

    /// Seconds that it has an entry for under a timer of this length, which begins again if it was cut.
    fn spent(&self, seconds: f64) -> f64 {
        let mut ends = f64::MIN;
        let mut spent = 0.0;
        for &at in &self.packets {
            let from = f64::max(at, ends);
            ends = at + seconds;
            spent += ends - from;
        }
        if self.expires { spent } else { spent - seconds }
    }
}

/// Fills a sample with what happened up to a time, after another.
fn happens(source: &mut Synthetic, lives: &[Life], from: f64, to: f64) {
    let now = |at: f64| from <= at && at < to;
    for life in lives {
        let space = &mut source.namespaces[life.space];
        if now(life.packets[0]) {
            space.insert(Proto::Udp, 1);
            space.counters.connections[TIMER.id()] += 1;
        }
        for (gap, _) in life.gaps().filter(|it| now(it.1)) {
            space.counters.gaps[TIMER.id()] += 1;
            space
                .histogram(HistogramId::Gap(TIMER))
                .add((gap * 1e6) as u64);
        }
        let last = life.packets[life.packets.len() - 1];
        if life.expires && now(last + LIMIT) {
            space.counters.timer_expired[TIMER.id()] += 1;
            space.die(State::UdpStream, Reason::Expired, 1);
        } else if !life.expires && now(last) {
            space.die(State::UdpStream, Reason::Deleted, 1);
        }
    }
}

/// Longest gaps, as they stand at the end.
fn longest(source: &mut Synthetic, lives: &[Life]) {
    for life in lives {
        let space = &mut source.namespaces[life.space];
        let micros = (life.longest() * 1e6) as u64;
        space.histogram(HistogramId::MaxGap(TIMER)).add(micros);
        let port = PortKey {
            port: life.port,
            proto: Proto::Udp.id() as u16,
        };
        let at = match space.strata.iter().position(|it| it.port == port) {
            Some(at) => at,
            None => {
                space.strata.push(Stratum {
                    port,
                    timer: TIMER,
                    connections: 0,
                    max_gaps: Vec::new(),
                });
                space.strata.len() - 1
            }
        };
        let stratum = &mut space.strata[at];
        stratum.connections += 1;
        if micros >= 1_000_000 {
            stratum.max_gaps.push((index(micros) as u16, 1));
        }
    }
    for stratum in source.namespaces.iter_mut().flat_map(|it| &mut it.strata) {
        stratum.max_gaps.sort_unstable();
        stratum.max_gaps.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            kept.1 += if same { next.1 } else { 0 };
            same
        });
    }
}

fn recorded(lives: &[Life]) -> Recording {
    let mut source = Synthetic::new();
    source.namespaces.push(Space::new(9, NAMES[1]));
    let mut samples: Vec<Seen> = Vec::new();
    for at in (INTERVAL..=WATCH).step_by(INTERVAL as usize) {
        source.at = Duration::from_secs(at);
        happens(&mut source, lives, (at - INTERVAL) as f64, at as f64);
        if at == WATCH {
            longest(&mut source, lives);
        }
        samples.push(source.now());
    }
    source.recorded(&samples)
}

fn tried(recording: &Recording, value: u64) -> Tried {
    let name = Name::Timer(TIMER);
    let settings = [Assignment { name, value }];
    let answer = whatif(std::slice::from_ref(recording), &settings, None);
    answer.settings[0].clone()
}

/// Between which numbers a count of gaps longer than a value lies: a bucket is 3.2 % wide, and a tick of 4 ms is
/// forgiven.
fn between(value: u64, count: impl Fn(f64) -> u64) -> std::ops::RangeInclusive<u64> {
    count(value as f64 + 0.005)..=count(value as f64 / 1.033)
}

#[test]
fn harm_and_saving_are_those_of_every_single_gap() {
    for seed in 0..8 {
        let mut random = Random(seed);
        let lives: Vec<Life> = (0..4_000).map(|_| Life::any(&mut random)).collect();
        let recording = recorded(&lives);
        for value in [5, 20, 45, 60, 90, 119] {
            let it = tried(&recording, value);
            let harm = it.harm.unwrap();
            let cut = |limit: f64| lives.iter().filter(|it| it.longest() > limit).count() as u64;
            let cut = between(value, cut);
            assert!(cut.contains(&harm.exceedances), "{value}: {cut:?} {harm:?}");
            assert_eq!(harm.connections, 4_000);

            let worst = harm.worst_stratum.unwrap();
            let of_port = |it: &&Life| it.port == worst.port && NAMES[it.space] == worst.namespace;
            let cut = |limit: f64| {
                let cut = lives
                    .iter()
                    .filter(of_port)
                    .filter(|it| it.longest() > limit);
                cut.count() as u64
            };
            let cut = between(value, cut);
            assert!(
                cut.contains(&worst.exceedances),
                "{value}: {cut:?} {worst:?}"
            );
            assert_eq!(
                worst.connections,
                lives.iter().filter(of_port).count() as u64
            );

            // Of the entries in the table, told to first order: one that is cut and begins again spares a little more.
            let spent = |seconds: f64| lives.iter().map(|it| it.spent(seconds)).sum::<f64>();
            let saved = (spent(LIMIT) - spent(value as f64)) / WATCH as f64;
            let again = |it: (f64, f64)| (it.0 - value as f64).max(0.0) / WATCH as f64;
            let again: f64 = lives.iter().flat_map(Life::gaps).map(again).sum();
            let told = it.entries_saved as f64;
            assert!(
                told <= saved + 1.0 && told >= saved - again - 1.0,
                "{value}: {told} {saved} {again}"
            );
        }
    }
}

#[test]
fn each_hour_has_the_gaps_that_ended_in_it() {
    let mut random = Random(77);
    let lives: Vec<Life> = (0..4_000).map(|_| Life::any(&mut random)).collect();
    let recordings = [recorded(&lives)];
    let request = Request::default();
    let scene = Scene::new(&recordings, &request);
    for value in [20, 60, 90] {
        let limit_us = scene.limit_us(value);
        let hours = Sample::of(&scene, TIMER, value).hours(limit_us).unwrap();
        for (hour, seen) in hours.iter().enumerate() {
            let within = |at: f64| (at / 3_600.0) as usize == hour;
            let began = lives.iter().filter(|it| within(it.packets[0])).count() as u64;
            assert_eq!(seen.connections, began, "{hour}");
            let gaps = |limit: f64| {
                let gaps = lives.iter().flat_map(Life::gaps);
                gaps.filter(|it| within(it.1) && it.0 > limit).count() as u64
            };
            let gaps = between(value, gaps);
            let longer = seen.gaps.exceeding(limit_us);
            assert!(gaps.contains(&longer), "{value} {hour}: {gaps:?} {longer}");
        }
    }
}
