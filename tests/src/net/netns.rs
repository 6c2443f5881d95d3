//! One named network namespace.

use std::ops::Deref;
use std::path::Path;

use tracker_user::lab::net::{Namespace, NetError, tool};

/// A network namespace with a name under /run/netns. It stays until [`Netns::delete`].
#[derive(Debug, Clone)]
pub struct Netns(Namespace);

impl Netns {
    /// Makes the namespace and brings its loopback up.
    pub fn create(name: &str) -> Result<Self, NetError> {
        tool("ip")?.run(&format!("netns add {name}"))?;
        let made = Self::named(name);
        made.ip("link set lo up\n")?;
        Ok(made)
    }

    /// A namespace that is there already.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let folders = ["/run/netns", "/var/run/netns"];
        let paths = folders.map(|folder| Path::new(folder).join(name));
        Self(Namespace::at(name, paths))
    }

    /// Takes the name away; the namespace goes when nothing uses it any more.
    pub fn delete(&self) -> Result<(), NetError> {
        tool("ip")?
            .run(&format!("netns delete {}", self.name()))
            .map(|_| ())
    }

    /// Runs `conntrack` with words of one line.
    pub fn conntrack(&self, line: &str) -> Result<String, NetError> {
        let conntrack = tool("conntrack")?;
        self.run(|| conntrack.run(line))?
    }
}

impl Deref for Netns {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        &self.0
    }
}
