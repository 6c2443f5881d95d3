//! `tracker apply` and `tracker rollback` on a folder that holds the files of a machine.
#![expect(
    clippy::unwrap_used,
    reason = "without its machine a test has nothing to say"
)]

mod faults;
mod machine;
mod plans;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
};

use machine::{Machine, TIME_WAIT, UDP, plan};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const LOSSES: i32 = 4;

#[test]
fn a_plan_is_applied_and_taken_back() {
    let machine = Machine::new();
    let before = machine.files();
    let said = machine.apply(&["--yes", "--buckets"], 0);
    assert!(
        said.contains("nf_conntrack_tcp_timeout_time_wait  host "),
        "{said}"
    );
    assert_eq!(machine.value(TIME_WAIT), "60");
    assert_eq!(machine.value(UDP), "45");
    assert_eq!(machine.value("nf_conntrack_max"), "16384");
    assert_eq!(machine.value("nf_conntrack_buckets"), "16384");
    // One at a time: the way back from two would not be clear.
    machine.set(UDP, "30");
    let said = machine.apply(&["--yes"], 2);
    assert!(said.contains("a plan is applied already"), "{said}");
    machine.set(UDP, "45");
    let said = machine.rollback(&[], 0);
    assert!(said.contains("restored"), "{said}");
    assert_eq!(machine.files(), before);
    let said = machine.rollback(&[], 0);
    assert!(said.contains("No plan is applied"), "{said}");
}

#[test]
fn what_does_not_differ_is_not_written_and_nobody_is_asked_in_vain() {
    let machine = Machine::new();
    let before = machine.files();
    let said = machine.apply(&[], 2);
    assert!(
        said.contains("no terminal") && said.contains("--yes"),
        "{said}"
    );
    assert_eq!(machine.files(), before);
    for (name, value) in [
        (TIME_WAIT, "60"),
        (UDP, "45"),
        ("nf_conntrack_max", "16384"),
    ] {
        machine.set(name, value);
    }
    let said = machine.apply(&[], 0);
    assert!(said.contains("no value differs from the plan"), "{said}");
    assert!(
        said.contains("nf_conntrack_buckets stays at 8192"),
        "{said}"
    );
}

#[test]
fn what_somebody_else_has_set_stays_unless_forced() {
    let machine = Machine::new();
    let before = machine.files();
    machine.apply(&["--yes"], 0);
    machine.set(UDP, "77");
    let said = machine.rollback(&[], LOSSES);
    assert!(said.contains("set by somebody else, was 30 s"), "{said}");
    assert_eq!(
        (machine.value(UDP), machine.value(TIME_WAIT)),
        ("77".into(), "120".into())
    );
    machine.rollback(&[], LOSSES);
    machine.rollback(&["--force"], 0);
    assert_eq!(machine.files(), before);
}

#[test]
fn what_is_kept_for_good_can_be_followed_by_another_plan() {
    let machine = Machine::new();
    machine.apply(&["--yes"], 0);
    machine.rollback(&["--forget"], 0);
    assert_eq!(machine.value(UDP), "45");
    let mut next = plan(&machine);
    next["settings"][1]["recommended"] = 50.into();
    machine.write_plan(&next);
    machine.apply(&["--yes"], 0);
    machine.rollback(&[], 0);
    assert_eq!(machine.value(UDP), "45");
}

#[test]
fn a_reboot_undoes_live_values_and_rollback_the_file() {
    let machine = Machine::new();
    let before = machine.files();
    let said = machine.apply(&["--yes", "--persist"], 0);
    assert!(said.contains("modules-load.d"), "{said}");
    let own = machine.path("etc/sysctl.d/90-tracker.conf");
    let text = fs::read_to_string(&own).unwrap();
    assert!(
        text.contains("net.netfilter.nf_conntrack_udp_timeout = 45\n"),
        "{text}"
    );
    machine.reboot();
    // At boot the file has set all but one that was changed later.
    machine.set(TIME_WAIT, "99");
    machine.rollback(&[], LOSSES);
    assert!(!own.exists());
    assert_eq!(
        (machine.value(UDP), machine.value(TIME_WAIT)),
        ("30".into(), "99".into())
    );
    machine.rollback(&["--force"], 0);
    machine.boot_is("a");
    assert_eq!(machine.files(), before);

    machine.apply(&["--yes"], 0);
    machine.reboot();
    let said = machine.rollback(&[], 0);
    assert!(said.contains("has been started anew"), "{said}");
    assert_eq!(machine.value(UDP), "45");
}

#[test]
fn old_values_of_another_machine_are_not_restored_here() {
    let machine = Machine::new();
    machine.apply(&["--yes"], 0);
    machine.write("etc/machine-id", "aaaa456789abcdef0123456789abcdef\n");
    let said = machine.rollback(&["--force"], 2);
    assert!(said.contains("another machine"), "{said}");
    assert_eq!(machine.value(UDP), "45");
}

#[test]
fn a_file_of_somebody_elses_is_left_alone() {
    let machine = Machine::new();
    machine.write(
        "etc/sysctl.d/90-tracker.conf",
        "net.netfilter.nf_conntrack_max = 1\n",
    );
    let before = machine.files();
    let said = machine.apply(&["--yes", "--persist"], 2);
    assert!(said.contains("was not written by tracker"), "{said}");
    assert_eq!(machine.files(), before);
}

#[test]
fn kube_proxy_is_told_what_it_would_overwrite() {
    let machine = Machine::new();
    machine.write(
        "proc/77/cmdline",
        "/usr/local/bin/kube-proxy\0--config=/x\0",
    );
    let said = machine.apply(&["--yes"], 0);
    for line in ["maxPerCore: 8192\n", "min: 16384\n", "udpTimeout: 45s\n"] {
        assert!(said.contains(line), "{said}");
    }
    assert_eq!(
        (machine.value(UDP), machine.value(TIME_WAIT)),
        ("30".into(), "60".into())
    );
    assert_eq!(machine.value("nf_conntrack_max"), "8192");
}

/// What the guard leaves behind if it dies: it goes back, whatever signals it gets, unless dismissed.
#[test]
fn a_dead_man_goes_back_unless_he_is_dismissed() {
    for is_dismissed in [false, true] {
        let machine = Machine::new();
        machine.apply(&["--yes"], 0);
        let mut waiting = Command::new(env!("CARGO_BIN_EXE_tracker"))
            .args(["rollback", "--dead-man", "--root"])
            .arg(machine.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let stdout = waiting.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut ready).unwrap();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            kill(Pid::from_raw(waiting.id().cast_signed()), signal).unwrap();
        }
        let mut lifeline = waiting.stdin.take().unwrap();
        if is_dismissed {
            lifeline.write_all(b"dismissed\n").unwrap();
        }
        drop(lifeline);
        assert_eq!(waiting.wait().unwrap().code(), Some(0));
        let expected = if is_dismissed { "45" } else { "30" };
        assert_eq!(machine.value(UDP), expected);
    }
}
