//! Other programs: finding them, running them, and saying what went wrong.

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// How much of a failed program's output is shown.
const TAIL_LINES: usize = 12;

/// Tells the user something on stderr.
#[macro_export]
macro_rules! note {
    ($($arg:tt)*) => {
        $crate::process::say(&format!("{}: {}", $crate::process::name(), format_args!($($arg)*)))
    };
}

/// Says something to who reads stderr. Nothing depends on whether anybody still does.
pub fn say(text: &str) {
    let mut err = io::stderr().lock();
    let _ = err.write_all(text.as_bytes());
    if !text.ends_with('\n') {
        let _ = err.write_all(b"\n");
    }
}

/// A program that a guest is made with, and the package of Debian and Ubuntu that brings it.
pub const PROGRAMS: [(&str, &str); 7] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("depmod", "kmod"),
    ("nft", "nftables"),
    ("ip", "iproute2"),
    ("conntrack", "conntrack"),
    ("ldd", "libc-bin"),
];

/// What this machine lacks of [`PROGRAMS`]: packages.
pub fn missing() -> impl Iterator<Item = &'static str> {
    let missing = |(program, _): &(&str, &str)| which(program).is_none();
    PROGRAMS
        .into_iter()
        .filter(missing)
        .map(|(_, package)| package)
}

/// The name of the program that runs.
#[must_use]
pub fn name() -> String {
    let program = env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let name = program.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The path of a program, also where only root's PATH looks.
#[must_use]
pub fn which(tool: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(system)
        .map(|dir| dir.join(tool))
        .find(|path| is_program(path))
}

/// The path of a program that there must be.
///
/// # Errors
/// When there is none.
pub fn need(tool: &str) -> Result<PathBuf> {
    which(tool).with_context(|| {
        let package = PROGRAMS.iter().find(|(program, _)| *program == tool);
        let package = package.map_or(tool, |(_, package)| package);
        format!(
            "there is no {tool} on this machine. Install {package} (`apt-get install {package}`)"
        )
    })
}

/// Runs a program to its end, quietly, and gives back its stdout.
///
/// # Errors
/// When it cannot be run or fails: with the end of what it said.
pub fn capture(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let done = command
        .output()
        .with_context(|| format!("cannot run {name}"))?;
    let stdout = String::from_utf8_lossy(&done.stdout).into_owned();
    if !done.status.success() {
        let both = stdout + &String::from_utf8_lossy(&done.stderr);
        bail!(
            "{name} failed ({}):\n{}",
            done.status,
            tail(&both, TAIL_LINES)
        );
    }
    Ok(stdout)
}

/// Runs a program to its end with this terminal as its own.
///
/// # Errors
/// When it cannot be run or fails.
pub fn run(command: &mut Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .status()
        .with_context(|| format!("cannot run {name}"))?;
    if !status.success() {
        bail!("{name} failed ({status}). See above for what it says");
    }
    Ok(())
}

/// The last lines of a text.
#[must_use]
pub fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.trim_end().lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn nobody_has_to_read_what_is_said() {
        const SAYS: &str = "TRACKER_TEST_SAYS";
        if env::var_os(SAYS).is_some() {
            crate::note!("something");
            return;
        }
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let this = "process::tests::nobody_has_to_read_what_is_said";
        let mut again = Command::new(env::current_exe().unwrap());
        again.args(["--exact", "--nocapture", this]).env(SAYS, "");
        let status = again.stdout(Stdio::null()).stderr(writer).status();
        assert!(status.unwrap().success());
    }
}
