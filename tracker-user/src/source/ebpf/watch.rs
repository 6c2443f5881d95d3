//! A watch, from its start to its end.

use std::{
    os::fd::AsFd,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use aya::{Ebpf, programs::Program};
use aya_log::EbpfLogger;
use tracker_common::{
    Loss,
    layout::{Bank, Counters, Losses, Namespace, RareCounts},
};

use super::{
    Attach, Pin, StartError, census,
    fentry::Attached,
    flow::{Flow, Readings},
    hooks, load,
    mapped::Mapped,
    object::{self, Cast, Means},
    rare, read, rights,
    room::Room,
    scope::Scope,
    strata, sys, text,
};
use crate::{
    kernel::{
        Root,
        btf::KernelBtf,
        collector,
        machine::{self, EntryMemory, Machine, Presence, Tracking},
        offsets::Offsets,
        symbols::Symbols,
    },
    source::{Description, NamespaceSample, Sample, Source, SourceError},
};

/// Time between two readings of the ports, of which there may be thousands.
const PORTS_EVERY: Duration = Duration::from_secs(10);
/// Room for entries where the table has no maximum.
const UNLIMITED: u64 = 1 << 18;
/// Time between two readings of tables and their counters, when it is settled what they hold.
const BETWEEN_READINGS: Duration = Duration::from_millis(1);

/// What to watch, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// `all`, a name or a path; `None` is the current namespace.
    pub netns: Option<String>,
    /// Live entries to have room for; `None` is the table's maximum.
    pub max_entries: Option<u32>,
    /// Functions chosen by hand.
    pub pins: Vec<Pin>,
    /// How to attach.
    pub attach: Attach,
    /// Which diagnostics the programs send.
    pub log_level: log::LevelFilter,
    /// It is no error if nothing tracks yet.
    pub may_be_idle: bool,
    /// Is told what memory will be taken, before it is.
    pub on_room: fn(&Room),
}

/// A running watch. Dropped, it leaves nothing in the kernel.
pub struct Watch {
    root: Root,
    ebpf: Ebpf,
    fentries: Vec<Attached>,
    logger: Option<EbpfLogger<&'static dyn log::Log>>,
    description: Description,
    scope: Scope,
    cpus: u32,
    last: Vec<Last>,
    start: Instant,
    ports_read: Option<Instant>,
}

/// What was last read of a namespace: only what has changed since is read again.
#[derive(Clone)]
struct Last {
    counters: Box<Counters>,
    rare: RareCounts,
}

impl Last {
    fn nothing() -> Self {
        Self {
            counters: Box::new(Counters::ZERO),
            rare: RareCounts::ZERO,
        }
    }
}

