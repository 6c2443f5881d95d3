//! What tracker says when it cannot do what it is told: its sentence, its remedy, its exit code, and nothing half-written.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};

use super::faces::fresh;
use super::tracker::{finish, program, show, succeed, words};
use super::{Case, Kind, PREFIX};
use crate::net::Topology;

/// Something failed.
const FAILED: i32 = 1;
/// The command line is wrong.
const USAGE: i32 = 2;
/// This machine does not let itself be observed.
pub const CANNOT_OBSERVE: i32 = 3;
/// Done, but not all that happened was seen.
pub const LOSSES: i32 = 4;

/// The cases of this file.
pub fn cases() -> Vec<Case> {
    vec![
        Case {
            name: "error_not_root",
            kind: Kind::Free(not_root),
        },
        Case {
            name: "error_unknown_namespace",
            kind: Kind::Free(unknown_namespace),
        },
        Case {
            name: "error_nothing_tracks",
            kind: Kind::Free(nothing_tracks),
        },
        Case {
            name: "error_unwritable_output",
            kind: Kind::Free(unwritable_output),
        },
        Case {
            name: "error_bad_recording",
            kind: Kind::Free(bad_recording),
        },
        Case {
            name: "error_damaged_recording",
            kind: Kind::Free(damaged_recording),
        },
        Case {
            name: "error_hook",
            kind: Kind::Free(hook),
        },
        Case {
            name: "error_usage",
            kind: Kind::Free(usage),
        },
    ]
}

/// Fails unless the command ends with `code` and says on stderr what is wrong and what to do.
pub fn refused(command: &mut Command, code: i32) -> Result<Output> {
    let done = finish(command)?;
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    let line = words(command);
    ensure!(
        done.status.code() == Some(code),
        "{line}: ended with {} instead of {code}: {said}",
        done.status
    );
    ensure!(
        statements(&said) >= 2,
        "{line}: says {said:?}, which is not what is wrong and what to do"
    );
    Ok(done)
}

/// Fails unless the message has these words.
pub fn says(done: &Output, words: &[&str]) -> Result<()> {
    let said = String::from_utf8_lossy(&done.stderr);
    for word in words {
        ensure!(said.contains(word), "{said:?} does not say {word:?}");
    }
    Ok(())
}

/// How many statements there are in a message, after the program's name.
fn statements(said: &str) -> usize {
    let said = said.strip_prefix("tracker: ").unwrap_or(said);
    said.split(['.', ':', '!'])
        .enumerate()
        .filter(|(number, part)| {
            !part.trim().is_empty() && (*number == 0 || part.starts_with(char::is_whitespace))
        })
        .count()
}

/// A short watch of a namespace.
pub fn profile(namespace: &str, recording: &Path) -> Command {
    let mut command = Command::new(program());
    command
        .args(["profile", "--duration", "2s", "--netns", namespace, "-o"])
        .arg(recording);
    command
}

/// Fails if there is a recording.
pub fn not_written(path: &Path) -> Result<()> {
    ensure!(
        !path.exists(),
        "{} was written although nothing was measured",
        path.display()
    );
    Ok(())
}

/// A topology that tracks.
pub fn tracking() -> Result<Topology> {
    let topology = Topology::create(PREFIX)?;
    topology.track()?;
    Ok(topology)
}

fn not_root() -> Result<()> {
    let topology = tracking()?;
    let recording = fresh("not_root");
    refused(
        profile(topology.router.name(), &recording)
            .uid(65534)
            .gid(65534),
        CANNOT_OBSERVE,
    )?;
    not_written(&recording)
}

fn unknown_namespace() -> Result<()> {
    let _tracking = tracking()?;
    let recording = fresh("unknown_namespace");
    refused(&mut profile("tracker-nowhere", &recording), USAGE)?;
    not_written(&recording)
}

