//! A compiler for the BPF programs, installed where there is none.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::process::{run, which};
use crate::toolchain::{Compiler, Places};
use crate::{machine, note};

/// Debian's compiler with its source.
const PACKAGES: [&str; 2] = ["rustc-web", "rust-web-src"];
const RUSTUP: [&str; 7] = [
    "toolchain",
    "install",
    "nightly",
    "--profile",
    "minimal",
    "--component",
    "rust-src",
];

/// The compiler that will be used; installed first if there is none. `refreshed` says whether apt's indexes are fresh.
pub fn ensure(places: &Places, refreshed: bool) -> Result<Compiler> {
    let first = || places.compilers().into_iter().next();
    if let Some(compiler) = first() {
        return Ok(compiler);
    }
    for way in [by_apt, by_rustup] {
        if let Err(err) = way(refreshed) {
            note!("{err:#}");
        }
        if let Some(compiler) = first() {
            return Ok(compiler);
        }
    }
    let rustup = format!("rustup {}", RUSTUP.join(" "));
    let apt = format!(
        "sudo apt-get install --no-install-recommends {}",
        PACKAGES.join(" ")
    );
    if machine::offers(PACKAGES[0]) {
        bail!("a Rust compiler with the source of `core` is missing. Type: {apt} (or: {rustup})");
    }
    bail!("a Rust compiler with the source of `core` is missing. Install rustup and type: {rustup}")
}

fn by_apt(refreshed: bool) -> Result<()> {
    if !machine::has_apt() || !machine::is_root() {
        bail!("only root can install the packages {}", PACKAGES.join(" "));
    }
    if !refreshed {
        machine::refresh();
    }
    if !PACKAGES.iter().all(|package| machine::offers(package)) {
        bail!("apt offers no {}", PACKAGES.join(" "));
    }
    machine::install(&PACKAGES)
}

fn by_rustup(_: bool) -> Result<()> {
    let rustup = which("rustup").context("there is no rustup")?;
    note!("installing with rustup: nightly with rust-src");
    run(Command::new(rustup).args(RUSTUP))
}
