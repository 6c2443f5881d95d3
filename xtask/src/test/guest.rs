//! All cases in one boot of one kernel; floods in another one with two CPUs.

use std::io::{self, Write};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::tally::Tally;
use crate::cache::Cache;
use crate::kernel::{self, Spec};
use crate::vm;
use crate::{note, pool};

/// The program that runs every case and prints the sum.
const CASES: &str = "vm-cases";
/// Cases by what their names begin with, and the kernels that they run on: all others run on all. Scenarios take long, and
/// what they add to the other cases is the same everywhere (on two kernels some are in the proofs, too); the lab
/// itself, refusals, what changes settings and the bench hardly depend on the kernel. Of two that fit, both hold.
const LIMITED: [(&str, &[&str]); 10] = [
    ("apply_", &["5.10", "6.12", "7.3"]),
    ("apply_guard_meets", &["6.12", "7.3"]),
    ("doctor", &["5.10", "6.12"]),
    ("cmd_", &["5.10", "6.12"]),
    ("signal_", &["5.10", "6.12"]),
    ("lab_", &["5.10", "6.12"]),
    (SCENARIOS, &["6.12"]),
    ("error_", &["5.10", "6.12"]),
    ("bench_", &["5.10", "6.12"]),
    (FLOODS, &["6.12"]),
];
const SCENARIOS: &str = "lab_scenario";
/// Floods run with several CPUs as well: on the oldest kernel, whose hooks are kprobes, and on two with fentry. What CPUs
/// do at once needs a guest without warp.
const FLOODS: &str = "flood_";
const WITH_FLOODS_OF_CPUS: [&str; 3] = ["5.10", "6.12", "7.3"];
const FLOODED_CPUS: u32 = 2;
/// Floods during which hooks come and go, and with them code that packets run through.
const PATCHED: &str = "flood_interrupted";
/// Far more than a boot with all cases takes.
const TIMEOUT: Duration = Duration::from_secs(2400);

/// Boots the kernels, as many at once as there are processors, and runs the cases there; then, one after the other,
/// those on which there are floods with several CPUs at once.
pub fn run_all(kernels: &[Spec], filter: Option<&str>) -> Result<Vec<Tally>> {
    let (narrow, wide): (Vec<Boot>, Vec<Boot>) = boots(kernels, filter)
        .into_iter()
        .partition(|boot| boot.cpus.count == 1 || boot.cpus.in_turn);
    let mut tallies = pool::each(&narrow, pool::processors(), run);
    tallies.extend(wide.iter().map(run));
    tallies.into_iter().collect()
}

/// A boot of a kernel, and the cases that run there.
struct Boot {
    spec: Spec,
    cpus: Cpus,
    /// Arguments of [`CASES`].
    words: Vec<String>,
}

/// All boots, those that take longest first, so that no processor is idle at the end.
fn boots(kernels: &[Spec], filter: Option<&str>) -> Vec<Boot> {
    let boot = |spec: &Spec, count, in_turn, words: &[&str]| Boot {
        spec: spec.clone(),
        cpus: Cpus { count, in_turn },
        words: words.iter().copied().map(str::to_owned).collect(),
    };
    let mut order: Vec<&Spec> = kernels.iter().collect();
    order.sort_by_key(|spec| {
        let left_out = chosen(spec, filter);
        (left_out.contains(&SCENARIOS), left_out.len())
    });
    let is_flooded = |spec: &&Spec| match filter {
        None => is_in(&WITH_FLOODS_OF_CPUS, spec),
        Some(filter) => is_flood(filter),
    };
    let with = |words: &[&'static str]| -> Vec<&str> {
        filter.into_iter().chain(words.iter().copied()).collect()
    };
    let one = order
        .iter()
        .map(|spec| boot(spec, 1, true, &chosen(spec, filter)));
    let floods = order.iter().copied().filter(is_flooded).flat_map(|spec| {
        [
            boot(spec, FLOODED_CPUS, true, &with(&["--only", PATCHED])),
            boot(
                spec,
                FLOODED_CPUS,
                false,
                &with(&["--only", FLOODS, "--without", PATCHED]),
            ),
        ]
    });
    one.chain(floods).collect()
}

