//! `tracker apply` and `tracker rollback` on a folder that holds the files of a machine.
#![expect(
    clippy::unwrap_used,
    reason = "without its machine a test has nothing to say"
)]

mod answer;
mod faults;
mod guard;
mod machine;
mod plans;

use std::{fs, io::Write};

use machine::{Machine, TIME_WAIT, UDP, plan};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

const LOSSES: i32 = 4;
const OWN_FILE: &str = "etc/sysctl.d/90-tracker.conf";

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
    assert!(said.contains("No value differs from the plan"), "{said}");
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
    let own = machine.path(OWN_FILE);
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
    machine.write(OWN_FILE, "net.netfilter.nf_conntrack_max = 1\n");
    let before = machine.files();
    let said = machine.apply(&["--yes", "--persist"], 2);
    assert!(said.contains("is not as tracker wrote it"), "{said}");
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

#[test]
fn what_kube_proxy_does_elsewhere_concerns_nobody_here() {
    let machine = Machine::new();
    machine.write("proc/77/cmdline", "/usr/local/bin/kube-proxy\0");
    machine.write("proc/77/ns/net", "");
    machine.apply(&["--yes"], 0);
    assert_eq!(machine.value(UDP), "45");

    // Where it takes everything over, nothing is said to be as planned.
    let machine = Machine::new();
    machine.write("proc/77/cmdline", "/usr/local/bin/kube-proxy\0");
    machine.set(TIME_WAIT, "60");
    let said = machine.apply(&["--yes"], 0);
    assert!(
        said.starts_with("kube-proxy runs here") && !said.contains("differs"),
        "{said}"
    );
}

