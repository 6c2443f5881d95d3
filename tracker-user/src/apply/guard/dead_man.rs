//! A process that goes back if the guard ends before it is dismissed, in whatever way, or does not say for
//! long that it goes on. It reads its input: lines as long as the guard is well, and an end with the guard.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Write},
    os::{fd::AsFd, unix::process::CommandExt},
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::apply::{ApplyError, Id};

/// The guard goes on.
const WELL: u8 = b'\n';
/// The process is not needed any more.
const DISMISSED: u8 = b'd';
/// A guard that says nothing for so long is stopped, or hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// The waiting process. Dropped, it goes back, unless it was dismissed.
#[derive(Debug)]
pub struct DeadMan {
    child: Child,
    lifeline: Option<ChildStdin>,
}

impl DeadMan {
    /// Starts it, and waits until no signal can end it any more. In a process group of its own, it does
    /// not hear Ctrl-C. It goes back only from what has this id.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(root: &Path, state: &Path, id: &Id) -> Result<Self, ApplyError> {
        Self::spawn(root, state, id).map_err(ApplyError::DeadMan)
    }

    fn spawn(root: &Path, state: &Path, id: &Id) -> io::Result<Self> {
        // This very program, also when its file has been replaced by now.
        let mut child = Command::new("/proc/self/exe")
            .args(["rollback", "--dead-man", &id.to_string(), "--root"])
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

    /// Tells it that the guard goes on.
    ///
    /// # Errors
    /// When it has ended: nobody would go back any more, if it has not done so already.
    pub fn reassure(&mut self) -> io::Result<()> {
        self.tell(WELL)
    }

    /// It is not needed any more.
    ///
    /// # Errors
    /// As [`Self::reassure`].
    pub fn dismiss(&mut self) -> io::Result<()> {
        self.tell(DISMISSED)
    }

    fn tell(&mut self, word: u8) -> io::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            return Err(io::Error::other(format!("it ended with {status}")));
        }
        match &mut self.lifeline {
            Some(lifeline) => lifeline.write_all(&[word]),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

impl Drop for DeadMan {
    fn drop(&mut self) {
        self.lifeline = None;
        // What it did it says itself.
        let _ = self.child.wait();
    }
}

/// What that process hears.
#[derive(Debug)]
pub struct Vigil {
    input: File,
}

impl Vigil {
    /// Says that it is ready.
    ///
    /// # Errors
    /// When there is no input.
    pub fn begin() -> io::Result<Self> {
        // The last to go where memory is short: it takes next to none. Whoever may not say so is as others.
        let _ = fs::write("/proc/self/oom_score_adj", "-1000");
        let input = File::from(io::stdin().as_fd().try_clone_to_owned()?);
        // Whoever does not hear this is gone, which is heard below.
        let _ = writeln!(io::stdout(), "ready");
        Ok(Self { input })
    }

    /// Waits. True if it was dismissed, false if the guard is gone, or says nothing.
    pub fn is_dismissed(&mut self) -> bool {
        self.listen(PATIENCE)
    }

    /// Whether it has been dismissed by now.
    pub fn was_dismissed(&mut self) -> bool {
        self.listen(Duration::ZERO)
    }

    fn listen(&mut self, patience: Duration) -> bool {
        let mut since = Instant::now();
        loop {
            let left = patience.saturating_sub(since.elapsed());
            let left = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            let mut input = [PollFd::new(self.input.as_fd(), PollFlags::POLLIN)];
            match poll(&mut input, left) {
                Err(nix::errno::Errno::EINTR) => continue,
                Ok(1..) => {}
                _ => return false,
            }
            let mut heard = [0; 64];
            match self.input.read(&mut heard) {
                Ok(0) | Err(_) => return false,
                Ok(length) if heard[..length].contains(&DISMISSED) => return true,
                Ok(_) => since = Instant::now(),
            }
        }
    }
}
