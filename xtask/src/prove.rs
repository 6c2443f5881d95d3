//! `cargo xtask prove`: plans are proven on real kernels, with traffic of hours in a minute.

mod table;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;

use crate::cache::Cache;
use crate::kernel::Spec;
use crate::vm::{self, Added, Kept};
use crate::{dist, note, pool, setup, workspace};

/// Kernels that differ in what tracker hooks, and in how expired entries are collected.
const KERNELS: [&str; 2] = ["6.12", "7.3"];
/// Where the scenarios are that are proven unless others are named.
const FOLDER: &str = "tests/proofs";
/// Many times what a proof takes.
const TIMEOUT: Duration = Duration::from_secs(1800);

/// Prove plans: play traffic under today's settings and under the plan's, and compare with what it predicts.
///
/// The exit status is 1 if something does not hold.
#[derive(Debug, Args)]
pub struct ProveArgs {
    /// Scenarios of tests/proofs, or files that end in .toml [default: all of that folder].
    #[arg(value_name = "SCENARIO|FILE")]
    scenarios: Vec<String>,
    /// The kernels to boot.
    #[arg(long, value_name = "KERNEL", default_values = KERNELS)]
    kernel: Vec<Spec>,
    /// Leave recordings, plans and proofs in this folder, each in a folder KERNEL/SCENARIO.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// A scenario to be proven on a kernel.
struct Task {
    kernel: Spec,
    file: PathBuf,
    name: String,
}

/// What came of one.
struct Done {
    kernel: String,
    name: String,
    took: Duration,
    /// What `tracker lab prove --json` printed, or why it did not.
    proof: Result<Proof>,
}

/// A proof, as far as it is shown.
#[derive(Debug, Deserialize)]
struct Proof {
    changes: Vec<Change>,
    checks: Vec<Check>,
    holds: bool,
}

impl Proof {
    /// A plan that changes nothing keeps its promise, but nothing is proven by that.
    fn is_good(&self) -> bool {
        self.holds && !self.changes.is_empty()
    }
}

/// A setting that the plan changes.
#[derive(Debug, Deserialize)]
struct Change {}

/// A thing that was promised.
#[derive(Debug, Deserialize)]
struct Check {
    what: String,
    today: f64,
    predicted: Option<f64>,
    measured: f64,
    least: f64,
    most: f64,
    holds: bool,
}

impl ProveArgs {
    /// Proves all, prints a table, and gives the exit status.
    pub fn run(&self) -> Result<u8> {
        let files = files(&self.scenarios)?;
        setup::all(&self.kernel)?;
        note!("building tracker");
        dist::tracker()?;
        let kernels = self.kernel.iter();
        let tasks: Vec<Task> = kernels
            .flat_map(|kernel| files.iter().map(|(name, file)| task(kernel, name, file)))
            .collect();
        let done = pool::each(&tasks, pool::processors(), |task| self.prove(task));
        print!("{}", table::text(&done));
        let hold = |it: &Done| it.proof.as_ref().is_ok_and(Proof::is_good);
        Ok(u8::from(!done.iter().all(hold)))
    }

    fn prove(&self, task: &Task) -> Done {
        let started = Instant::now();
        let proof = self.boot(task);
        Done {
            kernel: task.kernel.to_string(),
            name: task.name.clone(),
            took: started.elapsed(),
            proof,
        }
    }

    fn boot(&self, task: &Task) -> Result<Proof> {
        let guest = format!("/{}.toml", task.name);
        let command = [
            "tracker", "lab", "prove", &guest, "--json", "--keep", "/out",
        ];
        let mut request = vm::warp(command, &["tracker"], TIMEOUT)?;
        request.add.push(Added {
            host: task.file.clone(),
            guest: guest.into(),
        });
        let keep = self.keep.as_ref();
        request.out = keep.map(|keep| keep.join(task.kernel.to_string()).join(&task.name));
        let said = Kept::default();
        let cache = Cache::of_this_user()?;
        let outcome = vm::run(&task.kernel, &request, &cache, Box::new(said.clone()))?;
        let said = said.take();
        if let Some(out) = &request.out {
            std::fs::write(out.join("proof.json"), &said)
                .with_context(|| format!("cannot write to {}", out.display()))?;
        }
        match outcome.code() {
            0 | 1 if !said.is_empty() => Ok(serde_json::from_slice(&said)?),
            _ => bail!("{outcome}. See above for what it says"),
        }
    }
}

fn task(kernel: &Spec, name: &str, file: &Path) -> Task {
    Task {
        kernel: kernel.clone(),
        file: file.to_owned(),
        name: name.to_owned(),
    }
}

/// The scenarios by their names.
fn files(named: &[String]) -> Result<Vec<(String, PathBuf)>> {
    let folder = workspace::root().join(FOLDER);
    let mut files: Vec<PathBuf> = if named.is_empty() {
        let entries = std::fs::read_dir(&folder)?;
        entries
            .map(|it| Ok(it?.path()))
            .collect::<std::io::Result<_>>()?
    } else {
        let place = |name: &String| {
            if Path::new(name).extension().is_some() {
                PathBuf::from(name)
            } else {
                folder.join(name).with_extension("toml")
            }
        };
        named.iter().map(place).collect()
    };
    files.sort();
    let known = files.into_iter().map(|file| {
        let name = file.file_stem().map(|it| it.to_string_lossy().into_owned());
        let is_there = file.extension().is_some_and(|it| it == "toml") && file.is_file();
        match name.filter(|_| is_there) {
            Some(name) => Ok((name, file)),
            None => bail!(
                "there is no scenario {}. Name one of {FOLDER}, or a file that ends in .toml",
                file.display()
            ),
        }
    });
    known.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_those_of_the_folder_unless_named() {
        let all = files(&[]).unwrap();
        assert!(all.len() >= 6);
        let names = |named: &[&str]| -> Result<Vec<String>> {
            let named: Vec<String> = named.iter().map(|&it| it.to_owned()).collect();
            Ok(files(&named)?.into_iter().map(|(name, _)| name).collect())
        };
        assert_eq!(names(&["dns"]).unwrap(), ["dns"]);
        let file = all[0].1.to_string_lossy().into_owned();
        assert_eq!(names(&[&file]).unwrap(), [all[0].0.clone()]);
        let said = names(&["nothing"]).unwrap_err().to_string();
        assert!(said.contains("Name one of tests/proofs"), "{said}");
    }
}
