//! How often the bound holds that is stated.

use tracker_common::{
    Proto, Timer,
    histogram::index,
    layout::{HistogramId, PortKey},
};

use super::{Random, find};
use crate::{
    analysis::{advice::*, whatif::whatif},
    recording::synthetic::{Space, Synthetic},
    settings::{Assignment, Name},
    source::Stratum,
};

const TIMER: Timer = Timer::UdpStream;
/// Its length, and that of the watch, in seconds.
const LIMIT: f64 = 120.0;
const WATCH: f64 = 3_600.0;

/// Connections of a port, of which a share (1 + t / 8)^-a pauses for more than t seconds, once.
struct Service {
    port: u16,
    connections: u64,
    a: f64,
}

impl Service {
    fn longer(&self, t: f64) -> f64 {
        (1.0 + t / 8.0).powf(-self.a)
    }

    /// The share that a value cuts, and today's does not.
    fn harm(&self, seconds: u64) -> f64 {
        (self.longer(seconds as f64) - self.longer(LIMIT)).max(0.0)
    }

    /// Watches them, who pause at any time.
    fn watch(&self, source: &mut Synthetic, random: &mut Random) {
        let mut long = std::collections::BTreeMap::new();
        let host = source.host();
        host.insert(Proto::Udp, self.connections);
        for _ in 0..self.connections {
            let gap = 8.0 * ((1.0 - random.next()).powf(-1.0 / self.a) - 1.0);
            let paused = pauses(host, gap, WATCH * random.next());
            if paused {
                // And falls silent in the end.
                pauses(host, f64::INFINITY, WATCH * random.next());
            }
            let longest = if paused && gap < LIMIT { gap } else { 0.0 };
            host.max_gap(TIMER, 1, longest);
            if longest >= 1.0 {
                *long
                    .entry(index((longest * 1e6) as u64) as u16)
                    .or_default() += 1;
            }
        }
        source.host().strata.push(Stratum {
            port: PortKey {
                port: self.port,
                proto: Proto::Udp.id() as u16,
            },
            timer: TIMER,
            connections: self.connections,
            max_gaps: long.into_iter().collect(),
        });
    }
}

/// A gap that begins so long before the end of the watch; says whether it was over then.
fn pauses(host: &mut Space, gap: f64, left: f64) -> bool {
    if gap.min(LIMIT) > left {
        let idle = (left * 1e6) as u64;
        host.histogram(HistogramId::Idle(TIMER)).add(idle);
        return false;
    }
    if gap >= LIMIT {
        host.counters.timer_expired[TIMER.id()] += 1;
    }
    true
}

#[test]
fn the_bound_that_is_stated_holds_in_19_of_20_trials() {
    let max_harm = 0.02;
    let request = Request {
        max_harm,
        ..Request::default()
    };
    let (mut exceeded, mut lowered, mut wrong) = (0, 0, 0);
    let (mut ports, mut wrong_ports) = (0, 0);
    for seed in 0..600 {
        let mut random = Random(1_000 + seed);
        let services: Vec<Service> = (1..=3)
            .map(|port| Service {
                port,
                connections: 150 + (random.next() * 600.0) as u64,
                a: 1.3 + 1.2 * random.next(),
            })
            .collect();
        let mut source = Synthetic::new();
        for service in &services {
            service.watch(&mut source, &mut random);
        }
        source.host().count(100);
        let recording = source.recording(WATCH as u64);
        let all: u64 = services.iter().map(|it| it.connections).sum();
        let harm = |seconds| {
            let cut = services
                .iter()
                .map(|it| it.harm(seconds) * it.connections as f64);
            cut.sum::<f64>() / all as f64
        };
        // Of a value that is chosen beforehand, without head-room.
        let name = Name::Timer(TIMER);
        let settings = [Assignment { name, value: 40 }];
        let answer = whatif(std::slice::from_ref(&recording), &settings, None);
        let told = answer.settings[0].harm.as_ref().unwrap();
        exceeded += u32::from(harm(40) > told.harm_upper_95.unwrap());
        let plan = plan(&[recording], &request);
        let it = find(&plan, "udp_timeout_stream");
        if it.action != Action::Lower {
            continue;
        }
        lowered += 1;
        let recommended = it.recommended;
        wrong += u32::from(harm(recommended) > it.evidence.harm_upper_95.unwrap());
        let worse = services
            .iter()
            .filter(|one| one.harm(recommended) > max_harm);
        wrong_ports += worse.count();
        ports += services.len();
    }
    assert!(exceeded * 20 <= 600, "{exceeded} of 600");
    assert!(lowered >= 100, "{lowered}");
    assert!(wrong * 20 <= lowered, "{wrong} of {lowered}");
    assert!(wrong_ports * 20 <= ports, "{wrong_ports} of {ports}");
}
