//! One named network namespace.

use std::fs;
use std::io;
use std::os::linux::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};

use super::{NetError, tool};

/// A network namespace with a name under /run/netns. It stays until [`Netns::delete`].
#[derive(Debug, Clone)]
pub struct Netns {
    name: String,
}

impl Netns {
    /// Makes the namespace and brings its loopback up.
    pub fn create(name: &str) -> Result<Self, NetError> {
        let ip = tool("ip")?;
        ip.run(&format!("netns add {name}"))?;
        ip.run(&format!("-n {name} link set lo up"))?;
        Ok(Self::named(name))
    }

    /// A namespace that is there already.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that holds it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        let found = ["/run/netns", "/var/run/netns"].map(|dir| Path::new(dir).join(&self.name));
        let [run, var] = found;
        if run.exists() { run } else { var }
    }

    /// The number that the kernel knows it by.
    pub fn inum(&self) -> Result<u64, NetError> {
        fs::metadata(self.path())
            .map(|meta| meta.st_ino())
            .map_err(|source| NetError::Enter {
                name: self.name.clone(),
                source,
            })
    }

    /// Takes the name away; the namespace goes when nothing uses it any more.
    pub fn delete(&self) -> Result<(), NetError> {
        tool("ip")?
            .run(&format!("netns delete {}", self.name))
            .map(|_| ())
    }

    /// Runs `work` on a thread inside the namespace. Sockets made there belong to it for good.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NetError> {
        let inside = || {
            self.enter()?;
            Ok(work())
        };
        std::thread::scope(|scope| match scope.spawn(inside).join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    }

    /// Moves the calling thread into the namespace.
    pub fn enter(&self) -> Result<(), NetError> {
        let fail = |source| NetError::Enter {
            name: self.name.clone(),
            source,
        };
        let file = fs::File::open(self.path()).map_err(fail)?;
        setns(file, CloneFlags::CLONE_NEWNET).map_err(|errno| fail(io::Error::from(errno)))
    }

    /// Runs several `ip` commands, a line each.
    pub fn ip(&self, commands: &str) -> Result<(), NetError> {
        tool("ip")?
            .feed(&format!("-n {} -batch -", self.name), commands)
            .map(|_| ())
    }

    /// Runs `nft -f` on a script.
    pub fn nft(&self, script: &str) -> Result<String, NetError> {
        let nft = tool("nft")?;
        self.run(|| nft.feed("-f -", script))?
    }

    /// Runs `conntrack` with words of one line.
    pub fn conntrack(&self, line: &str) -> Result<String, NetError> {
        let conntrack = tool("conntrack")?;
        self.run(|| conntrack.run(line))?
    }

    /// Reads a file of procfs as the namespace shows it; `path` is below /proc/sys or /proc/net.
    pub fn read(&self, path: &str) -> Result<String, NetError> {
        // /proc/net is the view of the process's first thread, which is elsewhere.
        let full = match path.strip_prefix("net/") {
            Some(rest) => format!("/proc/thread-self/net/{rest}"),
            None => format!("/proc/{path}"),
        };
        self.run(|| fs::read_to_string(&full))?
            .map_err(|source| self.proc(path, source))
    }

    /// A sysctl as a number, named as in `net.netfilter.nf_conntrack_count`.
    pub fn sysctl(&self, name: &str) -> Result<u64, NetError> {
        let path = sysctl_path(name);
        let text = self.read(&path)?;
        text.trim()
            .parse()
            .map_err(|_| self.proc(&path, io::ErrorKind::InvalidData.into()))
    }

    /// Sets a sysctl.
    pub fn set_sysctl(&self, name: &str, value: &str) -> Result<(), NetError> {
        let path = sysctl_path(name);
        let full = format!("/proc/{path}");
        self.run(|| fs::write(&full, value))?
            .map_err(|source| self.proc(&path, source))
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
