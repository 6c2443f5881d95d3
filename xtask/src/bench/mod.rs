//! `cargo xtask bench`: what watching costs, in instructions, and whether it keeps its budgets.

mod budget;
mod document;
mod guest;
mod native;
#[path = "../../../tests/src/bench/report.rs"]
mod report;
mod table;

use anyhow::Result;
use clap::Args;

use crate::cache::Cache;
use crate::kernel::{self, Spec};
use crate::{dist, note, setup};

/// Measure what watching costs, in exact instructions on a real kernel, and hold it against the budgets.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The kernels to boot.
    #[arg(long, value_name = "KERNEL", default_value = "6.12")]
    kernel: Vec<Spec>,
    /// Rewrite the tables of docs/benchmarks.md.
    #[arg(long)]
    write: bool,
}

impl BenchArgs {
    /// Measures, prints, and gives the exit status: 1 if a budget is passed.
    pub fn run(&self) -> Result<u8> {
        setup::all(&self.kernel)?;
        note!("building the static programs");
        dist::all()?;
        let native = native::start(&dist::folder()?)?;
        let cache = Cache::of_this_user()?;
        let mut text = String::new();
        let mut kept = true;
        for spec in &self.kernel {
            let release = kernel::get(spec, &cache)?.release;
            note!("measuring on {release}; this takes a minute or two");
            let report = guest::measure(spec, &cache)?;
            let judged = budget::judge(&report, &native);
            kept &= judged.iter().all(budget::Judged::is_kept);
            let part = table::kernel(spec, &release, &report, &judged);
            println!("{part}");
            text += &part;
        }
        let part = table::native(&native);
        println!("{part}");
        if self.write {
            document::rewrite(&(text + &part))?;
        }
        if !kept {
            note!("a budget is passed; see the tables above");
        }
        Ok(u8::from(!kept))
    }
}