/// Which cases are to run on a kernel, as the program's arguments.
fn chosen<'a>(spec: &Spec, filter: Option<&'a str>) -> Vec<&'a str> {
    if let Some(filter) = filter {
        return vec![filter];
    }
    let left_out = LIMITED.iter().filter(|(_, kernels)| !is_in(kernels, spec));
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
    /// As [`tracker_vm::Machine::in_turn`].
    in_turn: bool,
}

/// Boots a kernel with these CPUs and runs cases there.
fn run(boot: &Boot) -> Result<Tally> {
    let Boot { spec, cpus, words } = boot;
    let started = Instant::now();
    let cache = Cache::of_this_user()?;
    let mut place = kernel::get(spec, &cache)?.release;
    if cpus.count > 1 {
        let how = if cpus.in_turn { " in turn" } else { "" };
        place += &format!(", {} CPUs{how}", cpus.count);
    }
    println!("{spec}: kernel {place}");
    let command = std::iter::once(CASES).chain(words.iter().map(String::as_str));
    let mut request = vm::warp(command, &["tracker", CASES], TIMEOUT)?;
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
            since: Instant::now(),
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
    /// When the case before ended.
    since: Instant,
}

impl Tee {
    /// Shows a line; of a case, how long it took on this machine.
    fn show(&mut self, line: &str) {
        let mut took = String::new();
        if line.starts_with("case ") {
            took = format!(" ({:.1} s)", self.since.elapsed().as_secs_f64());
            self.since = Instant::now();
        }
        // At once: guests speak at the same time.
        println!("{}: {line}{took}", self.spec);
    }
}

impl Write for Tee {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend(bytes);
        while let Some(end) = self.line.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = self.line.drain(..=end).collect();
            self.show(String::from_utf8_lossy(&line).trim_end());
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
    fn what_takes_longest_begins_first_and_floods_boot_once_more() {
        let kernels = ["6.1", "5.10", "6.12"].map(|it| it.parse().unwrap());
        let told = |filter| -> Vec<String> {
            let boots = boots(&kernels, filter);
            let tell = |it: &Boot| format!("{} {} {}", it.spec, it.cpus.count, it.words.join(" "));
            boots.iter().map(tell).collect()
        };
        let patched = "2 --only flood_interrupted";
        let others = "2 --only flood_ --without flood_interrupted";
        let least = "--without apply_ --without apply_guard_meets --without doctor --without cmd_ --without signal_ --without lab_ \
                     --without lab_scenario --without error_ --without bench_ --without flood_";
        assert_eq!(
            told(None),
            [
                "6.12 1 ".to_owned(),
                "5.10 1 --without apply_guard_meets --without lab_scenario --without flood_"
                    .to_owned(),
                format!("6.1 1 {least}"),
                format!("6.12 {patched}"),
                format!("6.12 {others}"),
                format!("5.10 {patched}"),
                format!("5.10 {others}"),
            ]
        );
        assert_eq!(told(Some("udp_expiry")).len(), 3);
        assert_eq!(told(Some("flood_udp")).len(), 9);
    }

    #[test]
    fn what_takes_long_runs_on_some_kernels_unless_it_is_asked_for() {
        let chosen = |series: &str, filter| chosen(&series.parse().unwrap(), filter).join(" ");
        assert_eq!(chosen("6.12", None), "");
        assert_eq!(
            chosen("7.3", None),
            "--without doctor --without cmd_ --without signal_ --without lab_ --without lab_scenario \
             --without error_ --without bench_ --without flood_"
        );
        assert_eq!(
            chosen("5.10", None),
            "--without apply_guard_meets --without lab_scenario --without flood_"
        );
        assert_eq!(chosen("6.1", Some("flood_udp")), "flood_udp");
        assert!(is_flood("flood") && is_flood("flood_udp") && !is_flood("udp_expiry"));
    }
}
