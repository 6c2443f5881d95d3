//! Where settings are: the network namespaces of this machine.

use std::{fs, fs::OpenOptions, io};

use serde::{Deserialize, Serialize};

use super::{ApplyError, fault};
use crate::{
    kernel::{
        Root,
        netns::{self, HOST, Known, Netns, NetnsError},
    },
    settings::Name,
};

const FOLDER: &str = "proc/sys/net/netfilter";
const ENTRIES: &str = "proc/sys/net/netfilter/nf_conntrack_count";
/// A sysctl that only the machine's first namespace has.
const ONLY_OF_FIRST: &str = "proc/sys/net/core/netdev_max_backlog";

/// A network namespace. It is not held open: that would keep it alive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Inode number.
    pub inum: u32,
    /// Its name, as in [`Known::name`].
    pub name: String,
    /// What no other namespace has, where it is known: see [`netns::cookie`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<u64>,
}

impl From<&Known> for Place {
    fn from(known: &Known) -> Self {
        Self {
            inum: known.inum,
            name: known.name.clone(),
            cookie: None,
        }
    }
}

impl Place {
    /// The one of this name or path.
    ///
    /// # Errors
    /// [`NetnsError`].
    pub fn named(root: &Root, name_or_path: &str) -> Result<Self, NetnsError> {
        let netns = Netns::open(root, name_or_path)?;
        Ok(Self {
            inum: netns.inum(),
            name: netns.name().to_owned(),
            cookie: None,
        })
    }

    /// The one of process 1, under whatever number.
    #[must_use]
    pub fn host(root: &Root) -> Option<Self> {
        let known = netns::list(root).into_iter().find(|it| it.name == HOST);
        known.as_ref().map(Self::from)
    }

    /// The machine's first namespace, the only one where the table's size can be set.
    ///
    /// # Errors
    /// When it is not to be seen from here.
    pub fn first(root: &Root) -> Result<Self, ApplyError> {
        let place = Self::host(root).ok_or(ApplyError::NotFirst)?;
        if place.run(root, || root.has(ONLY_OF_FIRST))? {
            Ok(place)
        } else {
            Err(ApplyError::NotFirst)
        }
    }

    /// It is the namespace of process 1, whose settings files such as those of sysctl.d set.
    #[must_use]
    pub fn is_host(&self) -> bool {
        self.name == HOST
    }

    /// A file that leads to what has its number, if there is one.
    #[must_use]
    pub fn find(&self, root: &Root) -> Option<Known> {
        let mut known = netns::list(root).into_iter();
        known.find(|it| it.inum == self.inum)
    }

    /// With what no other one has, so that it is known again.
    #[must_use]
    pub fn with_cookie(self, root: &Root) -> Self {
        let cookie = self.run(root, netns::cookie).ok().flatten();
        Self { cookie, ..self }
    }

    /// What the namespace of its number is called, if that is another one by now: the kernel gives the
    /// number of one that is gone to the next. One that has lost its name may be the same.
    #[must_use]
    pub fn stranger(&self, root: &Root) -> Option<String> {
        let known = self.find(root)?;
        let has_its_name = known.name == self.name
            || netns::is_unnamed(&known.name)
            || netns::number(root, &self.name) == Some(self.inum);
        let now = || self.run(root, netns::cookie).ok().flatten();
        let has_its_cookie = self
            .cookie
            .is_none_or(|cookie| now().is_none_or(|now| now == cookie));
        (!has_its_name || !has_its_cookie).then_some(known.name)
    }

    /// Does something there.
    ///
    /// # Errors
    /// When it is gone, or may not be entered.
    pub fn run<T: Send>(
        &self,
        root: &Root,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, ApplyError> {
        // Whoever is there need not enter, which takes privileges.
        if netns::current(root) == Some(self.inum) {
            return Ok(work());
        }
        let known = self.find(root).ok_or_else(|| ApplyError::Gone {
            place: self.name.clone(),
        })?;
        let enter = |source| ApplyError::Enter {
            place: self.name.clone(),
            source,
        };
        let netns = Netns::open_known(root, &known).map_err(|it| enter(io::Error::other(it)))?;
        netns.run(work).map_err(enter)
    }

    /// How many entries it has.
    ///
    /// # Errors
    /// When it cannot be entered, or does not tell.
    pub fn entries(&self, root: &Root) -> Result<u64, ApplyError> {
        let path = root.path(ENTRIES);
        let text = self.run(root, || fs::read_to_string(&path))?;
        let number = text.and_then(|text| text.trim().parse().map_err(io::Error::other));
        number.map_err(|source| ApplyError::Machine {
            path: path.display().to_string(),
            source,
        })
    }

    /// Value of a setting.
    ///
    /// # Errors
    /// When the namespace has no such setting, or it cannot be read.
    pub fn read(&self, root: &Root, name: Name) -> Result<u64, ApplyError> {
        let text = self.run(root, || fs::read_to_string(root.path(path(name))))?;
        let number = text.and_then(|text| text.trim().parse().map_err(io::Error::other));
        number.map_err(|source| self.failed(name, source))
    }

    /// Fails if a setting cannot be written. It stays as it is.
    ///
    /// # Errors
    /// When it is missing, or the caller may not.
    pub fn check(&self, root: &Root, name: Name) -> Result<(), ApplyError> {
        let open = || OpenOptions::new().write(true).open(root.path(path(name)));
        self.run(root, open)?
            .map(drop)
            .map_err(|source| self.failed(name, source))
    }

    /// Writes a setting, and reads it back.
    ///
    /// # Errors
    /// When it cannot be written, or has another value afterwards.
    pub fn write(&self, root: &Root, name: Name, value: u64) -> Result<(), ApplyError> {
        let write = || {
            fault::point()?;
            fs::write(root.path(path(name)), format!("{value}\n"))?;
            fault::point()
        };
        self.run(root, write)?
            .map_err(|source| self.failed(name, source))?;
        let found = self.read(root, name)?;
        if found == value {
            return Ok(());
        }
        Err(ApplyError::Refused {
            name,
            place: self.name.clone(),
            value,
            found,
        })
    }

    fn failed(&self, name: Name, source: io::Error) -> ApplyError {
        let place = self.name.clone();
        if source.kind() == io::ErrorKind::NotFound {
            ApplyError::Missing { name, place }
        } else {
            ApplyError::Unwritable {
                name,
                place,
                source,
            }
        }
    }
}

fn path(name: Name) -> String {
    format!("{FOLDER}/{}", name.short())
}
