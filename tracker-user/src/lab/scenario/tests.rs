use std::collections::HashSet;

use super::*;
use crate::lab::packet::Due;

pub(super) fn builtin() -> Vec<Scenario> {
    let all = BUILTIN.iter();
    all.map(|it| Scenario::parse(it.name, it.text).unwrap_or_else(|error| panic!("{error}")))
        .collect()
}

fn packets(scenario: &Scenario, seed: u64) -> Vec<Due> {
    let traffic = scenario.traffic(seed, &Overrides::default());
    traffic.unwrap_or_else(|error| panic!("{error}")).collect()
}

#[test]
fn every_builtin_scenario_is_of_a_fair_size() {
    for scenario in builtin() {
        let packets = packets(&scenario, 1);
        let connections: HashSet<u32> = packets.iter().map(|due| due.packet.connection).collect();
        let (count, all) = (connections.len(), packets.len());
        let last = packets.last().map_or(0, |due| due.at.as_secs());
        assert!((100..40_000).contains(&count), "{}: {count}", scenario.name);
        assert!((400..150_000).contains(&all), "{}: {all}", scenario.name);
        assert!(last < 3 * 3600, "{}: {last} s", scenario.name);
        assert!(scenario.description.len() > 40);
    }
}

#[test]
fn the_same_seed_gives_the_same_packets_and_another_one_others() {
    for scenario in builtin() {
        let first = packets(&scenario, 7);
        assert_eq!(first, packets(&scenario, 7), "{}", scenario.name);
        assert_ne!(first, packets(&scenario, 8), "{}", scenario.name);
        assert!(first.is_sorted_by_key(|due| due.at), "{}", scenario.name);
    }
}

#[test]
fn no_two_connections_have_the_same_tuple() {
    for scenario in builtin() {
        let mut tuples = std::collections::HashMap::new();
        for due in packets(&scenario, 3) {
            let mut tuple = due.packet.tuple;
            if scenario.masquerade {
                tuple.client = match tuple.client {
                    std::net::IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
                    std::net::IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
                };
            }
            let connection = due.packet.connection;
            let owner = *tuples.entry(tuple).or_insert(connection);
            assert_eq!(owner, connection, "{}: {tuple:?}", scenario.name);
        }
    }
}

#[test]
fn only_connections_under_way_are_kept() {
    let flood = Scenario::find("udp-flood").unwrap();
    let mut traffic = flood.traffic(1, &Overrides::default()).unwrap();
    let mut most = 0;
    while traffic.next().is_some() {
        most = most.max(traffic.under_way());
    }
    assert!(traffic.begun() > 10_000 && most < 100, "{most}");
}

/// A scenario without mistakes.
pub(super) const GOOD: &str = r#"
description = "test"
duration = "2s"

[[population]]
name = "a"
proto = "tcp"
arrival = { rate = 5 }
clients = 3
ports = 80
script = ["handshake", { pause = "1s" }, "close"]
"#;

