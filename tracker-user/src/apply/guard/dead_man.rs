//! A process that goes back if the guard ends before it is dismissed, in whatever way: it waits for the
//! end of its input, which comes with the end of the guard.

use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use crate::apply::ApplyError;

/// What it hears when it is not needed any more.
const DISMISSED: &str = "dismissed";

/// The waiting process. Dropped, it goes back.
#[derive(Debug)]
pub struct DeadMan {
    child: Child,
    lifeline: Option<ChildStdin>,
}

impl DeadMan {
    /// Starts it, and waits until no signal can end it any more. In a process group of its own, it does
    /// not hear Ctrl-C.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(root: &Path, state: &Path) -> Result<Self, ApplyError> {
        Self::spawn(root, state).map_err(ApplyError::DeadMan)
    }

    fn spawn(root: &Path, state: &Path) -> io::Result<Self> {
        // This very program, also when its file has been replaced by now.
        let mut child = Command::new("/proc/self/exe")
            .args(["rollback", "--dead-man", "--root"])
            .arg(std::path::absolute(root)?)
            .arg("--state")
            .arg(std::path::absolute(state)?)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let lifeline = child.stdin.take();
        let mut ready = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut ready)?;
        }
        if ready.is_empty() {
            let status = child.wait()?;
            return Err(io::Error::other(format!("it ended with {status}")));
        }
        Ok(Self { child, lifeline })
    }

    /// It is not needed any more.
    ///
    /// # Errors
    /// When it has ended already: then it may have gone back.
    pub fn dismiss(mut self) -> io::Result<()> {
        if let Some(mut lifeline) = self.lifeline.take() {
            writeln!(lifeline, "{DISMISSED}")?;
        }
        self.child.wait().map(drop)
    }
}

impl Drop for DeadMan {
    fn drop(&mut self) {
        self.lifeline = None;
        // What it did it says itself.
        let _ = self.child.wait();
    }
}

/// In that process: says that it is ready, and waits. True if it was dismissed, false if the guard is
/// gone.
pub fn is_dismissed() -> bool {
    // Whoever does not hear this is gone, which is heard below.
    let _ = writeln!(io::stdout(), "ready");
    let mut line = String::new();
    let heard = io::stdin().lock().read_line(&mut line);
    heard.is_ok() && line.trim() == DISMISSED
}
