//! Static release binaries, which run on any kernel's userland.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::process::{capture, run};
use crate::vm::Added;
use crate::{note, workspace};

const TARGET: &str = "x86_64-unknown-linux-gnu";

/// `target/dist`.
pub fn folder() -> Result<PathBuf> {
    Ok(workspace::target_dir()?.join("dist"))
}

/// Builds `tracker` and gives its place here and in a guest.
pub fn tracker() -> Result<Added> {
    all()?;
    in_guest("tracker")
}

/// Builds `tracker` and all programs of the package `tracker-tests`: always together, since cargo joins the features
/// of what both use, and builds for either alone once more.
pub fn all() -> Result<()> {
    let tests = binaries("tracker-tests")?;
    let mut wanted = vec![("tracker-user", "tracker")];
    wanted.extend(tests.iter().map(|name| ("tracker-tests", name.as_str())));
    build(&wanted)
}

/// Where a program that was built is, here and in a guest.
pub fn in_guest(name: &str) -> Result<Added> {
    let host = folder()?.join(name);
    if !host.is_file() {
        bail!("there is no {}. Run `cargo xtask dist`", host.display());
    }
    Ok(Added {
        host,
        guest: format!("/usr/bin/{name}").into(),
    })
}

/// `cargo xtask dist`.
pub fn command() -> Result<()> {
    all()?;
    note!("static programs are in {}", folder()?.display());
    Ok(())
}

fn build(wanted: &[(&str, &str)]) -> Result<()> {
    let mut cargo = workspace::cargo();
    // The target is named so that the flag does not reach build scripts and macros, which cannot be static.
    cargo
        .args(["build", "--release", "--target", TARGET])
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    cargo.env_remove("CARGO_ENCODED_RUSTFLAGS");
    for (package, binary) in wanted {
        cargo.args(["--package", package, "--bin", binary]);
    }
    run(&mut cargo)?;
    let target = workspace::target_dir()?;
    let home = target.join("dist");
    fs::create_dir_all(&home)?;
    for (_, binary) in wanted {
        let built = target.join(TARGET).join("release").join(binary);
        // A program that runs cannot be written to, but it can be replaced: also by two that build at once.
        let fresh = home.join(format!(".{binary}.{}", std::process::id()));
        let put = || {
            fs::copy(&built, &fresh)?;
            fs::rename(&fresh, home.join(binary))
        };
        put().with_context(|| {
            format!(
                "cannot copy {0} to {1}. Look at the room and the rights in {1}",
                built.display(),
                home.display()
            )
        })?;
    }
    Ok(())
}

/// The names of a package's programs.
fn binaries(package: &str) -> Result<Vec<String>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        targets: Vec<Target>,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
        kind: Vec<String>,
    }
    let text =
        capture(workspace::cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Metadata = serde_json::from_str(&text)?;
    let targets = metadata
        .packages
        .into_iter()
        .filter(|found| found.name == package)
        .flat_map(|found| found.targets);
    Ok(targets
        .filter(|target| target.kind.iter().any(|kind| kind == "bin"))
        .map(|target| target.name)
        .collect())
}
