//! The program under test.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::MeasuredError;

/// Where `tracker` is: named by the variable TRACKER, else /bin/tracker, else found in PATH.
pub fn program() -> PathBuf {
    if let Some(named) = env::var_os("TRACKER") {
        return named.into();
    }
    let usual = Path::new("/bin/tracker");
    if usual.exists() {
        usual.into()
    } else {
        "tracker".into()
    }
}

/// The program with its arguments, on a line of output.
pub fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs a command to its end.
pub fn finish(command: &mut Command) -> Result<Output, MeasuredError> {
    command.output().map_err(|source| MeasuredError::Start {
        what: words(command),
        source,
    })
}

/// Runs a command that must succeed and gives back its stdout.
pub fn succeed(command: &mut Command) -> Result<String, MeasuredError> {
    end_with(command, 0)
}

/// Runs a command that must end with this status and gives back its stdout.
pub fn end_with(command: &mut Command, code: i32) -> Result<String, MeasuredError> {
    let done = finish(command)?;
    if done.status.code() == Some(code) {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
    Err(MeasuredError::Ended {
        what: words(command),
        status: done.status,
        said,
    })
}

/// A recording as `tracker show --json` tells it.
pub fn show(recording: &Path) -> Result<Value, MeasuredError> {
    let text = succeed(
        Command::new(program())
            .arg("show")
            .arg(recording)
            .arg("--json"),
    )?;
    serde_json::from_str(&text).map_err(|source| MeasuredError::NoJson { source })
}
