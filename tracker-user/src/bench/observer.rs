//! Who watches a flood: tracker, or another program with the same aim, or nobody.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use nix::{
    sched::{CloneFlags, setns},
    sys::{
        prctl,
        signal::{Signal, kill},
    },
    unistd::Pid,
};

use super::{
    BenchError,
    listener::{Counted, READY},
    queue::Queue,
};
use crate::{
    analysis::Summary,
    lab::{
        net::{Namespace, Tool},
        watcher::{WatchError, Watcher},
    },
    recording::Recording,
};

/// Between two looks at something that is waited for.
const A_MOMENT: Duration = Duration::from_millis(5);

/// The file of what tracker says, beside its recording.
const SAID: &str = "tracker.err";
/// Its status where it has lost something.
const LOSSES: i32 = 4;

/// Who watches.
#[derive(Clone, Debug)]
pub enum Observer {
    /// Nobody.
    Nobody,
    /// `tracker profile`.
    Tracker,
    /// `conntrack -E`, into a file.
    Conntrack(Tool),
    /// A socket on which events are counted, and nothing else.
    Listener,
}

/// What an observer has seen.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Events or entries.
    pub counted: Counted,
    /// What it has lost, by name: as it says itself, or messages for which its socket had no room.
    pub losses: BTreeMap<String, u64>,
}

/// An observer at work.
pub enum Running {
    /// `tracker profile`.
    Tracker {
        /// Its process.
        watcher: Watcher,
        /// Where it writes.
        recording: PathBuf,
    },
    /// A process that listens to events.
    Events {
        /// The process.
        child: Listening,
        /// Where its events are, if it writes them.
        file: Option<PathBuf>,
    },
}

impl Observer {
    /// The name of [`Self::Conntrack`].
    pub const CONNTRACK: &str = "conntrack -E";

    /// As it stands in a table.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Tracker => "tracker profile",
            Self::Conntrack(_) => Self::CONNTRACK,
            Self::Listener => "counting listener",
        }
    }

    /// Starts it on a namespace, and waits until it watches. It may write below `folder`.
    ///
    /// # Errors
    /// [`BenchError`].
    pub fn start(&self, router: &Namespace, folder: &Path) -> Result<Option<Running>, BenchError> {
        let own = std::env::current_exe().map_err(BenchError::Observer)?;
        Ok(match self {
            Self::Nobody => None,
            Self::Tracker => {
                let recording = folder.join("flood.db");
                let said = folder.join(SAID);
                let stderr = File::create(&said).map_err(BenchError::Observer)?;
                let watcher = Watcher::start(&own, router.path(), &recording, stderr.into())
                    .map_err(|error| BenchError::Watch {
                        error,
                        said: fs::read_to_string(&said).unwrap_or_default(),
                    })?;
                Some(Running::Tracker { watcher, recording })
            }
            Self::Conntrack(tool) => {
                let file = folder.join("events");
                let mut command = Command::new(tool.path());
                command.args(["-E", "-e", "NEW,DESTROY", "-o", "timestamp"]);
                command.stdin(Stdio::null()).stderr(Stdio::null());
                command.stdout(File::create(&file).map_err(BenchError::Observer)?);
                let inside = File::open(router.path()).map_err(BenchError::Observer)?;
                // SAFETY: between fork and exec there is one more system call. The file is open: it
                // is closed on exec, and moved into the closure.
                unsafe {
                    command.pre_exec(move || {
                        setns(&inside, CloneFlags::CLONE_NEWNET).map_err(Into::into)
                    })
                };
                let mut child = Listening::start(&mut command).map_err(BenchError::Observer)?;
                while Queue::of(router)?.is_none() {
                    child.still_runs()?;
                    thread::sleep(A_MOMENT);
                }
                let file = Some(file);
                Some(Running::Events { child, file })
            }
            Self::Listener => {
                let mut command = Command::new(own);
                command.args(["bench", "--listen"]).arg(router.path());
                command.stdin(Stdio::piped()).stdout(Stdio::piped());
                let mut child = Listening::start(&mut command).map_err(BenchError::Observer)?;
                child.wait_ready()?;
                Some(Running::Events { child, file: None })
            }
        })
    }
}

impl Running {
    /// Number of its process.
    #[must_use]
    pub fn process(&self) -> Pid {
        let id = match self {
            Self::Tracker { watcher, .. } => watcher.process(),
            Self::Events { child, .. } => child.0.id(),
        };
        Pid::from_raw(id.cast_signed())
    }

