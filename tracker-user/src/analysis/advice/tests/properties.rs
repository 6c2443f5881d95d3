//! What holds for any traffic.

use proptest::prelude::*;
use tracker_common::{
    Proto, Reason, State, Timer,
    histogram::index,
    layout::{HistogramId, PortKey},
};

use crate::{
    analysis::advice::*,
    recording::synthetic::{Space, Synthetic, TIMERS},
    source::{Sample, Stratum, Table},
};

/// Traffic of any kind.
fn anything() -> impl Strategy<Value = Synthetic> {
    let timers = prop::collection::vec(
        (
            0..18_usize,
            0_u64..200_000,
            0.0..500_000.0,
            0_u64..50_000,
            1_u64..500_000,
        ),
        0..10,
    );
    (timers, 0_u64..200_000, any::<bool>()).prop_map(|(timers, inserts, unlimited)| {
        let mut source = Synthetic::new();
        let host = source.host();
        host.insert(Proto::Tcp, inserts);
        host.die(State::TcpClose, Reason::Deleted, inserts / 3);
        for (pick, connections, gap, expired, current) in timers {
            let timer = TIMERS[pick];
            host.set(timer, current);
            host.max_gap(timer, connections, f64::min(gap, current as f64));
            host.counters.timer_expired[timer.id()] += expired;
        }
        if unlimited {
            host.table = Some(Table {
                count: 1,
                max: 0,
                buckets: 0,
            });
        }
        source
    })
}

/// Traffic of any kind in several namespaces with timers of their own, to several ports, in several intervals.
fn many() -> impl Strategy<Value = (Vec<Sample>, Synthetic)> {
    let seen = (
        0..3_usize,
        0..18_usize,
        0..4_u16,
        0_u64..60_000,
        0.0..500_000.0,
        0_u64..20_000,
    );
    let values = prop::collection::vec((0..3_usize, 0..18_usize, 1_u64..500_000), 0..12);
    let steps = prop::collection::vec(prop::collection::vec(seen, 0..6), 1..5);
    (values, steps, 60_u64..200_000).prop_map(|(values, steps, length)| {
        let mut source = Synthetic::new();
        source.namespaces.push(Space::new(8, "blue"));
        source.namespaces.push(Space::new(9, "green"));
        for (space, pick, value) in values {
            source.namespaces[space].set(TIMERS[pick], value);
        }
        let mut samples = Vec::new();
        for step in steps {
            source.at += std::time::Duration::from_secs(length);
            for (space, pick, port, connections, gap, expired) in step {
                let (space, timer) = (&mut source.namespaces[space], TIMERS[pick]);
                let value = space.sysctls[&format!("nf_conntrack_{}", timer.name())];
                let gap = f64::min(gap, value as f64);
                space.insert(Proto::Tcp, connections);
                space.max_gap(timer, connections, gap);
                space.counters.timer_expired[timer.id()] += expired;
                space
                    .histogram(HistogramId::Idle(timer))
                    .add((gap / 2.0 * 1e6) as u64);
                space.strata.push(Stratum {
                    port: PortKey {
                        port: port + samples.len() as u16 * 4,
                        proto: 0,
                    },
                    timer,
                    connections,
                    max_gaps: vec![(index((gap * 1e6) as u64) as u16, connections)],
                });
                // A port has one line for a timer.
                let mut known = Vec::new();
                space.strata.retain(|it| {
                    let key = (it.port, it.timer);
                    let is_new = !known.contains(&key);
                    known.push(key);
                    is_new
                });
            }
            samples.push(source.now());
        }
        (samples, source)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_lowering_is_within_its_bounds(
        mut source in anything(),
        seconds in 0_u64..1_000_000,
        policy in prop::sample::select(vec![Policy::Rfc, Policy::Balanced, Policy::Host]),
        harm in 1e-5..0.1,
    ) {
        let recording = source.recording(seconds);
        let request = Request { policy, max_harm: harm, ..Request::default() };
        let plan = plan(&[recording], &request);
        for setting in plan.settings.iter().filter(|it| it.is_timer) {
            let name = setting.name.rsplit("nf_conntrack_").next().unwrap();
            let timer = Timer::from_name(name).unwrap();
            prop_assert_eq!(setting.action, Action::of(setting.current, setting.recommended));
            if setting.action == Action::Lower {
                prop_assert!(setting.evidence.harm_upper_95.unwrap() <= harm);
                prop_assert!(setting.evidence.connections as f64 >= 2.9 / harm);
                prop_assert!(setting.recommended >= policy::floor(policy, timer).seconds);
                prop_assert!(setting.recommended * 3 <= seconds);
                prop_assert!(setting.entries_saved >= 1);
            }
        }
        prop_assert!(plan.predicted.count_mean <= plan.predicted.count_peak as f64 + 1.0);
    }

    #[test]
    fn every_lowering_spares_each_port_that_could_be_harmed(
        (samples, source) in many(),
        policy in prop::sample::select(vec![Policy::Rfc, Policy::Balanced, Policy::Host]),
        max_harm in 1e-4..0.1,
    ) {
        let recordings = [source.recorded(&samples)];
        let request = Request { policy, max_harm, ..Request::default() };
        let plan = plan(&recordings, &request);
        let seconds = recordings[0].duration.as_secs();
        for setting in plan.settings.iter().filter(|it| it.is_timer && it.action == Action::Lower) {
            let name = setting.name.rsplit("net.netfilter.").next().unwrap();
            let timer = Timer::from_name(name.trim_start_matches("nf_conntrack_")).unwrap();
            prop_assert!(setting.evidence.harm_upper_95.unwrap() <= max_harm);
            prop_assert!(setting.recommended >= policy::floor(policy, timer).seconds);
            prop_assert!(setting.recommended * 3 <= seconds);
            let mut connections = 0;
            for space in &recordings[0].namespaces {
                if space.sysctls[name] <= setting.recommended {
                    continue;
                }
                connections += space.counters.connections[timer.id()];
                for port in space.strata.iter().filter(|it| it.timer == timer) {
                    let cut = port.max_gaps.exceeding(setting.recommended * 1_000_000 + 4_000);
                    prop_assert!(cut == 0 || bound::upper_95(cut, port.connections) <= max_harm);
                }
            }
            prop_assert_eq!(setting.evidence.connections, connections);
            prop_assert!(setting.entries_saved >= 1);
        }
    }

    #[test]
    fn who_accepts_more_harm_gets_no_higher_timer(
        mut source in anything(), seconds in 1_000_u64..1_000_000, harm in 1e-5..0.05,
    ) {
        let recording = source.recording(seconds);
        let at = |max_harm| {
            let request = Request { max_harm, ..Request::default() };
            plan(std::slice::from_ref(&recording), &request)
        };
        let (strict, lax) = (at(harm), at(harm * 2.0));
        for setting in strict.settings.iter().filter(|it| it.action == Action::Lower && it.is_timer) {
            let other = lax.settings.iter().find(|it| it.name == setting.name).unwrap();
            prop_assert!(other.recommended <= setting.recommended);
        }
    }
}
