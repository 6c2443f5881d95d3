//! What is asked for beside a scenario's file: another rate, another duration.

use super::tests::{GOOD, builtin};
use super::*;
use crate::lab::{net::Size, packet::Effect};

#[test]
fn at_the_highest_rate_the_same_connections_begin_at_once() {
    let scenario = Scenario::find("table-full").unwrap();
    let begun = |overrides: &Overrides| {
        let traffic = scenario.traffic(1, overrides).unwrap();
        let mut begun: Vec<_> = traffic
            .filter(|due| matches!(due.packet.effect, Effect::Insert { .. }))
            .map(|due| (due.packet.tuple, due.at))
            .collect();
        assert!(begun.is_sorted_by_key(|(_, at)| *at));
        begun.sort_by_key(|(tuple, _)| (tuple.client, tuple.client_port, tuple.server));
        begun
    };
    let usual = begun(&Overrides::default());
    let highest = begun(&Overrides {
        rate: Some(Rate::Highest),
        ..Overrides::default()
    });
    assert_eq!(usual.len(), highest.len());
    for ((usual, _), (highest, at)) in usual.iter().zip(&highest) {
        assert_eq!(usual, highest);
        // One population begins later than the other, and stays so.
        assert!(
            at.subsec_millis() == 0 && [0, 5].contains(&at.as_secs()),
            "{at:?}"
        );
    }
    assert_eq!("max".parse(), Ok(Rate::Highest));
    assert_eq!("2.5".parse(), Ok(Rate::PerSecond(2.5)));
    for wrong in ["", "fast", "Max", "10/s"] {
        assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
    }
}

#[test]
fn at_the_highest_rate_there_are_as_many_connections_and_as_much_room() {
    for scenario in builtin() {
        let asked = |rate, duration| {
            let overrides = Overrides { duration, rate };
            let connections = scenario.connections(&overrides).unwrap();
            (connections, scenario.table_max(&overrides).unwrap())
        };
        let longer = Some(scenario.duration + Duration::from_secs(1));
        for duration in [None, longer] {
            let usual = asked(None, duration);
            let highest = asked(Some(Rate::Highest), duration);
            assert_eq!(usual, highest, "{}", scenario.name);
        }
    }
    let flood = Scenario::find("udp-flood").unwrap();
    let longest = Overrides {
        duration: Some(Duration::from_secs(100)),
        rate: Some(Rate::Highest),
    };
    let asked = flood.table_max(&longest).unwrap();
    assert!(
        matches!(asked, Some(Size::AtLeast(max)) if max > 500_000),
        "{asked:?}"
    );
}

#[test]
fn rate_and_duration_can_be_others() {
    let flood = Scenario::find("udp-flood").unwrap();
    let overrides = Overrides {
        duration: Some(Duration::from_secs(1)),
        rate: Some(Rate::PerSecond(20_000.0)),
    };
    let mut traffic = flood.traffic(1, &overrides).unwrap();
    while traffic.next().is_some() {}
    assert!((19_000..21_000).contains(&traffic.begun()));
    let endless = Overrides {
        duration: Some(Duration::from_secs(1_000_000)),
        rate: None,
    };
    let scan = Scenario::find("health-check").unwrap();
    let error = scan.traffic(1, &endless).unwrap_err().to_string();
    assert!(
        error.starts_with("population `connects` of health-check: up to"),
        "{error}"
    );
    assert!(error.contains("Give it more `clients`"), "{error}");
}

#[test]
fn a_table_with_room_for_all_has_room_for_more() {
    let max = |name: &str, rate: Option<f64>| {
        let scenario = Scenario::find(name).unwrap();
        let (duration, rate) = (None, rate.map(Rate::PerSecond));
        let asked = scenario.table_max(&Overrides { duration, rate }).unwrap();
        (scenario.max, asked)
    };
    for builtin in BUILTIN {
        let (own, asked) = max(builtin.name, None);
        let is_full = builtin.name == "table-full";
        let sized = if is_full {
            Size::Exactly
        } else {
            Size::AtLeast
        };
        assert_eq!(own.map(sized), asked, "{}", builtin.name);
    }
    let (_, asked) = max("udp-flood", Some(100_000.0));
    assert!(
        matches!(asked, Some(Size::AtLeast(max)) if max > 1_000_000),
        "{asked:?}"
    );
    let (own, asked) = max("table-full", Some(5_000.0));
    assert_eq!(own.map(Size::Exactly), asked);
    assert_eq!(max("dns", Some(100.0)), (None, None));
}

#[test]
fn only_a_scenario_with_connections_over_ipv6_needs_it() {
    for (name, needs) in [
        ("web-keepalive", false),
        ("udp-flood", false),
        ("web-short", true),
    ] {
        let scenario = Scenario::find(name).unwrap();
        let settings = scenario.settings(&Overrides::default()).unwrap();
        assert_eq!(settings.ipv6, needs, "{name}");
    }
}

#[test]
fn what_is_asked_for_beside_a_file_can_be_wrong_too() {
    let good = Scenario::parse("good.toml", GOOD).unwrap();
    let said = |rate, duration: Option<u64>| {
        let duration = duration.map(Duration::from_secs);
        let refused = good.traffic(1, &Overrides { duration, rate });
        refused.unwrap_err().to_string()
    };
    for rate in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
        let said = said(Some(Rate::PerSecond(rate)), None);
        assert!(said.contains("is not above 0"), "{said}");
        assert!(said.ends_with("Give another --rate"), "{said}");
    }
    let none = said(None, Some(0));
    assert!(none.starts_with("in a duration of 0 no"), "{none}");
    for rate in [Rate::PerSecond(1e8), Rate::Highest] {
        let many = said(Some(rate), Some(u64::MAX));
        assert!(many.starts_with("population `a` of good: up to"), "{many}");
        let none = said(Some(rate), Some(0));
        assert!(none.starts_with("in a duration of 0 no"), "{none}");
    }
    let once = GOOD.replace("rate = 5", "burst = 5");
    let once = Scenario::parse("once.toml", &once).unwrap();
    let at = |rate| Overrides {
        duration: None,
        rate: Some(rate),
    };
    let highest = once.traffic(1, &at(Rate::Highest)).unwrap();
    let begin = highest.filter(|due| matches!(due.packet.effect, Effect::Insert { .. }));
    assert_eq!(begin.count(), 5);
    let refused = once.traffic(1, &at(Rate::PerSecond(5.0)));
    let said = refused.unwrap_err().to_string();
    assert_eq!(
        said,
        "all connections of once begin at once. Leave out --rate"
    );
}
