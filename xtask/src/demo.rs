//! `cargo xtask demo`: tracker watches the traffic of a small web site on a real kernel, and says what to set.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::cache::Cache;
use crate::kernel::Spec;
use crate::vm::{self, Added, Request};
use crate::{dist, note, setup, workspace};

/// What the guest runs.
const SCRIPT: &str = "/demo.sh";
/// The programs that the script calls.
const PROGRAMS: [&str; 2] = ["tracker", "demo-traffic"];
/// Several times what a slow machine takes.
const TIMEOUT: Duration = Duration::from_secs(1800);

/// Watch tracker observe real traffic on a real kernel and print what to set, and why.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The kernel to boot.
    #[arg(long, value_name = "KERNEL", default_value = "6.12")]
    kernel: Spec,
}

impl DemoArgs {
    /// Sets up, builds, and runs the demo; gives its exit status.
    pub fn run(&self) -> Result<u8> {
        setup::all(std::slice::from_ref(&self.kernel))?;
        note!("building tracker");
        dist::all()?;
        note!("booting the kernel; its clock runs faster than this machine's");
        let cache = Cache::of_this_user()?;
        vm::run(
            &self.kernel,
            &request()?,
            &cache,
            Box::new(std::io::stdout()),
        )
        .map(|outcome| outcome.code())
    }
}

fn request() -> Result<Request> {
    let mut request = vm::warp(["sh", SCRIPT], &PROGRAMS, TIMEOUT)?;
    request.add.push(Added {
        host: workspace::root().join("xtask/demo.sh"),
        guest: SCRIPT.into(),
    });
    Ok(request)
}
