//! `cargo xtask prove`: plans are proven on real kernels, with traffic of hours in a minute.

mod recorded;
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

/// Exit statuses of tracker that come with a proof: it holds, it does not, or something of it was not tested.
const PROVEN: [u8; 3] = [0, 1, 4];

/// Prove plans: play traffic under today's settings and under the plan's, and compare with what it predicts.
///
/// If all are proven, `tracker prove` is tried as well, on one of the recordings: with its own plan, which must hold, and
/// with a harmful one, which must not. The exit status is 1 if something comes otherwise.
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
    expected: Expected,
}

/// What a proof is to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    Holds,
    /// More connections are cut than the plan allows.
    Cuts,
}

impl Done {
    fn is_good(&self) -> bool {
        self.proof.as_ref().is_ok_and(|proof| match self.expected {
            Expected::Holds => proof.holds == Some(true),
            Expected::Cuts => proof.cuts(),
        })
    }
}

/// A proof, as far as it is shown.
#[derive(Debug, Deserialize)]
struct Proof {
    untested: Vec<Untested>,
    checks: Vec<Check>,
    /// Nothing, if nothing was tested.
    holds: Option<bool>,
}

impl Proof {
    fn cuts(&self) -> bool {
        let cuts = |check: &Check| check.what.starts_with(table::CUT) && !check.holds;
        self.checks.iter().any(cuts)
    }
}

/// Part of the plan that the play says nothing about.
#[derive(Debug, Deserialize)]
struct Untested {
    name: String,
    why: String,
}

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
        let nowhere = tempfile::tempdir()?;
        let keep = self.keep.as_deref().unwrap_or(nowhere.path());
        let mut done = pool::each(&tasks, pool::processors(), |task| prove(task, keep));
        if let (true, Some(kernel)) = (self.scenarios.is_empty(), self.kernel.first()) {
            note!("proving plans with a recording, as tracker prove does");
            let folder = place(keep, kernel, recorded::SCENARIO);
            done.extend(recorded::prove(&folder, kernel)?);
        }
        print!("{}", table::text(&done));
        Ok(u8::from(!done.iter().all(Done::is_good)))
    }
}

fn prove(task: &Task, keep: &Path) -> Done {
    let started = Instant::now();
    let proof = boot(task, keep);
    Done {
        kernel: task.kernel.to_string(),
        name: task.name.clone(),
        took: started.elapsed(),
        proof,
        expected: Expected::Holds,
    }
}

fn boot(task: &Task, keep: &Path) -> Result<Proof> {
    let guest = format!("/{}.toml", task.name);
    let command = [
        "tracker", "lab", "prove", &guest, "--json", "--keep", "/out",
    ];
    let mut request = vm::warp(command, &["tracker"], TIMEOUT)?;
    request.add.push(Added {
        host: task.file.clone(),
        guest: guest.into(),
    });
    let out = place(keep, &task.kernel, &task.name);
    request.out = Some(out.clone());
    let said = Kept::default();
    let cache = Cache::of_this_user()?;
    let outcome = vm::run(&task.kernel, &request, &cache, Box::new(said.clone()))?;
    let said = said.take();
    std::fs::create_dir_all(&out)
        .and_then(|()| std::fs::write(out.join("proof.json"), &said))
        .with_context(|| format!("cannot write to {}", out.display()))?;
    if PROVEN.contains(&outcome.code()) && !said.is_empty() {
        return Ok(serde_json::from_slice(&said)?);
    }
    bail!("{outcome}. See above for what it says")
}

/// Where the files of a proof are left: also of a kernel that is named by its path.
fn place(keep: &Path, kernel: &Spec, name: &str) -> PathBuf {
    let kernel = kernel.to_string();
    keep.join(kernel.trim_start_matches('/').replace('/', "_"))
        .join(name)
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
    fn files_of_a_proof_are_left_in_the_folder_that_was_named() {
        let of = |kernel: &str| place(Path::new("/tmp/k"), &kernel.parse().unwrap(), "dns");
        assert_eq!(of("6.12"), Path::new("/tmp/k/6.12/dns"));
        assert_eq!(of("/boot/vmlinuz"), Path::new("/tmp/k/boot_vmlinuz/dns"));
    }

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
