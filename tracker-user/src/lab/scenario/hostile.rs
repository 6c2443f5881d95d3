//! Whatever a file says: it is refused with a place and a remedy, or played in the order of time.

use proptest::prelude::*;

use super::*;

/// What may stand where a value is expected.
const VALUES: &[&str] = &[
    "-1",
    "0",
    "1",
    "65536",
    "4294967296",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "-0.0",
    "5e-324",
    "1e-9",
    "1e6",
    "1e308",
    "nan",
    "inf",
    "-inf",
    "true",
    "1979-05-27",
    "\"\"",
    "\"1ns\"",
    "\"100days\"",
    "\"spoofed\"",
    "\"vanish\"",
    "\"pause\"",
    "[]",
    "[0]",
    "[[]]",
    "{}",
    "{ uniform = [0, 1] }",
    "{ lognormal = { median = 1e6, sigma = 10.0 } }",
    "{ pareto = { least = 1e6, shape = 0.05 } }",
    "{ repeat = { times = 1e6, script = [\"vanish\"] } }",
];

/// Packets that are looked at.
const SOME: usize = 300;

fn check(text: &str) {
    let scenario = match Scenario::parse("x", text) {
        Ok(scenario) => scenario,
        Err(error) => {
            let said = error.to_string();
            let mut parts = said.splitn(4, ':');
            assert_eq!(parts.next(), Some("x"), "{said}");
            let lines = text.split('\n').count();
            for most in [lines, text.len() + 1] {
                let number = parts.next().and_then(|it| it.parse().ok());
                assert!(number.is_some_and(|it| (1..=most).contains(&it)), "{said}");
            }
            assert!(said.contains(". "), "{said} lacks a remedy");
            return;
        }
    };
    for rate in [None, Some(Rate::Highest)] {
        let overrides = Overrides {
            rate,
            ..Overrides::default()
        };
        match scenario.traffic(1, &overrides) {
            Ok(traffic) => assert!(traffic.take(SOME).is_sorted_by_key(|due| due.at), "{text}"),
            Err(error) => assert!(error.to_string().contains(". "), "{error}"),
        }
    }
}

/// Where the value begins and ends that stands behind each `=`.
fn values(text: &str) -> impl Iterator<Item = std::ops::Range<usize>> {
    text.match_indices("= ").map(|(at, _)| {
        let begin = at + 2;
        let length = text[begin..].find([',', '}', '\n']);
        begin..length.map_or(text.len(), |length| begin + length)
    })
}

#[test]
fn no_value_makes_a_scenario_panic() {
    for builtin in BUILTIN {
        for place in values(builtin.text) {
            for value in VALUES {
                let mut text = builtin.text.to_owned();
                text.replace_range(place.clone(), value);
                check(&text);
            }
        }
    }
}

#[test]
fn no_depth_makes_the_parser_panic() {
    for (open, close) in [
        ("[", "]"),
        ("{ a = ", " }"),
        ("{ repeat = { script = [", "]}}"),
    ] {
        for depth in [10, 1000, 100_000] {
            let text = format!(
                "description = {}{}",
                open.repeat(depth),
                close.repeat(depth)
            );
            check(&text);
        }
    }
    let header = format!("[{}a]", "a.".repeat(100_000));
    check(&header);
}

/// A script that waits longer than there is time, and sends meanwhile.
#[test]
fn no_script_goes_on_for_ever() {
    let script = "{ repeat = { times = 1e6, script = [
        { retransmit = { from = 'client', times = 30, first = '100days' } },
        { stream = { from = 'client', every = '100days', count = 1e4 } },
        { pause = '100days' } ] } }";
    for (proto, step) in [("tcp", "retransmit"), ("udp", "stream")] {
        let mine = script
            .lines()
            .filter(|line| !line.contains("from") || line.contains(step));
        let text = format!(
            "description = 'x'\nduration = 1\n[[population]]\nname = 'a'\nproto = '{proto}'
            arrival = {{ burst = 3 }}\nclients = 1\nports = 1\nscript = ['{}', {}]",
            if proto == "tcp" {
                "handshake"
            } else {
                "exchange"
            },
            mine.collect::<Vec<_>>().join(" "),
        );
        let scenario = Scenario::parse("x", &text).unwrap_or_else(|error| panic!("{error}"));
        for rate in [None, Some(Rate::Highest)] {
            let overrides = Overrides {
                rate,
                ..Overrides::default()
            };
            let traffic = scenario.traffic(1, &overrides).unwrap();
            let century = Duration::from_secs(101 * 365 * 86_400);
            let mut last = Duration::ZERO;
            for due in traffic {
                assert!(last <= due.at && due.at < century, "{last:?} {:?}", due.at);
                last = due.at;
            }
            assert!(last > century / 2, "{last:?}");
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text: String) {
        check(&text);
    }

    #[test]
    fn no_change_of_a_scenario_makes_it_panic(
        which in 0..BUILTIN.len(),
        at in 0..4000_usize,
        length in 0..20_usize,
        put in "[a-z0-9{}\\[\\]\"=.,\n -]{0,12}",
    ) {
        let mut text: Vec<char> = BUILTIN[which].text.chars().collect();
        let begin = at % text.len();
        let end = (begin + length).min(text.len());
        text.splice(begin..end, put.chars());
        let text: String = text.into_iter().collect();
        check(&text);
    }
}