fn wrong(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    let text = GOOD.replacen(from, to, 1);
    match Scenario::parse("bad.toml", &text) {
        Ok(_) => panic!("{to} was taken"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_is_wrong_is_said_with_its_place_and_a_remedy() {
    assert!(Scenario::parse("good.toml", GOOD).is_ok());
    for (from, to, begin) in [
        (
            "rate = 5",
            "ratee = 5",
            "bad.toml:8:13: unknown field `ratee`, expected one of `rate`",
        ),
        (
            "\"2s\"",
            "\"soon\"",
            "bad.toml:3:12: invalid value: string \"soon\", expected a time",
        ),
        (
            "\"2s\"",
            "true",
            "bad.toml:3:12: invalid type: boolean `true`, expected a time",
        ),
        ("\"2s\"", "0", "bad.toml:3:12: a duration that is 0"),
        (
            "clients = 3",
            "clients = 0",
            "bad.toml:9:11: 0 clients. Give a number",
        ),
        (
            "clients = 3",
            "clients = \"all\"",
            "bad.toml:9:11: invalid value: string \"all\"",
        ),
        (
            "clients = 3",
            "clients = 3\nprefixes = 2",
            "bad.toml:10:12: prefixes are of IPv6. Leave",
        ),
        (
            "ports = 80",
            "",
            "bad.toml:6:8: its servers have no port. Give it `ports`",
        ),
        (
            "ports = 80",
            "ports = 65536",
            "bad.toml:10:9: invalid value: integer `65536`",
        ),
        (
            "ports = 80",
            "ports = [80, 80]",
            "bad.toml:10:9: port 80 is there twice",
        ),
        (
            "\"tcp\"",
            "\"gre\"",
            "bad.toml:7:9: unknown variant `gre`, expected one of `tcp`",
        ),
        (
            "\"close\"",
            "\"clos\"",
            "bad.toml:11:42: unknown variant `clos`, expected one of `hands",
        ),
        (
            "\"close\"",
            "\"echo\"",
            "bad.toml:11:42: a step of icmp in a script of tcp. Mend",
        ),
        (
            "\"close\"",
            "\"pause\"",
            "bad.toml:11:42: `pause` needs a value: { pause = … }",
        ),
        (
            "{ pause = \"1s\" }",
            "{ pause = \"1s\", vanish = {} }",
            "bad.toml:11:24: `vanish` is a",
        ),
        (
            "{ pause = \"1s\" }",
            "{ pause = -1 }",
            "bad.toml:11:34: -1 is not from 0 to",
        ),
        (
            "\"close\"",
            "{ close = { by = \"me\" } }",
            "bad.toml:11:59: unknown variant `me`",
        ),
        (
            "\"close\"",
            "{ send = {} }",
            "bad.toml:11:51: missing field `from`",
        ),
        (
            "\"close\"",
            "{ choose = [] }",
            "bad.toml:11:42: weights that are negative, or all 0",
        ),
        (
            "script = [",
            "script = []\nx = [",
            "bad.toml:12:1: unknown field `x`, expected one of",
        ),
        (
            "{ rate = 5 }",
            "{ rate = -5 }",
            "bad.toml:8:11: a rate of -5 is not above 0",
        ),
        ("{ rate = 5 }", "{ rate = 1e6 }", "bad.toml:6:8: up to "),
        (
            "[[population]]",
            "[settings]\nmaximum = 5\n[[population]]",
            "bad.toml:6:1: no setting",
        ),
        (
            "[[population]]",
            "[settings]\nmax = 0\n[[population]]",
            "bad.toml:6:7: 0 for `max`. G",
        ),
        ("[[population]]", "[[population]", "bad.toml:5:14: "),
        (
            "{ rate = 5 }",
            "{ rate = nan }",
            "bad.toml:8:11: a rate of NaN is not above 0",
        ),
        (
            "clients = 3",
            "clients = -3",
            "bad.toml:9:11: invalid value: integer `-3`, expected a number of clients",
        ),
        (
            "clients = 3",
            "clients = 9_000_000_000",
            "bad.toml:9:11: 9000000000 clients. Give a number from 1 to",
        ),
        (
            "clients = 3",
            "clients = 3\nservers = 70_000",
            "bad.toml:10:11: 70000 servers. Give a number from 1 to",
        ),
        (
            "clients = 3",
            "clients = 3\ncount = 0",
            "bad.toml:10:9: a count of 0. Give at least 1",
        ),
        (
            "clients = 3",
            "clients = 3\nstart = \"2s\"",
            "bad.toml:10:9: its first connection would begin when the duration is over. Let",
        ),
        (
            "\"close\"",
            "{ send = { from = \"client\", bytes = 2801, acknowledged = false } }",
            "bad.toml:11:42: `bytes` goes up to 2801, and 2800 are the most here. Mend",
        ),
        (
            "\"close\"",
            "{ retransmit = { from = \"client\", times = { uniform = [0, 31] } } }",
            "bad.toml:11:42: `times` goes up to 31, and 30 are the most here. Mend",
        ),
        (
            "\"tcp\"\narrival = { rate = 5 }\nclients = 3\nports = 80\nscript = [\"handshake\"",
            "\"udp\"\narrival = { rate = 5 }\nclients = 3\nports = 80\nscript = [{ exchange = { response = { pareto = { least = 1, shape = 1.0, most = 1401 } } } }",
            "bad.toml:11:11: `response` goes up to 1401, and 1400 are the most here. Mend",
        ),
        (
            "\"close\"",
            "{ repeat = { times = 2e9, script = [] } }",
            "bad.toml:11:63: 2000000000 is not from 0 to 1000000",
        ),
    ] {
        let said = wrong(from, to);
        assert!(said.starts_with(begin), "\n{said}\ninstead of\n{begin}");
        assert!(said.split(". ").count() >= 2, "{said} lacks a remedy");
    }
}

#[test]
fn a_file_without_populations_is_refused() {
    let (head, _) = GOOD.split_once("[[population]]").unwrap();
    let said = Scenario::parse("bad.toml", head).unwrap_err().to_string();
    assert!(
        said.starts_with("bad.toml:2:15: the scenario has 0 populations. Give it"),
        "{said}"
    );
    let twice = format!(
        "{GOOD}\n[[population]]\n{}",
        GOOD.split_once("]]").unwrap().1
    );
    let said = Scenario::parse("bad.toml", &twice).unwrap_err().to_string();
    assert!(
        said.starts_with("bad.toml:15:8: a second population named `a`"),
        "{said}"
    );
}

#[test]
fn scenarios_are_found_by_name_or_file() {
    let said = Scenario::find("web-long").unwrap_err().to_string();
    assert!(
        said.starts_with("no scenario is named `web-long`. See"),
        "{said}"
    );
    let said = Scenario::find("/nowhere/web.toml").unwrap_err().to_string();
    assert!(
        said.starts_with("/nowhere/web.toml: No such file"),
        "{said}"
    );
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    std::fs::write(&path, GOOD).unwrap();
    assert_eq!(Scenario::find(path.to_str().unwrap()).unwrap().name, "mine");
}

#[test]
fn the_example_of_the_documentation_is_a_scenario() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/scenarios.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (_, rest) = text.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let scenario = Scenario::parse("example", example).unwrap_or_else(|error| panic!("{error}"));
    assert!(packets(&scenario, 1).len() > 1000);
}

#[test]
fn who_goes_on_after_the_entry_has_expired_is_cut_once() {
    use tracker_common::Timer;
    let cuts = |script: &str, proto: &str| {
        let text = format!(
            "description = 'cut'
            duration = '10s'
            [settings]
            tcp_timeout_established = 30
            tcp_timeout_time_wait = 30
            [[population]]
            name = 'a'
            proto = '{proto}'
            arrival = {{ burst = 3 }}
            clients = 1
            ports = 80
            script = {script}"
        );
        let scenario = Scenario::parse("cut", &text).unwrap();
        let mut traffic = scenario.traffic(1, &Overrides::default()).unwrap();
        traffic.by_ref().for_each(drop);
        let cuts = traffic.cuts().iter();
        cuts.map(|(&(timer, _, port), &count)| {
            assert_eq!(port, 80);
            (timer, count)
        })
        .collect::<Vec<_>>()
    };
    let again = "{ pause = '40s' }, { request = {} }";
    let twice = format!("['handshake', 'request', {again}, {again}]");
    assert_eq!(cuts(&twice, "tcp"), [(Timer::TcpEstablished, 3)]);
    // What a server says then goes nowhere, and is missed all the same.
    let told = "['handshake', 'request', { pause = '40s' }, { send = { from = 'server' } }]";
    assert_eq!(cuts(told, "tcp"), [(Timer::TcpEstablished, 3)]);
    let in_time = "['handshake', 'request', { pause = '20s' }, 'request', 'close']";
    assert_eq!(cuts(in_time, "tcp"), []);
    let anew = "['handshake', 'close', { pause = '40s' }, 'handshake']";
    assert_eq!(cuts(anew, "tcp"), []);
    let asked = "['datagram', { pause = '40s' }, 'datagram']";
    assert_eq!(cuts(asked, "udp"), [(Timer::Udp, 3)]);
}
