//! All cases in one boot of one kernel.

use std::io::{self, Write};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::tally::Tally;
use crate::cache::Cache;
use crate::kernel::{self, Spec};
use crate::vm::{self, Request};
use crate::{note, pool};

/// The program that runs every case and prints the sum.
const CASES: &str = "vm-cases";
/// Every scenario of the lab takes its minute, and what they add to the other cases is the same on every kernel: two
/// run them.
const SCENARIOS: &str = "lab_scenario";
const WITH_SCENARIOS: [&str; 2] = ["6.12", "7.3"];
/// Far more than a boot with all cases takes.
const TIMEOUT: Duration = Duration::from_secs(2400);

/// Boots the kernels, as many at once as there are processors, and runs the cases there. The
/// tallies come in the order of the kernels.
pub fn run_all(kernels: &[Spec], filter: Option<&str>) -> Result<Vec<Tally>> {
    pool::each(kernels, pool::processors(), |spec| run(spec, filter))
        .into_iter()
        .collect()
}

/// Boots a kernel and runs the cases there.
fn run(spec: &Spec, filter: Option<&str>) -> Result<Tally> {
    let started = Instant::now();
    let cache = Cache::of_this_user()?;
    let place = kernel::get(spec, &cache)?.release;
    println!("{spec}: kernel {place}");
    let without = match filter {
        None if !WITH_SCENARIOS.contains(&spec.to_string().as_str()) => {
            vec!["--without", SCENARIOS]
        }
        _ => Vec::new(),
    };
    let command = std::iter::once(CASES).chain(filter).chain(without);
    let request = Request::warp(command, &["tracker", CASES], TIMEOUT)?;
    let (sender, receiver) = mpsc::channel();
    let outcome = vm::run(
        spec,
        &request,
        &cache,
        Box::new(Tee {
            spec: spec.to_string(),
            line: Vec::new(),
            sender,
        }),
    )?;
    let output: Vec<u8> = receiver.try_iter().flatten().collect();
    let tally = Tally::of_cases(&String::from_utf8_lossy(&output)).unwrap_or_else(|| {
        note!("kernel {place}: the cases did not come to their end");
        Tally {
            failed: 1,
            ..Tally::default()
        }
    });
    Ok(Tally {
        place,
        took: started.elapsed(),
        ..tally.with_status(outcome.code() == 0)
    })
}

/// Shows what comes, line by line with the kernel before it, and keeps it.
struct Tee {
    spec: String,
    line: Vec<u8>,
    sender: mpsc::Sender<Vec<u8>>,
}

impl Write for Tee {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend(bytes);
        while let Some(end) = self.line.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.line.drain(..=end).collect();
            println!(
                "{}: {}",
                self.spec,
                String::from_utf8_lossy(&line).trim_end()
            );
        }
        // Nobody listens any more only after the boot.
        let _ = self.sender.send(bytes.to_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}