#[test]
fn what_goes_further_than_the_plan_stays() {
    let machine = Machine::new();
    machine.set("nf_conntrack_max", "524288");
    machine.set(TIME_WAIT, "20");
    let said = machine.apply(&["--yes", "--persist"], 0);
    for part in ["nf_conntrack_max is 524288", "time_wait is 20 already"] {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(machine.value("nf_conntrack_max"), "524288");
    assert_eq!(
        (machine.value(TIME_WAIT), machine.value(UDP)),
        ("20".into(), "45".into())
    );
    let own = fs::read_to_string(machine.path(OWN_FILE)).unwrap();
    assert!(own.ends_with("udp_timeout = 45\n"), "{own}");
    assert!(!own.contains("max") && !own.contains("time_wait"), "{own}");
    // No bound at all is more than any.
    let machine = Machine::new();
    machine.set("nf_conntrack_max", "0");
    machine.apply(&["--yes"], 0);
    assert_eq!(machine.value("nf_conntrack_max"), "0");
}

#[test]
fn all_of_a_plan_is_set_at_boot_also_what_has_its_value_already() {
    let machine = Machine::new();
    machine.set(UDP, "45");
    let before = machine.files();
    machine.apply(&["--yes"], 0);
    // The values have proven good, and are to stay.
    machine.apply(&["--yes", "--persist"], 0);
    let own = fs::read_to_string(machine.path(OWN_FILE)).unwrap();
    for line in ["time_wait = 60\n", "udp_timeout = 45\n", "max = 16384\n"] {
        assert!(own.contains(line), "{own}");
    }
    let said = machine.apply(&["--yes", "--persist"], 0);
    assert!(said.contains("No value differs"), "{said}");
    machine.rollback(&[], 0);
    assert_eq!(machine.files(), before);
}

#[test]
fn a_folder_that_nothing_reads_at_boot_is_said_before_anything_is_written() {
    let machine = Machine::new();
    fs::remove_dir_all(machine.path("etc/sysctl.d")).unwrap();
    let before = machine.files();
    let said = machine.apply(&["--yes", "--persist"], 3);
    assert!(said.contains("Make the folder"), "{said}");
    assert_eq!(machine.files(), before);
}

#[test]
fn old_values_that_anybody_may_have_written_are_not_restored() {
    use std::os::unix::fs::PermissionsExt;
    let machine = Machine::new();
    machine.apply(&["--yes"], 0);
    let state = machine.path("var/lib/tracker/applied.json");
    fs::set_permissions(&state, fs::Permissions::from_mode(0o666)).unwrap();
    let said = machine.rollback(&[], 1);
    assert!(
        said.contains("others than root may have written it"),
        "{said}"
    );
    fs::set_permissions(&state, fs::Permissions::from_mode(0o600)).unwrap();
    let text = fs::read_to_string(&state).unwrap();
    let foreign = r#""own_file": {"before": "kernel.core_pattern = |x", "after": ""}"#;
    fs::write(&state, text.replace(r#""own_file": null"#, foreign)).unwrap();
    let said = machine.rollback(&["--force"], 1);
    assert!(said.contains("not tracker's"), "{said}");
    assert_eq!(machine.value(UDP), "45");
}

#[test]
fn what_is_not_to_be_seen_is_not_taken_for_gone() {
    let machine = Machine::new();
    machine.write("run/netns/blue", "");
    let mut two = plan(&machine);
    two["namespaces"] = serde_json::json!([{ "inum": 7, "name": "blue" }]);
    two["settings"].as_array_mut().unwrap().truncate(2);
    machine.write_plan(&two);
    // All namespaces of this machine show the same sysctls, but for one that cannot be entered.
    let own = machine.path("proc/thread-self/ns/net");
    let enter = |path: &str| {
        fs::remove_file(&own).unwrap();
        fs::hard_link(machine.path(path), &own).unwrap();
    };
    enter("run/netns/blue");
    machine.apply(&["--yes"], 0);
    enter("proc/1/ns/net");
    fs::rename(machine.path("run/netns/blue"), machine.path("blue")).unwrap();
    fs::rename(machine.path("proc/1/ns/mnt"), machine.path("mnt")).unwrap();
    let said = machine.rollback(&["--force"], LOSSES);
    assert!(said.contains("not to be seen from here"), "{said}");
    assert_eq!(machine.value(UDP), "45");
    // Without a name it may well be the same: a process may be in it.
    fs::create_dir_all(machine.path("proc/77/ns")).unwrap();
    fs::rename(machine.path("blue"), machine.path("proc/77/ns/net")).unwrap();
    enter("proc/77/ns/net");
    machine.rollback(&[], 0);
    assert_eq!(machine.value(UDP), "30");

    fs::rename(
        machine.path("proc/77/ns/net"),
        machine.path("run/netns/green"),
    )
    .unwrap();
    enter("run/netns/green");
    two["namespaces"][0]["name"] = "green".into();
    machine.write_plan(&two);
    machine.apply(&["--yes"], 0);
    enter("proc/1/ns/net");
    fs::remove_file(machine.path("run/netns/green")).unwrap();
    fs::rename(machine.path("mnt"), machine.path("proc/1/ns/mnt")).unwrap();
    let said = machine.rollback(&[], 0);
    assert!(said.contains("gone"), "{said}");
}

/// The kernel gives the number of a namespace that is gone to another one.
#[test]
fn another_namespace_of_the_same_number_is_left_alone() {
    let machine = Machine::new();
    machine.write("run/netns/blue", "");
    let own = machine.path("proc/thread-self/ns/net");
    fs::remove_file(&own).unwrap();
    fs::hard_link(machine.path("run/netns/blue"), own).unwrap();
    let mut one = plan(&machine);
    one["namespaces"] = serde_json::json!([{ "inum": 7, "name": "blue" }]);
    one["settings"].as_array_mut().unwrap().truncate(2);
    machine.write_plan(&one);
    machine.apply(&["--yes"], 0);
    let [blue, amber, green] =
        ["blue", "amber", "green"].map(|it| machine.path("run/netns").join(it));
    // A further name makes no other one of it.
    fs::hard_link(&blue, &amber).unwrap();
    machine.rollback(&[], 0);
    assert_eq!(machine.value(UDP), "30");
    fs::remove_file(amber).unwrap();

    machine.apply(&["--yes"], 0);
    fs::rename(blue, green).unwrap();
    let said = machine.rollback(&[], LOSSES);
    assert!(said.contains("not this namespace, but green"), "{said}");
    assert_eq!(machine.value(UDP), "45");
    machine.rollback(&["--force"], 0);
    assert_eq!(machine.value(UDP), "30");
}

/// What the guard leaves behind if it dies: it goes back, whatever signals it gets, unless dismissed.
#[test]
fn a_dead_man_goes_back_unless_he_is_dismissed() {
    for is_dismissed in [false, true] {
        let machine = Machine::new();
        machine.apply(&["--yes"], 0);
        let (mut waiting, mut lifeline) = machine.dead_man();
        for signal in [
            Signal::SIGTERM,
            Signal::SIGINT,
            Signal::SIGHUP,
            Signal::SIGTSTP,
        ] {
            kill(Pid::from_raw(waiting.id().cast_signed()), signal).unwrap();
        }
        lifeline.write_all(b"\n\n").unwrap();
        if is_dismissed {
            lifeline.write_all(b"d").unwrap();
        }
        drop(lifeline);
        assert_eq!(waiting.wait().unwrap().code(), Some(0));
        let expected = if is_dismissed { "45" } else { "30" };
        assert_eq!(machine.value(UDP), expected);
    }
}

#[test]
fn a_dead_man_takes_back_no_other_plan() {
    let machine = Machine::new();
    machine.apply(&["--yes"], 0);
    let (mut waiting, lifeline) = machine.dead_man();
    machine.rollback(&[], 0);
    machine.apply(&["--yes"], 0);
    drop(lifeline);
    assert_eq!(waiting.wait().unwrap().code(), Some(0));
    assert_eq!(machine.value(UDP), "45");
    // What is left of a rollback is not his either: somebody has dealt with it.
    let (mut waiting, lifeline) = machine.dead_man();
    machine.set(UDP, "77");
    machine.rollback(&[], LOSSES);
    machine.set(UDP, "45");
    drop(lifeline);
    assert_eq!(waiting.wait().unwrap().code(), Some(0));
    assert_eq!(machine.value(UDP), "45");
}
