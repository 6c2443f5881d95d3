//! All cases in one boot of one kernel.

use std::io::{self, Write};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::tally::Tally;
use crate::cache::Cache;
use crate::kernel::{self, Spec};
use crate::vm::{self, DEFAULT_LOAD, Machine, Request};
use crate::{dist, note};

/// The program that runs every case and prints the sum.
const CASES: &str = "vm-cases";
/// Far more than a boot with all cases takes.
const TIMEOUT: Duration = Duration::from_secs(900);

/// Boots a kernel and runs the cases there.
pub fn run(spec: &Spec, filter: Option<&str>) -> Result<Tally> {
    let started = Instant::now();
    let cache = Cache::of_this_user()?;
    let place = kernel::get(spec, &cache)?.release;
    println!("\nkernel {place}");
    let cases = dist::in_guest(CASES)?;
    let command = [cases.guest.to_string_lossy().into_owned()]
        .into_iter()
        .chain(filter.map(str::to_owned))
        .collect();
    let request = Request {
        command,
        add: vec![dist::in_guest("tracker")?, cases],
        env: Vec::new(),
        out: None,
        load: DEFAULT_LOAD.map(str::to_owned).to_vec(),
        machine: Machine {
            warp: true,
            smp: 1,
            mem: 1024,
            timeout: TIMEOUT,
        },
    };
    let (sender, receiver) = mpsc::channel();
    let outcome = vm::run(spec, &request, &cache, Box::new(Tee { sender }))?;
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

/// Shows what comes, and keeps it.
struct Tee {
    sender: mpsc::Sender<Vec<u8>>,
}

impl Write for Tee {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        io::stdout().write_all(bytes)?;
        // Nobody listens any more only after the boot.
        let _ = self.sender.send(bytes.to_owned());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stdout().flush()
    }
}
