//! What a guard finds at its end.

use std::fs;

use tracker_user::{
    apply::{Change, Store, drifted, guard::Judging, is_undone},
    kernel::Root,
    report::{self, Style},
};

use crate::{
    OWN_FILE,
    machine::{Machine, TIME_WAIT, UDP},
};

fn root(machine: &Machine) -> Root {
    Root::at(machine.path(""))
}

fn store(machine: &Machine) -> Store {
    Store::open(&Store::usual(&root(machine))).unwrap()
}

#[test]
fn what_was_set_to_something_else_meanwhile_is_not_in_force() {
    let machine = Machine::new();
    machine.apply(&["--yes"], 0);
    let changes = store(&machine).load().unwrap().unwrap().changes;
    let found = || {
        let all = drifted(&root(&machine), &changes).unwrap().into_iter();
        let short = |change: &Change| change.name.short();
        all.map(|it| (short(&it.change), it.now))
            .collect::<Vec<_>>()
    };
    assert_eq!(found(), []);
    let is_undone = || is_undone(&root(&machine), &changes);
    machine.set(UDP, "30");
    assert!(!is_undone());
    fs::remove_file(machine.path(&format!("proc/sys/net/netfilter/{TIME_WAIT}"))).unwrap();
    let mut found = found();
    found.sort();
    assert_eq!(
        found,
        [(TIME_WAIT.to_owned(), None), (UDP.to_owned(), Some(30))]
    );
    machine.set("nf_conntrack_max", "8192");
    assert!(is_undone());
}

#[test]
fn what_is_not_in_force_is_told_with_what_that_means() {
    let machine = Machine::new();
    machine.apply(&["--yes"], 0);
    let changes = store(&machine).load().unwrap().unwrap().changes;
    let said = || {
        let found = drifted(&root(&machine), &changes).unwrap();
        report::apply::drifted(&found, &changes, &Style::default())
    };
    machine.set(UDP, "30");
    let part = said();
    for words in [
        UDP,
        "45 s",
        "30 s",
        "not the whole plan",
        "tracker rollback",
    ] {
        assert!(part.contains(words), "{part}");
    }
    assert!(!part.contains(TIME_WAIT), "{part}");
    machine.set(TIME_WAIT, "120");
    machine.set("nf_conntrack_max", "8192");
    let all = said();
    assert!(all.contains("it was not the plan that was judged"), "{all}");
}

#[test]
fn a_guard_keeps_and_takes_back_its_own_plan_and_no_other() {
    let machine = Machine::new();
    machine.apply(&["--yes"], 0);
    let its = store(&machine).load().unwrap().unwrap();
    assert!(store(&machine).reclaim(&its).unwrap());
    machine.rollback(&[], 0);
    assert!(!store(&machine).reclaim(&its).unwrap());
    assert!(!machine.remembers());
    machine.apply(&["--yes"], 0);
    let other = machine.files();
    assert!(!store(&machine).reclaim(&its).unwrap());
    assert_eq!(machine.files(), other);
    // What cannot be read any more is known to the guard.
    machine.write("var/lib/tracker/applied.json", "{");
    assert!(store(&machine).reclaim(&its).unwrap());
    assert_eq!(store(&machine).load().unwrap(), Some(its));
}

#[test]
fn nothing_is_set_at_boot_while_a_guard_judges_it() {
    let machine = Machine::new();
    machine.apply(&["--yes"], 0);
    let judging = Judging::begin(&store(&machine)).unwrap();
    let before = machine.files();
    let said = machine.apply(&["--yes", "--persist"], 3);
    assert!(said.contains("once the guard has ended"), "{said}");
    assert_eq!(machine.files(), before);
    drop(judging);
    let said = machine.apply(&["--yes", "--persist", "--guard", "5m"], 0);
    assert!(said.contains("nothing to guard"), "{said}");
    assert!(machine.path(OWN_FILE).exists());
}
