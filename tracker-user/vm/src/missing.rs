//! What this machine lacks to boot a kernel, all of it before anything is fetched or made.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::boot::is_static;
use crate::cache::Cache;
use crate::kernel::{Spec, own, unfetchable};
use crate::process::{PROGRAMS, which};

/// Something that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// A program or a file, and the package of Debian and Ubuntu that brings it.
    Package(&'static str, &'static str),
    /// apt knows no archive that has Debian's kernels.
    Archive,
}

/// Everything that is missing for a guest of this kernel; `None` is whichever of Debian's is chosen later.
#[must_use]
pub fn missing(kernel: Option<&Spec>, cache: &Cache) -> Missing {
    let programs = PROGRAMS.into_iter();
    let programs = programs.filter(|(program, _)| which(program).is_none());
    let mut lacks: Vec<Lack> = programs
        .map(|(program, package)| Lack::Package(program, package))
        .collect();
    if which("ldd").is_some() && which("busybox").is_some_and(|path| !is_static(&path)) {
        lacks.push(Lack::Package("a static busybox", "busybox-static"));
    }
    lacks.extend(unfetchable(kernel, cache));
    Missing {
        lacks,
        own: own().map(|kernel| kernel.image),
    }
}

/// What a machine lacks, in words for its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    lacks: Vec<Lack>,
    /// The image of the kernel that runs here, if it can be booted as well.
    own: Option<PathBuf>,
}

impl Missing {
    /// Nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lacks.is_empty()
    }

    /// Without a kernel of Debian's, one of the user's own needs less.
    fn wants_own(&self) -> bool {
        let fetches = |it: &Lack| match it {
            Lack::Package(what, _) => FETCHING.iter().any(|(file, _)| file == what),
            Lack::Archive => true,
        };
        self.lacks.iter().any(fetches)
    }
}

/// What it takes to fetch Debian's kernels, and the packages that bring it.
pub const FETCHING: [(&str, &str); 3] = [
    ("apt-get", "apt"),
    ("dpkg-deb", "dpkg"),
    (KEYRING, "debian-archive-keyring"),
];
/// Checks what is fetched.
pub const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// A program or a file is here.
#[must_use]
pub fn is_here(what: &str) -> bool {
    if what.starts_with('/') {
        Path::new(what).exists()
    } else {
        which(what).is_some()
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packages = self.lacks.iter().filter_map(|it| match it {
            Lack::Package(what, package) => Some((*what, *package)),
            Lack::Archive => None,
        });
        let (names, packages): (Vec<&str>, Vec<&str>) = packages.unzip();
        if !names.is_empty() {
            write!(f, "this machine has no {}", names.join(", no "))?;
            write!(
                f,
                ", which a virtual machine is made with. Install that; on Debian and Ubuntu: apt-get install \
                 --no-install-recommends {}",
                packages.join(" ")
            )?;
        }
        if self.lacks.contains(&Lack::Archive) {
            let and = if names.is_empty() { "" } else { ". Besides, " };
            write!(
                f,
                "{and}apt on this machine knows no archive of Debian's, where the kernels are. Set \
                 TRACKER_DEBIAN_MIRROR and TRACKER_DEBIAN_SECURITY_MIRROR to the addresses of one"
            )?;
        }
        if self.wants_own() {
            f.write_str(", or give a kernel of your own: --kernel IMAGE, ")?;
            match &self.own {
                Some(image) => write!(f, "such as {}", image.display())?,
                None => f.write_str("a vmlinuz that you may read")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_missing_is_said_at_once() {
        let missing = |lacks: &[Lack]| Missing {
            lacks: lacks.to_vec(),
            own: Some("/boot/vmlinuz-6.8.0-45-generic".into()),
        };
        let qemu = Lack::Package("qemu-system-x86_64", "qemu-system-x86");
        let said = missing(&[qemu]).to_string();
        assert!(
            said.ends_with("--no-install-recommends qemu-system-x86"),
            "{said}"
        );
        let said = missing(&[qemu, Lack::Package("apt-get", "apt")]).to_string();
        assert!(
            said.starts_with("this machine has no qemu-system-x86_64, no apt-get, which"),
            "{said}"
        );
        assert!(
            said.ends_with("--kernel IMAGE, such as /boot/vmlinuz-6.8.0-45-generic"),
            "{said}"
        );
        let said = missing(&[Lack::Archive]).to_string();
        assert!(
            said.starts_with("apt on this machine knows no archive"),
            "{said}"
        );
        assert!(said.contains("--kernel IMAGE"), "{said}");
    }
}
