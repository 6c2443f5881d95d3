//! Plans that are refused before anything is written.

use crate::machine::{Machine, TIME_WAIT, UDP, plan};

fn refused(machine: &Machine, words: &[&str], code: i32, says: &[&str]) {
    let before = machine.files();
    let said = machine.apply(words, code);
    for part in says {
        assert!(said.contains(part), "{said}");
    }
    assert_eq!(machine.files(), before);
}

#[test]
fn a_plan_of_another_machine_is_refused_unless_any_will_do() {
    let machine = Machine::new();
    let mut other = plan(&machine);
    other["machine"] = serde_json::json!({ "id": "77", "host": "elsewhere" });
    machine.write_plan(&other);
    refused(
        &machine,
        &["--yes"],
        2,
        &[
            "the machine elsewhere, and this is gateway",
            "--any-machine",
        ],
    );
    machine.apply(&["--yes", "--any-machine"], 0);
    assert_eq!(machine.value(UDP), "45");

    // Without identities, the name decides.
    let machine = Machine::new();
    other["machine"] = serde_json::json!({ "id": null, "host": "gateway" });
    machine.write_plan(&other);
    machine.apply(&["--yes"], 0);
}

#[test]
fn what_is_no_plan_for_this_tracker_is_refused() {
    let machine = Machine::new();
    let good = plan(&machine);
    let mut older = good.clone();
    older["schema_version"] = 1.into();
    let mut unknown = good.clone();
    unknown["settings"][0]["name"] = "net.netfilter.nf_conntrack_udp_timeuot".into();
    let mut impossible = good.clone();
    impossible["settings"][0]["recommended"] = 0.into();
    let mut partial = good.clone();
    partial.as_object_mut().unwrap().remove("guard");
    let cut = good.to_string()[..200].to_owned();
    for (text, says) in [
        (older.to_string(), "version 1"),
        (unknown.to_string(), "nf_conntrack_udp_timeuot"),
        (impossible.to_string(), "cannot be 0"),
        (partial.to_string(), "guard"),
        (cut, "no whole plan"),
        ("{}".to_owned(), "no plan"),
    ] {
        machine.write_text(&text);
        refused(&machine, &["--yes"], 2, &[says, "recommend --format json"]);
    }
}

#[test]
fn what_is_missing_here_is_said_before_anything_is_written() {
    let machine = Machine::new();
    std::fs::remove_file(machine.path(&format!("proc/sys/net/netfilter/{TIME_WAIT}"))).unwrap();
    refused(
        &machine,
        &["--yes"],
        3,
        &["has no nf_conntrack_tcp_timeout_time_wait", "modprobe"],
    );

    let machine = Machine::new();
    let mut gone = plan(&machine);
    gone["namespaces"][0]["name"] = "blue".into();
    machine.write_plan(&gone);
    refused(
        &machine,
        &["--yes"],
        2,
        &["namespace blue is not there any more", "--netns"],
    );
    refused(
        &machine,
        &["--yes", "--netns", "green"],
        2,
        &["no network namespace green", "host"],
    );

    gone["namespaces"][0]["name"] = "net:[4026532300]".into();
    machine.write_plan(&gone);
    refused(
        &machine,
        &["--yes"],
        2,
        &["net:[4026532300] has no name to know it by", "--netns"],
    );

    let machine = Machine::new();
    std::fs::remove_file(machine.path("proc/sys/net/core/netdev_max_backlog")).unwrap();
    refused(
        &machine,
        &["--yes"],
        3,
        &["first network namespace", "outside of containers"],
    );
}

#[test]
fn values_that_moved_since_the_plan_was_made_are_said() {
    let machine = Machine::new();
    machine.set(UDP, "33");
    let said = machine.apply(&["--yes"], 0);
    assert!(
        said.contains("since the plan was made") && said.contains(UDP),
        "{said}"
    );
    machine.rollback(&[], 0);
    assert_eq!(machine.value(UDP), "33");
}

#[test]
fn a_table_that_would_be_full_at_once_is_refused() {
    let machine = Machine::new();
    let mut small = plan(&machine);
    small["settings"][2]["recommended"] = 4096.into();
    small["settings"][2]["action"] = "lower".into();
    machine.write_plan(&small);
    machine.set("nf_conntrack_count", "4096");
    refused(
        &machine,
        &["--yes"],
        3,
        &[
            "4096 entries that the network namespace host has",
            "when there are fewer",
        ],
    );
    machine.set("nf_conntrack_count", "4095");
    machine.apply(&["--yes"], 0);
    assert_eq!(machine.value("nf_conntrack_max"), "4096");
}
