//! `cargo xtask setup`: installs what is missing, and says so. What is there is left alone.

use anyhow::{Result, bail};
use clap::Args;

use crate::cache::Cache;
use crate::kernel::{self, Spec};
use crate::toolchain::Places;
use crate::{compiler, linker, machine, note};

/// The series that are tested, oldest first.
pub const SERIES: [&str; 5] = ["5.10", "6.1", "6.12", "6.18", "7.3"];

/// Install what building and testing need: packages, a BPF toolchain, and kernels.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// The kernels to fetch.
    #[arg(long, value_name = "KERNEL", default_values = SERIES)]
    kernel: Vec<Spec>,
}

impl SetupArgs {
    /// Sets the machine up and says that it is.
    pub fn run(&self) -> Result<()> {
        all(&self.kernel)?;
        note!("everything is set up");
        Ok(())
    }
}

/// Everything: packages, toolchain and kernels. Says nothing if all is there.
pub fn all(kernels: &[Spec]) -> Result<()> {
    let cache = Cache::of_this_user()?;
    let _lock = cache.lock("setup")?;
    let packages = machine::missing_packages();
    let refresh = !packages.is_empty() && machine::has_apt() && machine::is_root();
    if refresh {
        machine::refresh();
    }
    if !packages.is_empty() {
        machine::install(&packages)?;
        let missing = machine::missing_packages();
        if !missing.is_empty() {
            bail!(
                "{} did not bring what it should. Reinstall it",
                missing.join(" ")
            );
        }
    }
    let places = Places::of_this_user();
    let compiler = compiler::ensure(&places, refresh)?;
    linker::ensure(&places, &compiler)?;
    for spec in kernels {
        kernel::get(spec, &cache)?;
    }
    Ok(())
}
