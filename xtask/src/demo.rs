//! `cargo xtask demo`: tracker watches the traffic of a small web site on a real kernel, and says what to set.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::cache::Cache;
use crate::kernel::Spec;
use crate::vm::{self, Added, DEFAULT_LOAD, Machine, Request};
use crate::{dist, note, setup, workspace};

/// What the guest runs.
const COMMAND: [&str; 2] = ["sh", "/demo.sh"];
const SCRIPT: &str = "/demo.sh";
/// The programs that the script calls.
const PROGRAMS: [&str; 2] = ["tracker", "demo-traffic"];

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
    let script = Added {
        host: workspace::root().join("xtask/demo.sh"),
        guest: SCRIPT.into(),
    };
    let mut add = PROGRAMS
        .iter()
        .map(|name| dist::in_guest(name))
        .collect::<Result<Vec<_>>>()?;
    add.push(script);
    Ok(Request {
        command: COMMAND.map(str::to_owned).to_vec(),
        add,
        env: Vec::new(),
        out: None,
        load: DEFAULT_LOAD.map(str::to_owned).to_vec(),
        machine: Machine {
            warp: true,
            smp: 1,
            mem: 1024,
            timeout: Duration::from_secs(1800),
        },
    })
}
