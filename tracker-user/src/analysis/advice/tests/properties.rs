//! What holds for any traffic.

use proptest::prelude::*;
use tracker_common::{Proto, Reason, State, Timer};

use crate::{
    analysis::advice::*,
    recording::synthetic::{Synthetic, TIMERS},
    source::Table,
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
