//! What happens between the question and the answer.

use std::{
    fs::File,
    io::{Read, Write},
    process::Stdio,
};

use nix::pty::openpty;

use crate::machine::{Machine, UDP};

const QUESTION: &str = "[y/N] ";
const FAILED: i32 = 1;

/// Applies at a terminal, does something while it asks, and says yes; what is said then.
fn asked(machine: &Machine, words: &[&str], code: i32, meanwhile: impl FnOnce()) -> String {
    let terminal = openpty(None, None).unwrap();
    let mut child = machine
        .command("apply", words)
        .stdin(Stdio::from(terminal.slave))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let mut said = Vec::new();
    while !said.ends_with(QUESTION.as_bytes()) {
        let mut byte = [0];
        stderr.read_exact(&mut byte).unwrap();
        said.push(byte[0]);
    }
    meanwhile();
    File::from(terminal.master).write_all(b"y\n").unwrap();
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(code), "{said}");
    said
}

#[test]
fn yes_to_what_is_shown_writes_it() {
    let machine = Machine::new();
    asked(&machine, &[], 0, || {});
    assert_eq!(machine.value(UDP), "45");
}

#[test]
fn yes_to_what_has_changed_since_writes_nothing() {
    for words in [&["--persist"][..], &["--persist", "--guard", "5m"]] {
        // It was applied, and is not any more.
        let machine = Machine::new();
        let before = machine.files();
        machine.apply(&["--yes"], 0);
        let said = asked(&machine, words, FAILED, || _ = machine.rollback(&[], 0));
        assert!(said.contains("Run tracker apply again"), "{said}");
        assert_eq!(machine.files(), before);
        // It is not what was shown, though nobody went back.
        machine.apply(&["--yes"], 0);
        let said = asked(&machine, words, FAILED, || machine.set(UDP, "30"));
        assert!(said.contains("Run tracker apply again"), "{said}");
        assert!(!machine.path(crate::OWN_FILE).exists());
    }
}