fn nothing_tracks() -> Result<()> {
    let topology = Topology::create(PREFIX)?;
    let recording = fresh("nothing_tracks");
    refused(
        &mut profile(topology.router.name(), &recording),
        CANNOT_OBSERVE,
    )?;
    not_written(&recording)
}

fn unwritable_output() -> Result<()> {
    let topology = tracking()?;
    for path in ["/tmp/no/such/folder/x.db", "/proc/x.db", "/tmp"] {
        refused(
            &mut profile(topology.router.name(), Path::new(path)),
            FAILED,
        )?;
    }
    Ok(())
}

fn bad_recording() -> Result<()> {
    let bad = Path::new("/tmp/bad.db");
    let page: Vec<u8> = b"SQLite format 3\0"
        .iter()
        .copied()
        .chain(std::iter::repeat_n(7, 5000))
        .collect();
    for content in [&b""[..], b"no recording at all", &page] {
        fs::write(bad, content)?;
        refused(Command::new(program()).arg("show").arg(bad), FAILED)?;
    }
    refused(
        Command::new(program()).args(["show", "/tmp/nowhere.db"]),
        FAILED,
    )?;
    Ok(())
}

/// A recording that was whole once: its end is lost, or something was written into it.
fn damaged_recording() -> Result<()> {
    let topology = tracking()?;
    let recording = fresh("damaged");
    succeed(&mut profile(topology.router.name(), &recording))?;
    let whole = fs::read(&recording)?;
    let mut torn = whole.clone();
    torn.truncate(whole.len() / 2);
    let mut cut = whole.clone();
    cut.truncate(100);
    let mut spoilt = whole.clone();
    // From the second page on, so that it still begins as a recording.
    spoilt[PAGE..].fill(0xa5);
    let mut foreign = whole.clone();
    // Where SQLite's files say whose they are.
    foreign[68..72].fill(0);
    for (what, bytes) in [
        ("torn", torn),
        ("cut", cut),
        ("spoilt", spoilt),
        ("foreign", foreign),
    ] {
        fs::write(&recording, bytes)?;
        for command in ["show", "recommend"] {
            refused(Command::new(program()).arg(command).arg(&recording), FAILED)
                .with_context(|| format!("a recording that is {what}"))?;
        }
    }
    fs::write(&recording, whole)?;
    show(&recording)?;
    Ok(())
}

/// A page of SQLite's.
const PAGE: usize = 4096;

fn hook() -> Result<()> {
    let topology = tracking()?;
    let recording = fresh("hook");
    for (wrong, remedy) in [
        ("destroy=nf_no_such_function", "nf_ct_helper_destroy"),
        (
            "gre_packet=nf_conntrack_udp_packet",
            "nf_conntrack_gre_packet",
        ),
        ("death=nf_ct_delete", "destroy"),
        ("nf_ct_delete", "EVENT=FUNCTION"),
    ] {
        let done = refused(
            profile(topology.router.name(), &recording).args(["--hook", wrong]),
            USAGE,
        )?;
        says(&done, &[wrong, remedy])?;
        not_written(&recording)?;
    }
    Ok(())
}

fn usage() -> Result<()> {
    let wrong: [&[&str]; 3] = [
        &["profile", "--no-such-option"],
        &["no-such-command"],
        &["profile", "--duration", "soon"],
    ];
    for words in wrong {
        let done = finish(Command::new(program()).args(words))?;
        ensure!(
            done.status.code() == Some(USAGE),
            "{words:?} ended with {}",
            done.status
        );
        ensure!(!done.stderr.is_empty(), "{words:?} says nothing");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_counted() {
        assert_eq!(statements(""), 0);
        assert_eq!(statements("tracker: it failed"), 1);
        assert_eq!(statements("/tmp/x.db is no recording"), 1);
        assert_eq!(
            statements("tracker: /tmp/x.db is cut off: copy it again"),
            2
        );
        assert_eq!(statements("No root here. Run it with sudo."), 2);
    }
}
