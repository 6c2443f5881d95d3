//! What is done in a network namespace.

use std::{
    fs::{self, File},
    io,
    os::linux::fs::MetadataExt,
    panic,
    path::{Path, PathBuf},
    thread,
};

use nix::sched::{CloneFlags, setns};

use super::{NetError, tool};

/// A network namespace, by the file that leads to it.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: String,
    paths: Vec<PathBuf>,
}

impl Namespace {
    /// The one that the first of these files that is there leads to; the name is for messages.
    #[must_use]
    pub fn at(name: impl Into<String>, paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self {
            name: name.into(),
            paths: paths.into_iter().collect(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that leads to it.
    #[must_use]
    pub fn path(&self) -> &Path {
        let there = self.paths.iter().find(|path| path.exists());
        there
            .or(self.paths.last())
            .map_or(Path::new(""), PathBuf::as_path)
    }

    /// The number that the kernel knows it by.
    ///
    /// # Errors
    /// When it is not there.
    pub fn inum(&self) -> Result<u64, NetError> {
        fs::metadata(self.path())
            .map(|meta| meta.st_ino())
            .map_err(|source| self.closed(source))
    }

    /// Runs `work` on a thread inside the namespace. Sockets made there belong to it for good.
    ///
    /// # Errors
    /// When it cannot be entered.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NetError> {
        let inside = || {
            self.enter()?;
            Ok(work())
        };
        thread::scope(|scope| match scope.spawn(inside).join() {
            Ok(result) => result,
            Err(panic) => panic::resume_unwind(panic),
        })
    }

    /// Moves the calling thread into the namespace.
    ///
    /// # Errors
    /// When it cannot be entered.
    pub fn enter(&self) -> Result<(), NetError> {
        let file = File::open(self.path()).map_err(|source| self.closed(source))?;
        setns(file, CloneFlags::CLONE_NEWNET).map_err(|errno| self.closed(errno.into()))
    }

    /// Runs several `ip` commands, a line each.
    ///
    /// # Errors
    /// When `ip` is missing or says no.
    pub fn ip(&self, commands: &str) -> Result<(), NetError> {
        let ip = tool("ip")?;
        self.run(|| ip.feed("-batch -", commands))?.map(|_| ())
    }

    /// Runs `nft -f` on a script.
    ///
    /// # Errors
    /// When `nft` is missing or says no.
    pub fn nft(&self, script: &str) -> Result<String, NetError> {
        let nft = tool("nft")?;
        self.run(|| nft.feed("-f -", script))?
    }

    /// Reads a file of procfs as the namespace shows it; `path` is below /proc/sys or /proc/net.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn read(&self, path: &str) -> Result<String, NetError> {
        self.run(|| fs::read_to_string(Self::procfs(path)))?
            .map_err(|source| self.proc(path, source))
    }

    /// A sysctl as a number, named as in `net.netfilter.nf_conntrack_count`.
    ///
    /// # Errors
    /// When it cannot be read, or is no number.
    pub fn sysctl(&self, name: &str) -> Result<u64, NetError> {
        let path = sysctl_path(name);
        let text = self.read(&path)?;
        text.trim()
            .parse()
            .map_err(|_| self.proc(&path, io::ErrorKind::InvalidData.into()))
    }

    /// Sets a sysctl.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_sysctl(&self, name: &str, value: &str) -> Result<(), NetError> {
        self.set_sysctls(&[(name, value)])
    }

    /// Sets several sysctls, in this order.
    ///
    /// # Errors
    /// When one cannot be written; those after it are not.
    pub fn set_sysctls(&self, settings: &[(&str, &str)]) -> Result<(), NetError> {
        self.run(|| {
            settings.iter().try_for_each(|(name, value)| {
                let path = sysctl_path(name);
                fs::write(Self::procfs(&path), value).map_err(|source| self.proc(&path, source))
            })
        })?
    }

    /// The file of procfs as the calling thread's namespace shows it.
    fn procfs(path: &str) -> String {
        // /proc/net is the view of the process's first thread, which is elsewhere.
        match path.strip_prefix("net/") {
            Some(rest) => format!("/proc/thread-self/net/{rest}"),
            None => format!("/proc/{path}"),
        }
    }

    fn closed(&self, source: io::Error) -> NetError {
        NetError::Enter {
            name: self.name.clone(),
            source,
        }
    }

    fn proc(&self, path: &str, source: io::Error) -> NetError {
        NetError::Proc {
            name: self.name.clone(),
            path: path.to_owned(),
            source,
        }
    }
}

fn sysctl_path(name: &str) -> String {
    format!("sys/{}", name.replace('.', "/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_file_that_is_there_leads_to_it() {
        let paths = ["/nonexistent/one", "/proc/self/ns/net", "/nonexistent/two"];
        let own = Namespace::at("own", paths.map(PathBuf::from));
        assert_eq!(own.path(), Path::new("/proc/self/ns/net"));
        assert!(own.inum().unwrap() > 0);
        let none = Namespace::at("none", paths[..1].iter().map(PathBuf::from));
        let said = none.inum().unwrap_err().to_string();
        assert!(
            said.starts_with("namespace none cannot be entered"),
            "{said}"
        );
    }
}
