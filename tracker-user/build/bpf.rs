//! The nested cargo that builds the BPF programs.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::toolchain::Toolchain;

const TARGET: &str = "bpfel-unknown-none";
const PACKAGE: &str = "tracker-ebpf";

/// Builds the programs and leaves the object at `object`.
pub fn build(
    workspace: &Path,
    toolchain: &Toolchain,
    target_dir: &Path,
    object: &Path,
) -> Result<(), String> {
    fs::create_dir_all(target_dir)
        .map_err(|err| format!("cannot create {}: {err}", target_dir.display()))?;
    // Held until the object is copied: a build for another profile may run at the same time.
    let _lock = lock(&target_dir.join("tracker.lock"))
        .map_err(|err| format!("cannot lock the BPF build: {err}"))?;
    let mut cargo = command(toolchain);
    cargo
        .current_dir(workspace)
        .args([
            "build",
            "--quiet",
            "--release",
            "--package",
            PACKAGE,
            "--bin",
            PACKAGE,
            "--target",
            TARGET,
        ])
        .args(["-Z", "build-std=core", "--target-dir"])
        .arg(target_dir);
    let done = cargo
        .output()
        .map_err(|err| format!("cannot run {:?}: {err}", cargo.get_program()))?;
    let said = String::from_utf8_lossy(&done.stderr);
    if !done.status.success() {
        return Err(format!(
            "building {PACKAGE} for {TARGET} failed ({}):\n{said}",
            done.status
        ));
    }
    for warning in said.lines() {
        println!("cargo::warning={warning}");
    }
    let built = target_dir.join(TARGET).join("release").join(PACKAGE);
    fs::copy(&built, object).map_err(|err| format!("cannot copy {}: {err}", built.display()))?;
    Ok(())
}

/// The one folder for BPF builds below the target directory that `out_dir` lies in, so that debug, release and static
/// builds share it.
pub fn shared_target_dir(out_dir: &Path) -> PathBuf {
    out_dir
        .ancestors()
        .find(|dir| dir.join("CACHEDIR.TAG").is_file())
        .unwrap_or(out_dir)
        .join("bpf")
}

fn command(toolchain: &Toolchain) -> Command {
    let running = env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from);
    let mut cargo = Command::new(toolchain.compiler.cargo.as_ref().unwrap_or(&running));
    for (name, _) in env::vars_os().filter(|(name, _)| !passes(name)) {
        cargo.env_remove(name);
    }
    cargo
        .env("RUSTC", &toolchain.compiler.rustc)
        // Building `core` is an unstable feature; a released compiler has it behind this.
        .env("RUSTC_BOOTSTRAP", "1")
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            "-Cdebuginfo=2\x1f-Ctarget-cpu=v3\x1f-Clink-arg=--btf",
        )
        .env(
            "CARGO_TARGET_BPFEL_UNKNOWN_NONE_LINKER",
            &toolchain.linker.path,
        );
    if let Some(arch) = env::var_os("CARGO_CFG_TARGET_ARCH") {
        cargo.env("AYA_BPF_TARGET_ARCH", arch);
    }
    cargo
}

/// Whether an environment variable may reach the nested cargo. What the outer cargo set for the host's build (flags,
/// wrappers such as clippy's, the profile) would leak into the BPF build; where and how to download would not.
fn passes(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return true;
    };
    let settings = [
        "CARGO_HOME",
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_SOURCE_",
        "CARGO_TERM_",
        "RUSTUP_HOME",
    ];
    if settings.iter().any(|kept| name.starts_with(kept)) {
        return true;
    }
    let of_build_scripts = [
        "OUT_DIR",
        "TARGET",
        "HOST",
        "PROFILE",
        "OPT_LEVEL",
        "DEBUG",
        "NUM_JOBS",
    ];
    !(name.starts_with("CARGO")
        || name.starts_with("RUST")
        || name.starts_with("DEP_")
        || name.starts_with("CLIPPY")
        || of_build_scripts.contains(&name))
}

fn lock(path: &Path) -> io::Result<File> {
    let file = File::create(path)?;
    file.lock()?;
    Ok(file)
}
