//! What a contributor types: `cargo xtask COMMAND`.

mod bench;
mod compiler;
mod demo;
mod dist;
mod linker;
mod machine;
mod pool;
mod prove;
mod setup;
mod test;
#[expect(
    dead_code,
    reason = "tracker-user's build script uses what is not used here"
)]
#[path = "../../tracker-user/build/toolchain.rs"]
mod toolchain;
mod vm;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use tracker_vm::{cache, kernel, note, process};

/// Set up, build, test and try tracker.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Xtask,
}

#[derive(Debug, Subcommand)]
enum Xtask {
    Setup(setup::SetupArgs),
    /// Build the release binary for this machine.
    Build,
    /// Build the static release binary, and leave it at target/dist/tracker.
    Dist,
    Demo(demo::DemoArgs),
    Test(test::TestArgs),
    Prove(prove::ProveArgs),
    Bench(bench::BenchArgs),
    Vm(vm::VmArgs),
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(status) => ExitCode::from(status),
        Err(err) => {
            note!("{err:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Xtask) -> Result<u8> {
    match command {
        Xtask::Setup(args) => args.run().map(|()| 0),
        Xtask::Build => process::run(workspace::cargo().args(["build", "--release"])).map(|()| 0),
        Xtask::Dist => dist::command().map(|()| 0),
        Xtask::Demo(args) => args.run(),
        Xtask::Test(args) => args.run(),
        Xtask::Prove(args) => args.run(),
        Xtask::Bench(args) => args.run(),
        Xtask::Vm(args) => Ok(args.run()),
    }
}
