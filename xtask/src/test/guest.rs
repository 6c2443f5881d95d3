//! All cases in one boot of one kernel; floods in another one with two CPUs.

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
/// Floods run on the oldest kernel, whose hooks are kprobes, and on two with fentry. What two CPUs do at once needs a
/// guest without warp.
const FLOODS: &str = "flood_";
const WITH_FLOODS: [&str; 3] = ["5.10", "6.12", "7.3"];
const FLOODED_CPUS: u32 = 2;
/// Floods during which hooks come and go, and with them code that packets run through.
const PATCHED: &str = "flood_interrupted";
/// Far more than a boot with all cases takes.
const TIMEOUT: Duration = Duration::from_secs(2400);

/// Boots the kernels, as many at once as there are processors, and runs the cases there; then, one after the other,
/// those on which there are floods with several CPUs. The tallies come in the order of the boots.
pub fn run_all(kernels: &[Spec], filter: Option<&str>) -> Result<Vec<Tally>> {
    let one = Cpus {
        count: 1,
        in_turn: true,
    };
    let of_all = |spec: &Spec| run(spec, one, &chosen(spec, filter));
    let mut tallies = pool::each(&longest_first(kernels), pool::processors(), of_all);
    let is_flood = filter.is_some_and(is_flood);
    for spec in kernels {
        if is_flood || (filter.is_none() && is_in(&WITH_FLOODS, spec)) {
            for (in_turn, which) in [
                (false, &["--only", FLOODS, "--without", PATCHED][..]),
                (true, &["--only", PATCHED]),
            ] {
                let cpus = Cpus {
                    count: FLOODED_CPUS,
                    in_turn,
                };
                let words = filter.into_iter().chain(which.iter().copied());
                tallies.push(run(spec, cpus, &words.collect::<Vec<_>>()));
            }
        }
    }
    tallies.into_iter().collect()
}

/// Those that take longest first, so that no processor is idle at the end.
fn longest_first(kernels: &[Spec]) -> Vec<Spec> {
    let mut order = kernels.to_vec();
    order.sort_by_key(|spec| !is_in(&WITH_SCENARIOS, spec));
    order
}

/// Which cases are to run on a kernel, as the program's arguments.
fn chosen<'a>(spec: &Spec, filter: Option<&'a str>) -> Vec<&'a str> {
    if let Some(filter) = filter {
        return vec![filter];
    }
    let limited = [
        (SCENARIOS, is_in(&WITH_SCENARIOS, spec)),
        (FLOODS, is_in(&WITH_FLOODS, spec)),
    ];
    let left_out = limited.iter().filter(|(_, runs)| !runs);
    left_out
        .flat_map(|(prefix, _)| ["--without", prefix])
        .collect()
}

fn is_in(series: &[&str], spec: &Spec) -> bool {
    series.contains(&spec.to_string().as_str())
}

/// Whether what is asked for may be among the floods: their names begin with this.
fn is_flood(filter: &str) -> bool {
    filter.contains(FLOODS) || FLOODS.contains(filter)
}

/// The CPUs of a guest.
#[derive(Clone, Copy)]
struct Cpus {
    count: u32,
    /// As [`vm::Machine::in_turn`].
    in_turn: bool,
}

/// Boots a kernel with these CPUs and runs cases there.
fn run(spec: &Spec, cpus: Cpus, words: &[&str]) -> Result<Tally> {
    let started = Instant::now();
    let cache = Cache::of_this_user()?;
    let mut place = kernel::get(spec, &cache)?.release;
    if cpus.count > 1 {
        let how = if cpus.in_turn { " in turn" } else { "" };
        place += &format!(", {} CPUs{how}", cpus.count);
    }
    println!("{spec}: kernel {place}");
    let command = std::iter::once(&CASES).chain(words).copied();
    let mut request = Request::warp(command, &["tracker", CASES], TIMEOUT)?;
    if cpus.count > 1 {
        request.machine.warp = false;
        request.machine.smp = cpus.count;
        request.machine.in_turn = cpus.in_turn;
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_long_runs_on_some_kernels_unless_it_is_asked_for() {
        let chosen = |series: &str, filter| chosen(&series.parse().unwrap(), filter).join(" ");
        assert_eq!(chosen("6.12", None), "");
        assert_eq!(chosen("5.10", None), "--without lab_scenario");
        assert_eq!(
            chosen("6.1", None),
            "--without lab_scenario --without flood_"
        );
        assert_eq!(chosen("6.1", Some("flood_udp")), "flood_udp");
        let order = longest_first(&["5.10", "6.12"].map(|it| it.parse().unwrap()));
        assert_eq!(order[0].to_string(), "6.12");
        assert!(is_flood("flood") && is_flood("flood_udp") && !is_flood("udp_expiry"));
    }
}
