//! Builds the BPF programs and leaves the object at `$OUT_DIR/tracker.bpf.o`.

#[path = "build/bpf.rs"]
mod bpf;
#[expect(dead_code, reason = "xtask uses what is not used here")]
#[path = "build/toolchain.rs"]
mod toolchain;

use std::env;
use std::path::{Path, PathBuf};

fn main() {
    if let Err(message) = run() {
        for line in message.lines() {
            println!("cargo::error={line}");
        }
    }
}

fn run() -> Result<(), String> {
    let directory = |name: &str| {
        env::var_os(name)
            .map(PathBuf::from)
            .ok_or(format!("cargo did not set {name}"))
    };
    let package = directory("CARGO_MANIFEST_DIR")?;
    let out_dir = directory("OUT_DIR")?;
    let workspace = package
        .parent()
        .ok_or("tracker-user lies outside a workspace")?;
    watch(workspace);

    let toolchain = toolchain::Places::of_this_user()
        .find()
        .map_err(|missing| missing.to_string())?;
    for path in [&toolchain.compiler.rustc, &toolchain.linker.path] {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    bpf::build(
        workspace,
        &toolchain,
        &bpf::shared_target_dir(&out_dir),
        &out_dir.join("tracker.bpf.o"),
    )
}

fn watch(workspace: &Path) {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    for source in [
        "Cargo.toml",
        "Cargo.lock",
        "tracker-ebpf",
        "tracker-common/Cargo.toml",
        "tracker-common/src",
    ] {
        println!(
            "cargo::rerun-if-changed={}",
            workspace.join(source).display()
        );
    }
    for name in ["HOME", "XDG_CACHE_HOME", "RUSTUP_HOME"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
}
