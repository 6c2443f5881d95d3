//! bpf-linker, built into the cache against the LLVM of the compiler that it will serve.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process::run;
use crate::toolchain::{Compiler, LINKER_VERSION, Places, starts};
use crate::{machine, note, workspace};

/// Major versions of LLVM that bpf-linker can be built against.
const LLVM_VERSIONS: std::ops::RangeInclusive<u32> = 21..=23;
const SYSTEM_LIBRARIES: &str = "/usr/lib/x86_64-linux-gnu";

/// A linker that takes what the compiler makes; built first if there is none.
pub fn ensure(places: &Places, compiler: &Compiler) -> Result<()> {
    if places.find().is_ok() {
        return Ok(());
    }
    let llvm = compiler.llvm;
    if !LLVM_VERSIONS.contains(&llvm) {
        bail!(
            "bpf-linker {LINKER_VERSION} knows no LLVM {llvm}, which {} has. Install a compiler with LLVM {}, such as \
             an older nightly with rust-src",
            compiler.rustc.display(),
            LLVM_VERSIONS.end()
        );
    }
    let library = library(compiler)?;
    build(places, llvm, &library)
}

fn build(places: &Places, llvm: u32, library: &Path) -> Result<()> {
    note!(
        "building bpf-linker {LINKER_VERSION} with LLVM {llvm} into {} (a minute or two)",
        places.cache.display()
    );
    let work = tempfile::tempdir_in(&places.cache)?;
    // The build looks for the plain name, which only LLVM's development package brings.
    let prefix = work.path().join("llvm");
    fs::create_dir_all(prefix.join("lib"))?;
    symlink(library, prefix.join("lib/libLLVM.so"))?;
    let fresh = work.path().join("installed");

    let mut cargo = workspace::cargo();
    cargo
        .args([
            "install",
            "bpf-linker",
            "--version",
            LINKER_VERSION,
            "--locked",
            "--quiet",
        ])
        .args([
            "--no-default-features",
            "--features",
            &format!("llvm-{llvm}"),
            "--no-track",
            "--root",
        ])
        .arg(&fresh)
        .current_dir(work.path())
        .env("CARGO_TARGET_DIR", work.path().join("target"))
        .env("LLVM_PREFIX", &prefix)
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", rpath(library));
    run(&mut cargo).context("bpf-linker cannot be built")?;
    if !starts(&fresh.join("bin/bpf-linker")) {
        bail!(
            "bpf-linker was built against {} but does not run. Install another LLVM {llvm}",
            library.display()
        );
    }
    let home = places.linker_root(llvm);
    if home.exists() {
        fs::remove_dir_all(&home)?;
    }
    fs::rename(&fresh, &home)
        .with_context(|| format!("cannot move bpf-linker to {}", home.display()))
}

/// Tells the linker where its LLVM is, if that is a place that the system does not search.
fn rpath(library: &Path) -> String {
    match library.parent() {
        Some(dir) if dir != Path::new(SYSTEM_LIBRARIES) => {
            format!("-C link-arg=-Wl,-rpath,{}", dir.display())
        }
        _ => String::new(),
    }
}

/// The LLVM to link with: the toolchain's own, or the distribution's.
fn library(compiler: &Compiler) -> Result<PathBuf> {
    if let Some(found) = find_library(compiler) {
        return Ok(found);
    }
    machine::install(&[&format!("libllvm{}", compiler.llvm)])?;
    find_library(compiler).with_context(|| {
        format!(
            "libllvm{} brought no libLLVM. Install the LLVM that rustc was built with",
            compiler.llvm
        )
    })
}

fn find_library(compiler: &Compiler) -> Option<PathBuf> {
    let llvm = compiler.llvm;
    let prefix = format!("libLLVM.so.{llvm}.");
    let dirs = [
        compiler.lib.clone(),
        SYSTEM_LIBRARIES.into(),
        format!("/usr/lib/llvm-{llvm}/lib").into(),
    ];
    dirs.iter().find_map(|dir| {
        let mut names: Vec<PathBuf> = fs::read_dir(dir)
            .ok()?
            .flatten()
            .map(|entry| entry.path())
            .collect();
        names.sort();
        names.into_iter().find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
        })
    })
}
