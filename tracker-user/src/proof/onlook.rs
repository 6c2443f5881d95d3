//! Looking on while a scenario is played: the entry count, and tracker's watch.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Instant,
};

use super::{ProofError, Terms};
use crate::{
    kernel::{Root, sysctl::TableFiles},
    lab::{
        control::Control,
        net::Namespace,
        watcher::{WatchError, Watcher},
    },
};

/// Where the watch says what it has to say.
const SAID: &str = "watch.log";

/// Looks on from the end of the warm-up to the end of the traffic.
#[derive(Debug)]
pub struct Onlooker<'a> {
    /// The namespace that tracks.
    pub router: &'a Namespace,
    /// When, and how often.
    pub terms: &'a Terms,
    /// Recording of a watch, if there is to be one.
    pub watch: Option<&'a Path>,
    /// Where files may be left.
    pub folder: &'a Path,
}

impl Onlooker<'_> {
    /// Samples the entry count until it is `over`. The moments are the same in every play, whether
    /// there is a watch or not: a watch takes a while to begin.
    ///
    /// # Errors
    /// [`ProofError`]; [`ProofError::Short`] when it is over before it begins.
    pub fn look(&self, over: &Control) -> Result<Vec<u64>, ProofError> {
        let start = Instant::now();
        let table = self.router.run(|| TableFiles::open(&Root::machine()))?;
        let table = table.map_err(ProofError::Count)?;
        if over.wait(self.terms.warm_up) {
            return Err(ProofError::Short);
        }
        let watcher = self.watch.map(|path| self.start(path)).transpose()?;
        let mut counts = Vec::new();
        let mut next = start + self.terms.warm_up + self.terms.interval;
        while !over.wait(next.saturating_duration_since(Instant::now())) {
            counts.push(table.read().map_err(ProofError::Count)?.count);
            next += self.terms.interval;
        }
        watcher.map_or(Ok(()), |watcher| self.finish(watcher))?;
        Ok(counts)
    }
}

impl Onlooker<'_> {
    fn start(&self, recording: &Path) -> Result<Watcher, ProofError> {
        let fail = |source| ProofError::write(&self.said(), source);
        let program = std::env::current_exe().map_err(fail)?;
        let said = File::create(self.said()).map_err(fail)?;
        let router = self.router.path();
        let every = self.terms.interval;
        Watcher::start_every(every, &program, router, recording, said.into())
            .map_err(|error| self.failed(error))
    }

    /// A watch that lost something shows too little to plan by.
    fn finish(&self, watcher: Watcher) -> Result<(), ProofError> {
        let status = watcher.finish().map_err(|error| self.failed(error))?;
        if status.success() {
            return Ok(());
        }
        Err(self.failed(WatchError::Broke(status)))
    }

    fn failed(&self, error: WatchError) -> ProofError {
        let said = fs::read_to_string(self.said()).unwrap_or_default();
        ProofError::Watch {
            error,
            said: said.trim_end().to_owned(),
        }
    }

    fn said(&self) -> PathBuf {
        self.folder.join(SAID)
    }
}
