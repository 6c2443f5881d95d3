//! What this machine must have installed, and apt to install it with.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use nix::unistd::geteuid;

use crate::note;
use crate::process::{self, capture, which};

/// The compiler's driver, and the package of Debian and Ubuntu that brings it.
const COMPILER: (&str, &str) = ("cc", "gcc");
/// A library that `cc` must find, and its package.
const LIBRARIES: [(&str, &str); 2] = [("libc.a", "libc6-dev"), ("libstdc++.so", "g++")];
const KEYRING: (&str, &str) = (
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "debian-archive-keyring",
);

/// The packages without which kernels cannot be booted or programs built.
pub fn missing_packages() -> Vec<&'static str> {
    let compiler = which(COMPILER.0).is_none().then_some(COMPILER.1);
    let libraries = LIBRARIES
        .iter()
        .filter(|(library, _)| !cc_finds(library))
        .map(|(_, package)| *package);
    let keyring = (!Path::new(KEYRING.0).exists()).then_some(KEYRING.1);
    compiler
        .into_iter()
        .chain(process::missing())
        .chain(libraries)
        .chain(keyring)
        .collect()
}

/// Whether apt can install things here.
pub fn has_apt() -> bool {
    which("apt-get").is_some()
}

/// Whether this user may install packages.
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// Fetches the machine's package indexes anew.
pub fn refresh() {
    note!("running apt-get update");
    // A single source that cannot be reached is no reason to stop: the packages may come from the others.
    if let Err(err) = capture(Command::new("apt-get").args(["update", "-q"])) {
        note!("{err:#}");
    }
}

/// Whether apt has a package of this name.
pub fn offers(package: &str) -> bool {
    let policy = capture(
        Command::new("apt-cache")
            .args(["policy", package])
            .env("LC_ALL", "C"),
    )
    .unwrap_or_default();
    policy.lines().any(|line| {
        line.trim()
            .strip_prefix("Candidate:")
            .is_some_and(|version| version.trim() != "(none)")
    })
}

/// Installs packages as root; for anybody else it says what root must type.
pub fn install(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    if !has_apt() {
        bail!(
            "this machine has no apt-get. Install with its own tools what Debian calls {list}, then run this again"
        );
    }
    if !is_root() {
        bail!(
            "{list} must be installed by root. Type: sudo apt-get install --no-install-recommends {list}"
        );
    }
    note!("installing with apt-get: {list}");
    let mut apt = Command::new("apt-get");
    apt.args(["install", "-y", "-q", "--no-install-recommends"])
        .args(packages);
    capture(apt.env("DEBIAN_FRONTEND", "noninteractive")).map(drop)
}

fn cc_finds(library: &str) -> bool {
    let said =
        capture(Command::new("cc").arg(format!("-print-file-name={library}"))).unwrap_or_default();
    Path::new(said.trim()).is_absolute()
}
