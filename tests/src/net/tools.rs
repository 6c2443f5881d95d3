//! Running `ip`, `nft` and `conntrack`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::NetError;

/// Where the full tools live; busybox's applets of the same name, earlier in PATH, understand too little.
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
    pub fn run(&self, line: &str) -> Result<String, NetError> {
        self.feed(line, "")
    }

    /// Runs the program with `input` on its stdin.
    pub fn feed(&self, line: &str, input: &str) -> Result<String, NetError> {
        let what = format!("{} {line}", self.name);
        let spawn = |source| NetError::Spawn {
            what: what.clone(),
            source,
        };
        let mut child = Command::new(&self.path)
            .args(line.split_whitespace())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(spawn)?;
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
