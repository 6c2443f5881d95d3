use std::collections::HashMap;
use std::time::Duration;

use tracker_common::{Reason, State, Timer};

use crate::lab::packet::{Body, Due, Effect, Side, flag};
use crate::lab::scenario::{BUILTIN, Overrides, Scenario};

/// Packets of one connection with this script, which begins at once.
fn play(proto: &str, script: &str, settings: &str) -> Vec<Due> {
    let ports = if proto == "icmp" { "" } else { "ports = 80" };
    let text = format!(
        r#"
description = "test"
duration = "1s"
[settings]
{settings}
[[population]]
name = "a"
proto = "{proto}"
arrival = {{ burst = 1 }}
clients = 1
{ports}
rtt = "20ms"
script = {script}
"#
    );
    let scenario = Scenario::parse("test", &text).unwrap_or_else(|error| panic!("{error}"));
    let overrides = Overrides::default();
    let packets: Vec<Due> = scenario.traffic(1, &overrides).unwrap().collect();
    Sequences::check(&packets);
    packets
}

/// States and timers that packets lead to, `-` for none.
fn effects(packets: &[Due]) -> Vec<String> {
    let name = |state: State| state.name().trim_start_matches("tcp_").to_owned();
    let timed = |state: State, timer: Timer| {
        if Timer::of_tcp(state) == timer {
            return name(state);
        }
        format!(
            "{}/{}",
            name(state),
            timer.name().trim_start_matches("tcp_timeout_")
        )
    };
    let effect = |due: &Due| match due.packet.effect {
        Effect::Insert {
            state,
            timer,
            pickup,
        } => format!("{}{}", if pickup { "!" } else { "+" }, timed(state, timer)),
        Effect::Refresh { state, timer } => timed(state, timer),
        Effect::Nothing => "-".to_owned(),
        Effect::Kill { state, reason } => format!("{}:{}", name(state), reason.name()),
        Effect::Reopen { state, timer } => format!("*{}", timed(state, timer)),
    };
    packets.iter().map(effect).collect()
}

fn tcp(script: &str) -> String {
    effects(&play("tcp", script, "")).join(" ")
}

#[test]
fn a_whole_connection() {
    let script = r#"["handshake", { request = {} }, "close"]"#;
    assert_eq!(
        tcp(script),
        "+syn_sent syn_recv established established/unacknowledged established \
         established/unacknowledged established fin_wait close_wait last_ack time_wait"
    );
}

