//! The floods, one after another.

use std::{thread, time::Duration};

use super::{
    BenchError, Options, Report, Row, Spent,
    cpu::{Cpu, Machine},
    memory,
    native::Native,
    observer::{Observer, Seen},
    programs::{self, Program},
};
use crate::{
    kernel::{self, Root},
    lab::{
        control::Control,
        net::{Settings, Topology, tool},
        packet::{Effect, Packet, Witness},
        run::{self as engine},
        scenario::Scenario,
    },
    source::{Statistic, ebpf::statistics},
};

/// Length of the flood that is not measured.
const WARM_UP: Duration = Duration::from_secs(1);
/// The same packets each time.
const SEED: u64 = 1;

/// Sends the flood under each observer. Whoever waits for it is told which one is next.
///
/// # Errors
/// [`BenchError`]. An observer that this machine lacks or refuses is left out, and no error.
pub fn run(
    options: &Options,
    control: &Control,
    mut tell: impl FnMut(&str),
) -> Result<Report, BenchError> {
    let scenario = Scenario::find(&options.scenario)?;
    let mut observers = vec![Observer::Nobody, Observer::Tracker];
    let conntrack = tool("conntrack");
    observers.extend(conntrack.as_ref().ok().cloned().map(Observer::Conntrack));
    observers.push(Observer::Listener);
    // What comes with the first packets only, such as the loading of modules, is nobody's cost.
    tell("a short one before, to warm up");
    let short = Options {
        duration: Some(options.duration.unwrap_or(WARM_UP).min(WARM_UP)),
        ..options.clone()
    };
    flood(&Observer::Nobody, &scenario, &short, control)?;
    let mut rows = Vec::new();
    for observer in &observers {
        if control.is_stopped() {
            break;
        }
        tell(observer.name());
        let done = flood(observer, &scenario, options, control);
        rows.push(match done {
            Ok(spent) => Row {
                observer: observer.name().to_owned(),
                left_out: None,
                spent: Some(spent),
            },
            Err(error) if observer.may_be_missing() && error.is_about_the_observer() => Row {
                observer: observer.name().to_owned(),
                left_out: Some(error.to_string()),
                spent: None,
            },
            Err(error) => return Err(error),
        });
    }
    if let Err(error) = conntrack {
        rows.push(Row {
            observer: "conntrack -E".to_owned(),
            left_out: Some(error.to_string()),
            spent: None,
        });
    }
    let watches = |row: &Row| row.observer == Observer::Tracker.name() && row.spent.is_some();
    let programs = if rows.iter().any(watches) && !control.is_stopped() {
        tell("tracker profile, with the kernel's statistics of its programs");
        by_program(&scenario, options, control)?
    } else {
        Vec::new()
    };
    let machine = kernel::machine::Machine::read(&Root::machine()).ok();
    let mut report = Report {
        schema_version: 1,
        scenario: scenario.name.clone(),
        seed: SEED,
        kernel: machine.map_or_else(String::new, |machine| machine.release),
        cpus: thread::available_parallelism().map_or(1, usize::from),
        observers: rows,
        programs,
        native: Native::time(),
    };
    report.compare();
    Ok(report)
}

impl Observer {
    /// A machine may be without it, or refuse it.
    fn may_be_missing(&self) -> bool {
        !matches!(self, Self::Nobody)
    }
}

impl BenchError {
    fn is_about_the_observer(&self) -> bool {
        matches!(self, Self::Watch { .. } | Self::Observer(_))
    }
}

/// A flood with the kernel's statistics of tracker's programs, which cost something themselves.
fn by_program(
    scenario: &Scenario,
    options: &Options,
    control: &Control,
) -> Result<Vec<Program>, BenchError> {
    let Ok(kept) = statistics::keep() else {
        return Ok(Vec::new());
    };
    let before = programs::there();
    let mut ran = Vec::new();
    let looked = || ran = programs::since(&before);
    watched(&Observer::Tracker, scenario, options, control, looked)?;
    drop(kept);
    Ok(ran)
}