    /// Waits until it has read all that waits for it.
    ///
    /// # Errors
    /// When it has ended.
    pub fn drain(&mut self, router: &Namespace) -> Result<(), BenchError> {
        let Self::Events { child, .. } = self else {
            return Ok(());
        };
        while Queue::of(router)?.is_some_and(|queue| queue.waiting > 0) {
            child.still_runs()?;
            thread::sleep(A_MOMENT);
        }
        Ok(())
    }

    /// Ends it, and takes what it has seen.
    ///
    /// # Errors
    /// When it failed, or its output cannot be read.
    pub fn finish(self, router: &Namespace) -> Result<Seen, BenchError> {
        match self {
            Self::Tracker { watcher, recording } => {
                let said = recording.with_file_name(SAID);
                let broken = |error| BenchError::Watch {
                    error,
                    said: fs::read_to_string(&said).unwrap_or_default(),
                };
                let status = watcher.finish().map_err(broken)?;
                // Losses are told by the recording, better than by the status.
                if !matches!(status.code(), Some(0 | LOSSES)) {
                    return Err(broken(WatchError::Broke(status)));
                }
                let summary = Summary::of(&Recording::open(&recording)?);
                let balance = summary.all.balance;
                let losses = summary.losses.iter().map(|(&name, &count)| (name, count));
                Ok(Seen {
                    counted: Counted {
                        inserted: balance.inserted,
                        destroyed: balance.destroyed,
                        overruns: 0,
                    },
                    losses: losses
                        .chain([
                            ("balance", balance.lost.unsigned_abs()),
                            ("recording_incomplete", u64::from(!summary.complete)),
                        ])
                        .filter(|&(_, count)| count > 0)
                        .map(|(name, count)| (name.to_owned(), count))
                        .collect(),
                })
            }
            Self::Events { mut child, file } => {
                let dropped = Queue::of(router)?.map_or(0, |queue| queue.dropped);
                let said = child.end(file.is_some())?;
                let counted = match file {
                    Some(file) => count(&file).map_err(BenchError::Observer)?,
                    None => serde_json::from_str(&said)
                        .map_err(|error| BenchError::Observer(error.into()))?,
                };
                let losses = (dropped > 0).then(|| ("messages".to_owned(), dropped));
                Ok(Seen {
                    counted,
                    losses: losses.into_iter().collect(),
                })
            }
        }
    }
}

/// Counts the events that `conntrack -E` has printed.
fn count(file: &Path) -> io::Result<Counted> {
    let mut counted = Counted::default();
    for line in BufReader::new(File::open(file)?).lines() {
        let line = line?;
        counted.inserted += u64::from(line.contains("[NEW]"));
        counted.destroyed += u64::from(line.contains("[DESTROY]"));
    }
    Ok(counted)
}

/// A process that listens; it ends with this.
pub struct Listening(Child);

impl Listening {
    fn start(command: &mut Command) -> io::Result<Self> {
        // Ctrl-C is for the bench, which then ends the observer in its time.
        command.process_group(0);
        // SAFETY: between fork and exec there is one system call, and no memory is allocated.
        unsafe { command.pre_exec(|| prctl::set_pdeathsig(Signal::SIGKILL).map_err(Into::into)) };
        command.spawn().map(Self)
    }

    fn wait_ready(&mut self) -> Result<(), BenchError> {
        let mut said = [0; READY.len() + 1];
        let read = match &mut self.0.stdout {
            Some(stdout) => stdout.read_exact(&mut said),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        };
        read.map_err(|_| self.ended())
    }

    fn still_runs(&mut self) -> Result<(), BenchError> {
        match self.0.try_wait() {
            Ok(None) => Ok(()),
            _ => Err(self.ended()),
        }
    }

    fn ended(&mut self) -> BenchError {
        let status = self.0.wait();
        BenchError::Observer(io::Error::other(match status {
            Ok(status) => format!("it ended with {status}"),
            Err(error) => error.to_string(),
        }))
    }

    /// Ends it: by a signal, or by the end of its input. Gives what it printed.
    fn end(&mut self, by_signal: bool) -> Result<String, BenchError> {
        if by_signal {
            let process = Pid::from_raw(self.0.id().cast_signed());
            kill(process, Signal::SIGINT).map_err(|errno| BenchError::Observer(errno.into()))?;
        }
        drop(self.0.stdin.take());
        let mut said = String::new();
        if let Some(mut stdout) = self.0.stdout.take() {
            stdout
                .read_to_string(&mut said)
                .map_err(BenchError::Observer)?;
        }
        self.0.wait().map_err(BenchError::Observer)?;
        Ok(said)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // One that has ended needs no signal.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
