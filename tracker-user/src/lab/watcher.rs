//! tracker itself, watching the lab's router.

use std::{
    io::{self, Read, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

/// A watch cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The program cannot be run.
    #[error("{program} cannot be run: {source}. Check its path")]
    Start {
        /// The program.
        program: String,
        /// The system's answer.
        source: io::Error,
    },
    /// It ended before it watched.
    #[error("tracker profile ended with {0} before it watched. It has said why on stderr")]
    Refused(ExitStatus),
    /// It ended in another way than it was told to.
    #[error(
        "tracker profile ended with {0} while it watched. Watch again, and let it come to its end"
    )]
    Broke(ExitStatus),
    /// It cannot be waited for.
    #[error("the end of tracker profile cannot be waited for: {0}. Look at its recording")]
    Wait(io::Error),
}

/// Time between two entries of a recording, unless told.
const INTERVAL: Duration = Duration::from_secs(1);

/// A `tracker profile` that watches as long as it is let.
#[derive(Debug)]
pub struct Watcher(Child);

impl Watcher {
    /// Starts `program profile` on a namespace, and waits until it watches. What it says goes to
    /// `stderr`.
    ///
    /// # Errors
    /// [`WatchError`].
    pub fn start(
        program: &Path,
        netns: &Path,
        recording: &Path,
        stderr: Stdio,
    ) -> Result<Self, WatchError> {
        Self::start_every(INTERVAL, program, netns, recording, stderr)
    }

    /// Likewise; the recording gets an entry in every `interval`.
    ///
    /// # Errors
    /// [`WatchError`].
    pub fn start_every(
        interval: Duration,
        program: &Path,
        netns: &Path,
        recording: &Path,
        stderr: Stdio,
    ) -> Result<Self, WatchError> {
        let fail = |source| WatchError::Start {
            program: program.display().to_string(),
            source,
        };
        let mut command = Command::new(program);
        command.arg("profile").arg("--netns").arg(netns);
        command.arg("-o").arg(recording).stderr(stderr);
        let interval = format!("{}ms", interval.as_millis());
        command.arg("--interval").arg(interval);
        // It starts its command when it watches, and ends with it: so the first byte that comes back
        // says that it watches, and the end of the input ends the watch, also that of a dead process.
        command.args(["--", "cat"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // Ctrl-C is for the lab, which then ends the watch in its time.
        command.process_group(0);
        let mut child = command.spawn().map_err(fail)?;
        let mut answer = [0; 1];
        let mut ask = || -> io::Result<()> {
            let pipes = child.stdin.as_mut().zip(child.stdout.as_mut());
            let (stdin, stdout) = pipes.ok_or(io::ErrorKind::BrokenPipe)?;
            stdin.write_all(b"\n")?;
            stdin.flush()?;
            stdout.read_exact(&mut answer)
        };
        if ask().is_ok() {
            return Ok(Self(child));
        }
        drop(child.stdin.take());
        let status = child.wait().map_err(WatchError::Wait)?;
        Err(WatchError::Refused(status))
    }

    /// Number of tracker's process.
    #[must_use]
    pub fn process(&self) -> u32 {
        self.0.id()
    }

    /// Ends the watch, and waits until the recording is complete.
    ///
    /// # Errors
    /// [`WatchError::Wait`].
    pub fn finish(mut self) -> Result<ExitStatus, WatchError> {
        drop(self.0.stdin.take());
        self.0.wait().map_err(WatchError::Wait)
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        // Its recording is as good as it can be; who wants to know waits for it before.
        let _ = self.0.wait();
    }
}