fn flood(
    observer: &Observer,
    scenario: &Scenario,
    options: &Options,
    control: &Control,
) -> Result<Spent, BenchError> {
    watched(observer, scenario, options, control, || ())
}

/// Sends the flood in a lab of its own, and looks before the observer ends.
fn watched(
    observer: &Observer,
    scenario: &Scenario,
    options: &Options,
    control: &Control,
    look: impl FnOnce(),
) -> Result<Spent, BenchError> {
    let room = room(scenario, options);
    let topology = Topology::create(&Settings {
        masquerade: scenario.masquerade,
        sysctls: scenario.sysctls.clone(),
        max: Some(scenario.max.unwrap_or(room)),
        buckets: scenario
            .buckets
            .or((scenario.max.is_none()).then_some(room)),
    })?;
    let traffic = scenario.traffic(SEED, &options.overrides())?;
    let folder = tempfile::tempdir().map_err(BenchError::Observer)?;
    let mut running = observer.start(&topology.router, folder.path())?;
    let process = running.as_ref().map(super::observer::Running::process);
    let own = || {
        let spent = process.map(Cpu::of_process).transpose();
        spent.map_err(BenchError::Unreadable)
    };
    let engine_options = engine::Options {
        threads: 1,
        settle: Some(Duration::ZERO),
    };
    let mut made = Made::default();
    let before_all = Machine::now().map_err(BenchError::Unreadable)?;
    let before = own()?;
    let work = || engine::run(&topology, traffic, &mut made, &engine_options, control);
    let (sent, memory) = memory::during(process, work);
    let (sent, memory) = (sent?, memory.map_err(BenchError::Unreadable)?);
    if let Some(running) = &mut running {
        running.drain(&topology.router)?;
    }
    let after = own()?;
    let all = Machine::now().map_err(BenchError::Unreadable)?;
    let busy_s = all.busy_since(&before_all);
    look();
    let seen: Option<Seen> = running
        .map(|running| running.finish(&topology.router))
        .transpose()?;
    let entries = made.entries.saturating_sub(sent.counted(Statistic::Drop));
    Ok(Spent {
        packets: sent.packets(),
        entries,
        seconds: sent.seconds(),
        entries_per_s: entries as f64 / sent.seconds(),
        machine: all.cpu - before_all.cpu,
        busy_s,
        us_per_entry: busy_s * 1e6 / entries.max(1) as f64,
        added_us_per_entry: None,
        process: after.zip(before).map(|(after, before)| after - before),
        memory,
        unseen: seen
            .as_ref()
            .map(|seen| entries.saturating_sub(seen.counted.inserted)),
        seen: seen.as_ref().map(|seen| seen.counted),
        losses: seen.map(|seen| seen.losses).unwrap_or_default(),
    })
}

/// Entries for which the table is to have room, so that none makes way for another: twice as many
/// as connections begin.
fn room(scenario: &Scenario, options: &Options) -> u64 {
    let own: f64 = scenario
        .populations
        .iter()
        .map(|it| it.arrival.rate())
        .sum();
    let duration = options.duration.unwrap_or(scenario.duration);
    let planned = options.rate.unwrap_or(own) * duration.as_secs_f64();
    // The kernel counts them in 32 bits, and a small table is no smaller problem.
    (2.0 * planned).clamp(65_536.0, f64::from(i32::MAX)) as u64
}

/// Counts the entries that packets begin.
#[derive(Debug, Default)]
struct Made {
    entries: u64,
}

impl Witness for Made {
    fn sent(&mut self, packet: &Packet, _from: u64, _to: u64) {
        let begins = matches!(packet.effect, Effect::Insert { .. } | Effect::Reopen { .. });
        self.entries += u64::from(begins);
    }
}