impl Watch {
    /// Begins to watch.
    ///
    /// # Errors
    /// [`StartError`]: nothing is left in the kernel then.
    pub fn start(options: &Options) -> Result<Self, StartError> {
        let root = Root::machine();
        let unreadable = |what| move |source| StartError::Machine { what, source };
        let machine = Machine::read(&root).map_err(|error| StartError::Machine {
            what: "this machine",
            source: std::io::Error::other(error.to_string()),
        })?;
        rights::privileged(&root)?;
        match Presence::read(&root, &machine) {
            Presence::Absent => return Err(StartError::Absent),
            Presence::NotLoaded => return Err(StartError::NotLoaded),
            Presence::BuiltIn | Presence::Loaded => {}
        }
        let scope = Scope::resolve(&root, options.netns.as_deref())?;
        let fill = scope.fill();
        if !options.may_be_idle
            && fill.count == 0
            && matches!(Tracking::read(&root), Tracking::Nothing)
        {
            return Err(StartError::Untracked { scope: scope.label });
        }

        let symbols = Symbols::read(&root)?;
        rights::unlock_memory();
        let callers = text::all_callers(&symbols, hooks::traced());
        let btf = KernelBtf::open(&root)?;
        let offsets = Offsets::resolve(&btf)?;
        let tick_ns = machine::tick_ns().map_err(unreadable("the clock"))?;
        let entries = if fill.max == 0 { UNLIMITED } else { fill.max };
        let max_entries = options
            .max_entries
            .unwrap_or_else(|| u32::try_from(entries).unwrap_or(u32::MAX));
        sys::try_programs().map_err(|cause| StartError::Forbidden { cause })?;
        let means = Means {
            exchange: sys::has_exchange(),
            cast: Cast::of(&btf),
        };
        let room = Room::new(
            max_entries,
            means.exchange,
            scope.slots,
            machine.possible_cpus,
        );
        (options.on_room)(&room);
        let object = object::made_for(&offsets, means).map_err(|error| StartError::Object {
            cause: format!("{error:#}"),
        })?;
        let plan = load::Plan {
            object: &object,
            room,
            btf: &btf,
            symbols: &symbols,
            offsets: &offsets,
            has_cast: means.cast.is_some(),
            callers: &callers,
            tick_ns,
            given: &scope.given(),
            all: scope.all,
            pins: &options.pins,
            attach: options.attach,
            log_level: options.log_level as u8,
        };
        let loaded = load::load(&plan)?;
        let mut ebpf = loaded.ebpf;
        let logger = EbpfLogger::init(&mut ebpf)
            .inspect_err(|error| log::debug!("no diagnostics from the programs: {error}"))
            .ok();
        let settings = scope
            .members
            .first()
            .and_then(|member| member.fresh.clone());
        let memory = EntryMemory::read(&root, offsets.entry_size, &settings.unwrap_or_default());
        let description = Description {
            source: "ebpf".to_owned(),
            host: machine.host.clone(),
            machine: machine::identity(&root),
            kernel: machine.release.clone(),
            started: SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |now| now.as_secs()),
            tick_ns,
            scope: scope.label.clone(),
            hooks: loaded.hooks,
            memory_bytes: machine.memory_bytes,
            entry_bytes: memory.bytes(),
            map_bytes: room.bytes(),
            // Without the one a kernel is older than the other.
            collector_adapts: collector::adapts(&btf).or((!means.exchange).then_some(false)),
            remarks: Vec::new(),
        };
        let last = vec![Last::nothing(); scope.members.len()];
        let mut watch = Self {
            root,
            ebpf,
            fentries: loaded.fentries,
            logger,
            description,
            scope,
            cpus: machine.possible_cpus,
            last,
            start: Instant::now(),
            ports_read: None,
        };
        let bases = watch.settled().map_err(|error| StartError::Object {
            cause: error.to_string(),
        })?;
        for (member, base) in watch.scope.members.iter_mut().zip(bases) {
            // What went unseen until now is no entry of the start, and shows as a loss at the end.
            member.begin(u64::try_from(base).unwrap_or(0));
        }
        Ok(watch)
    }

    fn counters(&self, slot: usize) -> anyhow::Result<Box<Counters>> {
        let banks = Mapped::open(&self.ebpf, "BANKS")?;
        Ok(read::counters(&banks, u32::try_from(slot)?, self.cpus)?)
    }

    /// Entries that each namespace's table holds beyond those that were inserted and not destroyed
    /// since the watch began: at its start, those that were there. Below 0, so many deaths have gone
    /// unseen.
    fn settled(&self) -> anyhow::Result<Vec<i64>> {
        let mut all = vec![Readings::default(); self.scope.members.len()];
        for round in 0..Readings::MOST {
            if round != 0 {
                thread::sleep(BETWEEN_READINGS);
            }
            let mut are_enough = true;
            for (slot, readings) in all.iter_mut().enumerate() {
                if readings.are_enough() {
                    continue;
                }
                let before = Flow::of(&*self.counters(slot)?);
                let Some(table) = self.scope.members[slot].table() else {
                    continue;
                };
                let after = Flow::of(&*self.counters(slot)?);
                readings.take(before, table.count, after);
                are_enough &= readings.are_enough();
            }
            if are_enough {
                break;
            }
        }
        Ok(all.iter().map(Readings::beyond).collect())
    }

    fn take(&mut self, read_ports: bool) -> anyhow::Result<Sample> {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
        let at = self.start.elapsed();
        let known = self.namespaces()?;
        for (slot, namespace) in known.iter().enumerate() {
            if slot >= self.scope.members.len() && namespace.inum != 0 {
                self.scope.met(&self.root, namespace.inum);
                self.last.push(Last::nothing());
            }
        }
        let mut samples = Vec::new();
        for slot in 0..self.scope.members.len() {
            let epoch = known.get(slot).map_or(0, |namespace| namespace.epoch);
            samples.push(self.namespace(slot, epoch, read_ports)?);
        }
        Ok(Sample {
            at,
            namespaces: samples,
            losses: self.losses()?,
        })
    }

    fn namespaces(&self) -> anyhow::Result<Vec<Namespace>> {
        let map = Mapped::<Namespace>::open(&self.ebpf, "NAMESPACES")?;
        let mut all = Vec::new();
        map.read(0, map.len(), |namespace| all.push(*namespace))?;
        Ok(all)
    }

    fn namespace(
        &mut self,
        slot: usize,
        epoch: u32,
        read_ports: bool,
    ) -> anyhow::Result<NamespaceSample> {
        let banks: Mapped<'_, Bank> = Mapped::open(&self.ebpf, "BANKS")?;
        let seldom = Mapped::open(&self.ebpf, "RARE")?;
        let place = u32::try_from(slot)?;
        let counters = read::counters(&banks, place, self.cpus)?;
        let rare = rare::counts(&seldom, place)?;
        let last = &self.last[slot];
        let mut histograms = Vec::new();
        for id in read::changed(&last.counters, &counters) {
            let shown = read::histogram(&banks, place, id, &counters, self.cpus)?;
            histograms.push((id, shown));
        }
        for id in rare.changed_since(&last.rare) {
            histograms.push((id, rare::histogram(&seldom, place, id)?));
        }
        let (mut ports, mut strata) = (None, None);
        if read_ports {
            let used = read::ports(&banks, place, self.cpus)?;
            ports = Some(used.into_iter().collect());
            let gaps = Mapped::open(&self.ebpf, "GAPS")?;
            strata = Some(strata::strata(&banks, &gaps, place, self.cpus)?);
        }
        self.last[slot] = Last {
            counters: counters.clone(),
            rare,
        };
        let member = &mut self.scope.members[slot];
        let table = member.table();
        member.observe(&self.root, epoch, table);
        Ok(NamespaceSample {
            inum: member.inum,
            name: member.name.clone(),
            histograms,
            table,
            statistics: member.statistics(),
            sysctls: member.fresh.take().unwrap_or_default(),
            live_at_start: member.live_at_start,
            live: table.map_or(0, |table| table.count),
            ports,
            strata,
            counters,
        })
    }

    fn losses(&self) -> anyhow::Result<Losses> {
        let map = Mapped::open(&self.ebpf, "LOSSES")?;
        let mut losses = read::losses(&map, self.cpus)?;
        let kprobes = self.ebpf.programs().filter_map(|(_, it)| it.fd().ok());
        let programs = kprobes
            .map(AsFd::as_fd)
            .chain(self.fentries.iter().map(|it| it.program.as_fd()));
        for program in programs {
            losses.count[Loss::ProbeMissed.id()] += sys::skipped_runs(program).unwrap_or(0);
        }
        Ok(losses)
    }

    fn end(&mut self) -> anyhow::Result<Sample> {
        let bases = self.settled()?;
        let losses = self.losses()?;
        let unhooked = Instant::now();
        self.fentries.clear();
        for (_, program) in self.ebpf.programs_mut() {
            if let Program::KProbe(hook) = program
                && hook.fd().is_ok()
            {
                hook.unload()?;
            }
        }
        census::take(&mut self.ebpf, unhooked, self.description.tick_ns)?;
        // All histograms once more: one may have been read while a program was at it.
        self.last.fill_with(Last::nothing);
        let mut sample = self.take(true)?;
        sample.losses.count[Loss::ProbeMissed.id()] = losses.count[Loss::ProbeMissed.id()];
        for (namespace, base) in sample.namespaces.iter_mut().zip(bases) {
            let gone = namespace.table.is_none();
            let live = Flow::of(&namespace.counters).entries(base);
            namespace.live = if gone { 0 } else { live };
        }
        Ok(sample)
    }
}

fn broken(error: &anyhow::Error) -> SourceError {
    SourceError {
        what: format!("{error:#}"),
    }
}

impl Source for Watch {
    fn description(&self) -> &Description {
        &self.description
    }

    fn sample(&mut self) -> Result<Sample, SourceError> {
        let due = self
            .ports_read
            .is_none_or(|read| read.elapsed() >= PORTS_EVERY);
        if due {
            self.ports_read = Some(Instant::now());
        }
        self.take(due).map_err(|error| broken(&error))
    }

    fn finish(&mut self) -> Result<Sample, SourceError> {
        self.end().map_err(|error| broken(&error))
    }
}