#[test]
fn a_talk_pauses_once_for_long_and_ends_in_time() {
    let talk = r#"{ talk = { lasts = "80s", pause = "60s" } }"#;
    let packets = play("udp", &format!("[{talk}]"), "");
    let seconds: Vec<u64> = packets.iter().map(|due| due.at.as_secs()).collect();
    assert_eq!(seconds, [0, 0, 60, 60, 80, 80]);
    // The flow was forgotten meanwhile; the next one became a stream.
    assert_eq!(
        effects(&packets).join(" "),
        "+udp_unreplied/udp_timeout udp_replied/udp_timeout +udp_unreplied/udp_timeout \
         udp_replied/udp_timeout udp_stream/udp_timeout_stream udp_stream/udp_timeout_stream"
    );
    let one_way = r#"[{ talk = { lasts = "4s", pause = "2s", answered = false } }]"#;
    assert_eq!(play("icmp", one_way, "").len(), 3);
    let script = format!(r#"["handshake", {talk}, "close"]"#);
    assert_eq!(play("tcp", &script, "").len(), 3 + 3 * 4 + 4);
}

#[test]
fn openings_that_lead_nowhere() {
    assert_eq!(
        tcp(r#"[{ unanswered = { retransmits = 3 } }]"#),
        "+syn_sent - - -"
    );
    assert_eq!(tcp(r#"["refused"]"#), "+syn_sent close:reset_before_reply");
    assert_eq!(
        tcp(r#"[{ half_open = { retransmits = 2 } }]"#),
        "+syn_sent syn_recv - -"
    );
    // The second SYN comes when the first one's entry is gone.
    assert_eq!(
        tcp(r#"["unanswered", { pause = "3m" }, "unanswered"]"#),
        "+syn_sent +syn_sent"
    );
    assert_eq!(
        tcp(r#"["unanswered", { pause = "1s" }, "handshake"]"#),
        "+syn_sent - syn_recv established"
    );
}

#[test]
fn every_order_of_closing() {
    let open = "+syn_sent syn_recv established";
    for (step, states) in [
        (
            r#"{ close = { by = "server" } }"#,
            "fin_wait close_wait last_ack time_wait",
        ),
        (
            r#"{ close = { way = "three" } }"#,
            "fin_wait last_ack time_wait",
        ),
        (
            r#"{ close = { way = "crossing" } }"#,
            "fin_wait last_ack time_wait time_wait",
        ),
        (r#""reset""#, "close"),
        (r#""reset", "late""#, "close close"),
        (
            r#"{ fin = {} }, { send = { from = "server" } }"#,
            "fin_wait close_wait close_wait close_wait",
        ),
        (
            r#""close", "late", "reset""#,
            "fin_wait close_wait last_ack time_wait time_wait close",
        ),
    ] {
        assert_eq!(
            tcp(&format!(r#"["handshake", {step}]"#)),
            format!("{open} {states}")
        );
    }
}

#[test]
fn a_closed_connection_is_opened_again_while_its_entry_lives() {
    let again = tcp(r#"["handshake", "close", { pause = "5s" }, "handshake"]"#);
    assert!(
        again.ends_with("time_wait *syn_sent syn_recv established"),
        "{again}"
    );
    let late = tcp(r#"["handshake", "close", { pause = "3m" }, "handshake"]"#);
    assert!(
        late.ends_with("time_wait +syn_sent syn_recv established"),
        "{late}"
    );
}

#[test]
fn what_is_repeated_waits_less_patiently() {
    let script = r#"["handshake", { retransmit = { from = "client", times = 4 } }]"#;
    assert_eq!(
        tcp(script),
        "+syn_sent syn_recv established established/unacknowledged established/unacknowledged \
         established/unacknowledged established/max_retrans established/max_retrans established"
    );
    let script = r#"["handshake", "late", "late", "late"]"#;
    assert!(tcp(script).ends_with("established established established established/max_retrans"));
}

#[test]
fn a_closed_window_waits_less_patiently() {
    let script = r#"["handshake", { zero_window = { by = "client", probes = 1 } }]"#;
    assert_eq!(
        tcp(script),
        "+syn_sent syn_recv established established/unacknowledged established/max_retrans \
         established established/max_retrans established"
    );
}

#[test]
fn a_pickup_is_patient_only_after_two_answers() {
    assert_eq!(
        tcp(r#"["pickup", { send = { from = "client" } }]"#),
        "!established/max_retrans established/unacknowledged established/unacknowledged established"
    );
    // What the server would acknowledge is not looked at before it is heard of.
    assert_eq!(
        tcp(r#"[{ pickup = { answered = false } }, { send = { from = "client" } }]"#),
        "!established/max_retrans established/unacknowledged established/unacknowledged established"
    );
    assert_eq!(
        tcp(r#"[{ pickup = { answered = false } }, "reset"]"#),
        "!established/max_retrans close:reset_before_reply"
    );
    assert_eq!(
        tcp(r#"[{ send = { from = "client", bytes = 3000 } }]"#),
        "!established/max_retrans established/unacknowledged established/unacknowledged \
         established/unacknowledged established"
    );
}

#[test]
fn of_what_fits_nothing_no_entry_comes() {
    assert_eq!(tcp(r#"[{ fin = { by = "client" } }]"#), "-");
    assert_eq!(tcp(r#"["reset"]"#), "-");
    assert_eq!(tcp(r#"[{ send = { from = "server" } }]"#), "");
}

#[test]
fn a_short_timer_is_never_made_longer() {
    let packets = play(
        "tcp",
        r#"["handshake", { request = {} }]"#,
        "tcp_timeout_established = 100",
    );
    assert_eq!(
        effects(&packets)[2..].join(" "),
        "established established established established established"
    );
    // A FIN is a byte that waits for its acknowledgment.
    let packets = play(
        "tcp",
        r#"["handshake", "fin"]"#,
        "tcp_timeout_unacknowledged = 20",
    );
    assert_eq!(
        effects(&packets)[2..].join(" "),
        "established fin_wait/unacknowledged close_wait"
    );
}

#[test]
fn a_flow_is_a_stream_after_two_seconds_once_answered() {
    let script = r#"["exchange", { pause = "1s" }, "exchange", { pause = "2s" }, "exchange"]"#;
    assert_eq!(
        effects(&play("udp", script, "")).join(" "),
        "+udp_unreplied/udp_timeout udp_replied/udp_timeout udp_replied/udp_timeout \
         udp_replied/udp_timeout udp_stream/udp_timeout_stream udp_stream/udp_timeout_stream"
    );
    let script = r#"["datagram", { pause = "3s" }, "exchange", "datagram"]"#;
    assert_eq!(
        effects(&play("udp", script, "")).join(" "),
        "+udp_unreplied/udp_timeout udp_unreplied/udp_timeout udp_replied/udp_timeout \
         udp_stream/udp_timeout_stream"
    );
}

#[test]
fn nothing_is_sent_near_a_moment_that_matters() {
    let script =
        r#"["exchange", { pause = "1980ms" }, "datagram", { pause = "119990ms" }, "datagram"]"#;
    let packets = play("udp", script, "");
    assert_eq!(packets[2].at, Duration::from_millis(2050));
    assert_eq!(
        packets[3].at,
        packets[2].at + Duration::from_millis(120_050)
    );
    assert!(matches!(packets[3].packet.effect, Effect::Insert { .. }));
}

#[test]
fn echoes() {
    let script = r#"["echo", { pause = "1m" }, { echo = { answered = false } }]"#;
    assert_eq!(
        effects(&play("icmp", script, "")).join(" "),
        "+icmp/icmp_timeout icmp/icmp_timeout +icmp/icmp_timeout"
    );
}

#[test]
fn a_script_that_does_nothing_for_ever_ends() {
    let idle = r#"{ repeat = { times = 1000000, script = [{ pause = "1s" }] } }"#;
    let script = format!(r#"["handshake", {idle}, "close"]"#);
    assert_eq!(tcp(&script), "+syn_sent syn_recv established");
}

#[test]
fn repetitions_and_branches_are_left_where_they_end() {
    let script = r#"[{ repeat = { times = 2, script = ["echo", { repeat = { times = 0, script = ["echo"] } },
        { choose = [{ weight = 1, script = [{ repeat = { times = 3, script = [{ echo = { answered = false } }] } }] }] }] } }]"#;
    assert_eq!(play("icmp", script, "").len(), 2 * (2 + 3));
}

/// Checks sequence numbers without knowing how they were made: each side's data is contiguous,
/// what is acknowledged was sent, and no more is on its way than the window takes.
#[derive(Default)]
struct Sequences {
    /// End of what each side has sent, and what the other one has acknowledged of it.
    sent: [Option<u32>; 2],
    acknowledged: [Option<u32>; 2],
}

impl Sequences {
    fn check(packets: &[Due]) {
        let mut connections: HashMap<u32, Self> = HashMap::new();
        for due in packets {
            let it = connections.entry(due.packet.connection).or_default();
            it.packet(due);
        }
    }

    fn packet(&mut self, due: &Due) {
        let Body::Tcp {
            flags,
            sequence,
            acknowledgment,
            payload,
            ..
        } = due.packet.body
        else {
            return;
        };
        let begins = matches!(
            due.packet.effect,
            Effect::Insert { .. } | Effect::Reopen { .. }
        );
        if begins || self.sent == [None; 2] {
            *self = Self::default();
        }
        let (own, peer) = match due.packet.side {
            Side::Client => (0, 1),
            Side::Server => (1, 0),
        };
        let kills = matches!(due.packet.effect, Effect::Kill { .. });
        assert_eq!(flags & flag::ACK == 0, flags == flag::SYN, "{due:?}");
        assert!(payload <= 1400, "{due:?}");
        if kills && self.sent[own].is_none() {
            // It answers a SYN.
            assert_eq!((sequence, Some(acknowledgment)), (0, self.sent[peer]));
            return;
        }
        let counted = u32::from(flags & (flag::SYN | flag::FIN) != 0);
        let end = sequence.wrapping_add(u32::from(payload) + counted);
        match self.sent[own] {
            None => self.sent[own] = Some(end),
            Some(sent) => {
                let gap = sequence.wrapping_sub(sent).cast_signed();
                assert!(gap <= 0 && gap > -50_000, "{due:?} leaves a gap of {gap}");
                if end.wrapping_sub(sent).cast_signed() > 0 {
                    self.sent[own] = Some(end);
                }
                if flags & flag::RST != 0
                    && let Some(expected) = self.acknowledged[own]
                {
                    assert_eq!(sequence, expected, "{due:?} is not where it is waited for");
                }
            }
        }
        if flags & flag::ACK != 0 {
            let known = *self.sent[peer].get_or_insert(acknowledgment);
            assert_eq!(
                acknowledgment, known,
                "{due:?} acknowledges what was not sent"
            );
            self.acknowledged[peer] = Some(acknowledgment);
        }
        if let (Some(sent), Some(acknowledged)) = (self.sent[own], self.acknowledged[own]) {
            let on_its_way = sent.wrapping_sub(acknowledged);
            assert!(
                on_its_way <= 60_000,
                "{due:?}: {on_its_way} bytes on their way"
            );
        }
    }
}

#[test]
fn all_segments_of_the_builtin_scenarios_are_in_their_windows() {
    for builtin in BUILTIN {
        let scenario = Scenario::parse(builtin.name, builtin.text).unwrap();
        let traffic = scenario.traffic(11, &Overrides::default()).unwrap();
        Sequences::check(&traffic.collect::<Vec<_>>());
    }
}

#[test]
fn resets_have_a_reason_of_their_own() {
    let packets = play("tcp", r#"["refused"]"#, "");
    let kill = Effect::Kill {
        state: State::TcpClose,
        reason: Reason::ResetBeforeReply,
    };
    assert_eq!(packets[1].packet.effect, kill);
}
