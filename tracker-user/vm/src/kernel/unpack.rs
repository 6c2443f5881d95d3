//! From a kernel's packages to a folder that can be booted from, complete or not at all.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::packages::Candidate;
use crate::process::{capture, need};

/// The file that says what the folder holds.
pub const META: &str = "meta.json";

/// Unpacks packages below `work` and moves the result to `home`:
/// `meta.json`, `vmlinuz` and `root/lib/modules/RELEASE`.
pub fn unpack(packages: &[PathBuf], work: &Path, found: &Candidate, home: &Path) -> Result<()> {
    let raw = work.join("raw");
    let whole = work.join("whole");
    let root = whole.join("root");
    for package in packages {
        capture(
            Command::new(need("dpkg-deb")?)
                .arg("-x")
                .arg(package)
                .arg(&raw),
        )?;
    }
    let release = &found.release;
    let trees = ["lib/modules", "usr/lib/modules"].map(|dir| raw.join(dir).join(release));
    let Some(tree) = trees.iter().find(|tree| tree.join("kernel").is_dir()) else {
        bail!("the packages of {release} hold no modules. Name another kernel");
    };
    let images = [
        raw.join(format!("boot/vmlinuz-{release}")),
        raw.join(format!("usr/lib/modules/{release}/vmlinuz")),
    ];
    let image = images.iter().find(|path| path.is_file());
    let image = image
        .with_context(|| format!("the packages of {release} hold no image. Name another kernel"))?;

    // Whether depmod looks in lib/ or usr/lib/ is a matter of its build.
    fs::create_dir_all(root.join("lib/modules"))?;
    fs::create_dir(root.join("usr"))?;
    symlink("../lib", root.join("usr/lib"))?;
    fs::copy(image, whole.join("vmlinuz"))?;
    fs::rename(tree, root.join("lib/modules").join(release))?;
    depmod(&root, release)?;
    fs::write(whole.join(META), serde_json::to_vec_pretty(found)?)?;
    fs::set_permissions(&whole, fs::Permissions::from_mode(0o755))?;
    if home.exists() {
        fs::remove_dir_all(home)?;
    }
    fs::rename(&whole, home)
        .with_context(|| format!("cannot move the kernel to {}", home.display()))
}

/// Writes the dependency files of `ROOT/lib/modules/RELEASE`.
pub fn depmod(root: &Path, release: &str) -> Result<()> {
    capture(
        Command::new(need("depmod")?)
            .arg("-b")
            .arg(root)
            .arg(release),
    )
    .map(drop)
}
