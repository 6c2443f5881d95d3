//! `cargo xtask test`: the host's tests, then the kernels'.

mod guest;
mod host;
mod tally;

use anyhow::Result;
use clap::Args;

use crate::kernel::Spec;
use crate::{dist, note, setup};
use tally::Tally;

/// Set up, then run all tests: cargo's own, and one boot of each kernel.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// The kernels to boot.
    #[arg(long, value_name = "KERNEL", default_values = setup::SERIES)]
    kernel: Vec<Spec>,
    /// Leave the kernels out.
    #[arg(long, conflicts_with = "kernel")]
    no_vm: bool,
    /// Only tests whose names contain this.
    filter: Option<String>,
}

impl TestArgs {
    /// Runs the tests, prints the summary, and gives the exit status.
    pub fn run(&self) -> Result<u8> {
        let kernels = if self.no_vm {
            &[]
        } else {
            self.kernel.as_slice()
        };
        setup::all(kernels)?;
        let filter = self.filter.as_deref();
        let mut tallies = vec![host::run(filter)?];
        if self.no_vm {
            note!("THE KERNELS ARE LEFT OUT: nothing is known about the programs in the kernel");
        } else {
            note!("building the static programs for the guests");
            dist::all()?;
        }
        tallies.extend(guest::run_all(kernels, filter)?);
        Tally::print(&tallies);
        Ok(u8::from(!Tally::are_good(&tallies, filter.is_some())))
    }
}
