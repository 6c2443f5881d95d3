//! The program killed, or failing, between any two of its steps.

use std::process::Output;

use crate::{
    LOSSES,
    machine::{Machine, UDP},
};

const APPLY: &[&str] = &["--yes", "--buckets", "--persist"];
/// Far more than there are.
const MOST_STEPS: u32 = 200;

/// Does something with each fault in turn, until there is no such step; how many there were.
fn each(what: &str, mut run: impl FnMut(&str) -> Output) -> u32 {
    for step in 1..MOST_STEPS {
        let fault = format!("{what}@{step}");
        if run(&fault).status.success() {
            return step - 1;
        }
    }
    panic!("there is no end of steps");
}

#[test]
fn killed_at_any_step_of_applying_the_old_values_can_be_restored() {
    let steps = each("kill", |fault| {
        let machine = Machine::new();
        let before = machine.files();
        let done = machine.run("apply", APPLY, fault);
        machine.rollback(&[], 0);
        assert_eq!(machine.files(), before, "{fault}");
        done
    });
    // The state twice, four values, and the file.
    assert!(steps >= 17, "{steps}");
}

/// Has each step of going back meet the fault: the next one ends it.
fn going_back(what: &str) -> u32 {
    each(what, |fault| {
        let machine = Machine::new();
        let before = machine.files();
        machine.apply(APPLY, 0);
        let done = machine.run("rollback", &[], fault);
        machine.rollback(&[], 0);
        assert_eq!(machine.files(), before, "{fault}");
        done
    })
}

#[test]
fn killed_at_any_step_of_going_back_the_next_one_ends_it() {
    let steps = going_back("kill");
    assert!(steps >= 10, "{steps}");
}

#[test]
fn failing_at_any_step_of_applying_everything_is_as_before() {
    let steps = each("fail", |fault| {
        let machine = Machine::new();
        let before = machine.files();
        let done = machine.run("apply", APPLY, fault);
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(
                said.contains("a test wants it to fail. "),
                "{fault}: {said}"
            );
            assert_eq!(machine.files(), before, "{fault}");
        }
        done
    });
    assert!(steps >= 20, "{steps}");
}

/// Has each step of a command on an applied plan meet a fault, and then go back.
fn afterwards(what: &str, command: &str, words: &[&str]) -> u32 {
    each(what, |fault| {
        let machine = Machine::new();
        let before = machine.files();
        machine.apply(&["--yes"], 0);
        let applied = machine.files();
        let done = machine.run(command, words, fault);
        if !done.status.success() {
            // The live values stay, whatever became of the file.
            assert_eq!(machine.value(UDP), "45", "{fault}");
        }
        if what == "fail" && !done.status.success() && command == "apply" {
            assert_eq!(machine.files(), applied, "{fault}");
        }
        let is_forgotten = command == "rollback" && !machine.remembers();
        machine.rollback(&[], 0);
        if !is_forgotten {
            assert_eq!(machine.files(), before, "{fault}");
        }
        done
    })
}

#[test]
fn a_fault_while_applied_values_are_to_be_set_at_boot_costs_none_of_them() {
    for what in ["kill", "fail"] {
        let steps = afterwards(what, "apply", &["--yes", "--persist"]);
        assert!(steps >= 8, "{what}: {steps}");
    }
}

#[test]
fn a_fault_while_old_values_are_forgotten_keeps_them_or_not() {
    for what in ["kill", "fail"] {
        let steps = afterwards(what, "rollback", &["--forget"]);
        assert!(steps >= 2, "{what}: {steps}");
    }
}

/// A guard that is killed while it writes, or his dead man while he goes back: the next one ends it.
#[test]
fn killed_while_a_dead_man_goes_back_the_next_rollback_ends_it() {
    let steps = each("kill", |fault| {
        let machine = Machine::new();
        let before = machine.files();
        machine.apply(APPLY, 0);
        let done = machine.dead_man_meets(fault);
        machine.rollback(&[], 0);
        assert_eq!(machine.files(), before, "{fault}");
        done
    });
    assert!(steps >= 10, "{steps}");
}

#[test]
fn failing_at_any_step_of_going_back_nothing_is_forgotten() {
    let steps = going_back("fail");
    assert!(steps >= 10, "{steps}");
}

#[test]
fn values_that_are_back_are_said_to_be_though_they_stay_remembered() {
    let mut times = 0;
    each("fail", |fault| {
        let machine = Machine::new();
        machine.apply(APPLY, 0);
        let done = machine.run("rollback", &[], fault);
        let said = String::from_utf8_lossy(&done.stdout);
        if said.contains("cannot be removed") {
            times += 1;
            assert!(said.contains("restored"), "{fault}: {said}");
            assert_eq!(done.status.code(), Some(LOSSES), "{fault}: {said}");
            assert_eq!(machine.value(UDP), "30", "{fault}");
        }
        done
    });
    assert!(times > 0);
}
