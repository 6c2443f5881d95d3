//! `cargo xtask bench`: what watching costs, in instructions, and whether it keeps its budgets.

mod across;
mod advice;
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
use crate::{dist, note, pool, setup};
use budget::{About, Judged};
use native::Native;
use report::Report;

/// Measure what watching costs, in exact instructions on real kernels, and hold it against the budgets.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The kernels to boot.
    #[arg(long, value_name = "KERNEL", default_values = setup::SERIES)]
    kernel: Vec<Spec>,
    /// How many guests run at once.
    #[arg(long, value_name = "N", default_value_t = pool::processors())]
    jobs: usize,
    /// Rewrite the tables of docs/benchmarks.md, which are of all kernels.
    #[arg(long, conflicts_with = "kernel")]
    write: bool,
    /// Measure only what the budgets on instructions and on advice need, on the kernel that they are about.
    #[arg(long, conflicts_with_all = ["kernel", "write"])]
    budgets: bool,
}

/// What was measured on one kernel.
pub struct Bench {
    /// As the user named it.
    spec: Spec,
    /// What `uname -r` says.
    release: String,
    report: Report,
    judged: Vec<Judged>,
}

impl BenchArgs {
    /// Measures, prints, and gives the exit status: 1 if a budget is not kept.
    pub fn run(&self) -> Result<u8> {
        let judged = if self.budgets {
            Self::gate()?
        } else {
            self.tables()?
        };
        let not_kept = judged.iter().filter(|it| !it.is_kept()).count();
        if not_kept > 0 {
            note!("{not_kept} of {} budgets are not kept", judged.len());
        }
        Ok(u8::from(not_kept > 0))
    }

    /// Only the budgets on what is the same everywhere: instructions, and advice.
    fn gate() -> Result<Vec<Judged>> {
        let spec: Spec = budget::KERNEL.parse()?;
        setup::all(std::slice::from_ref(&spec))?;
        dist::all()?;
        let cache = Cache::of_this_user()?;
        let report = guest::measure(&spec, &cache, &["--budgets", "--kprobes"])?;
        let mut judged = budget::judge(&report, &Native::LeftOut, &[About::Instructions]);
        judged.extend(advice::judge(&dist::folder()?)?);
        println!(
            "Instructions on {}:\n\n{}\nBudgets:\n\n{}",
            budget::KERNEL,
            table::added(&report),
            table::budgets(&judged)
        );
        Ok(judged)
    }

    /// Everything, on each kernel.
    fn tables(&self) -> Result<Vec<Judged>> {
        setup::all(&self.kernel)?;
        note!("building the static programs");
        dist::all()?;
        let native = native::start(&dist::folder()?)?;
        let cache = Cache::of_this_user()?;
        note!("measuring; this takes two or three minutes for each kernel");
        let done = pool::each(&self.kernel, self.jobs.max(1), |spec| {
            let bench = measure(spec, &cache, &native)?;
            println!("{}", table::kernel(&bench));
            Ok(bench)
        });
        let benches = done.into_iter().collect::<Result<Vec<Bench>>>()?;
        let functions = native::functions(&dist::folder()?)?;
        let advice = advice::judge(&dist::folder()?)?;
        let across = across::table(&benches);
        let native = table::native(&native, &functions, &advice);
        println!("{across}\n{native}");
        if self.write {
            let kernels: Vec<String> = benches.iter().map(table::kernel).collect();
            let all = [across, kernels.join("\n"), native];
            document::rewrite(&all.join("\n"))?;
        }
        let judged = benches.into_iter().flat_map(|it| it.judged);
        Ok(judged.chain(advice).collect())
    }
}

fn measure(spec: &Spec, cache: &Cache, native: &Native) -> Result<Bench> {
    let release = kernel::get(spec, cache)?.release;
    // There, both ways to attach have budgets.
    let both = spec.to_string() == budget::KERNEL;
    let (options, about): (&[&str], &[About]) = if both {
        let all = &[About::Instructions, About::Process, About::Start];
        (&["--kprobes"], all)
    } else {
        (&[], &[About::Process])
    };
    let report = guest::measure(spec, cache, options)?;
    let judged = budget::judge(&report, native, about);
    Ok(Bench {
        spec: spec.clone(),
        release,
        report,
        judged,
    })
}
