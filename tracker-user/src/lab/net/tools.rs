//! Running `ip`, `nft` and `conntrack`.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::sys::{prctl, signal::Signal};

use super::NetError;

/// Where the full tools live; busybox's applets of the same name, earlier in PATH, understand too
/// little.
const DIRS: [&str; 6] = [
    "/usr/sbin",
    "/sbin",
    "/usr/local/sbin",
    "/usr/bin",
    "/bin",
    "/usr/local/bin",
];

/// A program found on this machine.
#[derive(Debug, Clone)]
pub struct Tool {
    name: &'static str,
    path: PathBuf,
}

/// Finds a program by name.
///
/// # Errors
/// When it is not where such programs are.
pub fn tool(name: &'static str) -> Result<Tool, NetError> {
    DIRS.iter()
        .map(|dir| Path::new(dir).join(name))
        .find(|path| path.exists() && !is_busybox(path))
        .map(|path| Tool { name, path })
        .ok_or(NetError::Missing(name))
}

fn is_busybox(path: &Path) -> bool {
    path.canonicalize()
        .is_ok_and(|real| real.ends_with("busybox"))
}

impl Tool {
    /// The program's path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Runs the program with words of one line and gives back its stdout.
    ///
    /// # Errors
    /// When it cannot be run, or says no.
    pub fn run(&self, line: &str) -> Result<String, NetError> {
        self.feed(line, "")
    }

    /// Runs the program with `input` on its stdin.
    ///
    /// # Errors
    /// When it cannot be run, or says no.
    pub fn feed(&self, line: &str, input: &str) -> Result<String, NetError> {
        let what = format!("{} {line}", self.name);
        let spawn = |source| NetError::Spawn {
            what: what.clone(),
            source,
        };
        let mut command = Command::new(&self.path);
        command
            .args(line.split_whitespace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // SAFETY: between fork and exec there is one system call, and no memory is allocated.
        unsafe {
            // It would keep alive the namespace that it is in.
            command.pre_exec(|| prctl::set_pdeathsig(Signal::SIGKILL).map_err(Into::into))
        };
        let mut child = command.spawn().map_err(spawn)?;
        if let Some(mut stdin) = child.stdin.take() {
            // A program that ends without reading closes the pipe; its exit status says why.
            let _ = stdin.write_all(input.as_bytes());
        }
        let done = child.wait_with_output().map_err(spawn)?;
        if done.status.success() {
            return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&done.stderr)
            .trim()
            .replace('\n', "; ");
        Err(NetError::Failed { what, said })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_comes_with_a_remedy() {
        let said = tool("no-such-program").unwrap_err().to_string();
        assert_eq!(
            said,
            "no-such-program is not here. Install it (Debian: iproute2, nftables, conntrack)"
        );
    }
}
