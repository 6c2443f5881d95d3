//! Loads the programs with what they must know of this kernel, and attaches them.

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{HashMap, MapError},
    programs::{KProbe, ProgramError},
};
use tracker_common::{
    CONTRACT_VERSION, Field,
    histogram::{self, PLACED},
};

use super::{
    StartError, census,
    fentry::{Attached, Linked},
    hooks::{self, Attach, EVENTS, Event, Kernel, Pin},
    refusal::{self, Refusal},
    room::Room,
    text::Callers,
};
use crate::{
    kernel::{btf::KernelBtf, offsets::Offsets, symbols::Symbols},
    source::Hook,
};

/// The module whose functions are hooked.
const MODULE: &str = "nf_conntrack";

/// What the programs are loaded for.
pub struct Plan<'a> {
    /// The programs, made for this kernel.
    pub object: &'a [u8],
    /// Type information.
    pub btf: &'a KernelBtf,
    /// Symbols.
    pub symbols: &'a Symbols,
    /// Where things are.
    pub offsets: &'a Offsets,
    /// The object calls a function that lets kprobes read an entry in place.
    pub has_cast: bool,
    /// Who goes to the functions of [`hooks::traced`].
    pub callers: &'a Callers,
    /// Length of a jiffy in ns.
    pub tick_ns: u64,
    /// What there is room for.
    pub room: Room,
    /// Inode numbers of the namespaces that have the first slots.
    pub given: &'a [u32],
    /// Others are watched too.
    pub all: bool,
    /// Functions chosen by hand.
    pub pins: &'a [Pin],
    /// How to attach.
    pub attach: Attach,
    /// Level of the diagnostics from the programs.
    pub log_level: u8,
}

impl Kernel for Plan<'_> {
    fn has(&self, function: &str) -> bool {
        self.symbols.has(function)
    }

    fn is_split(&self, function: &str) -> bool {
        self.symbols.has_part(function)
    }

    fn first_argument(&self, function: &str) -> Option<Option<String>> {
        self.btf.first_argument(function)
    }

    fn callers(&self, function: &str) -> Result<Vec<String>, String> {
        let unknown = || Err(format!("it was not asked who goes to {function}"));
        self.callers.get(function).cloned().unwrap_or_else(unknown)
    }
}

/// Programs that are attached. Dropped, they are gone.
pub struct Loaded {
    /// The maps, and the programs of kprobes.
    pub ebpf: Ebpf,
    /// The programs of trampolines.
    pub fentries: Vec<Attached>,
    /// What was taken.
    pub hooks: Vec<Hook>,
}

/// Loads and attaches. Hooks that are not required are left out where the kernel refuses them.
pub fn load(plan: &Plan<'_>) -> Result<Loaded, StartError> {
    let mut left_out: Vec<&'static str> = Vec::new();
    loop {
        let events: Vec<&Event> = EVENTS
            .iter()
            .filter(|event| !left_out.contains(&event.name))
            .filter(|event| {
                event.is_required() || !hooks::candidates(event, plan, plan.pins).is_empty()
            })
            .collect();
        let ebpf = create(plan, &events)?;
        match attach(ebpf, plan, &events) {
            Ok(loaded) => return Ok(loaded),
            Err((event, error)) if event.is_required() => return Err(error),
            Err((event, error)) => {
                log::warn!("{error}");
                left_out.push(event.name);
            }
        }
    }
}

/// Makes the maps, and writes what the programs must know.
fn create(plan: &Plan<'_>, events: &[&Event]) -> Result<Ebpf, StartError> {
    let observed = events
        .iter()
        .filter_map(|event| event.proto)
        .fold(0_u32, |bits, proto| bits | 1 << proto.id());
    let range = |name| plan.symbols.range(name).unwrap_or((0, 0));
    let tcp_packet = range("nf_conntrack_tcp_packet");
    let early_drop = range("early_drop");
    let gc_worker = range("gc_worker");
    let tick = u32::try_from(plan.tick_ns * 1024 / 1000).unwrap_or(u32::MAX);
    let bucket_of = buckets(tick);
    let given = u32::try_from(plan.given.len()).unwrap_or(u32::MAX);
    let scope_all = u32::from(plan.all);
    let o = plan.offsets;
    let room = &plan.room;
    let has = |field| u32::from(o.field(field).is_some());
    let (has_gre, has_sctp) = (has(Field::GreTimeout), has(Field::SctpState));

    let settings = o.settings();

    let contract = format!("CONTRACT_{CONTRACT_VERSION}");
    let mut loader = EbpfLoader::new();
    for (name, value) in [
        ("READ_SIZE", &o.read_size),
        ("HAS_GRE", &has_gre),
        ("HAS_SCTP", &has_sctp),
        ("EXT_TIMEOUT", &o.ext_timeout),
        ("NET_INUM", &o.net_inum),
        ("NET_SETTINGS", &settings.start),
        ("NET_SETTINGS_SIZE", &settings.size),
        ("NET_TCP_MAX_RETRANS", &settings.max_retrans),
        ("TICK", &tick),
        ("GROUPS", &room.groups),
        ("SCOPE_ALL", &scope_all),
        ("CPUS", &room.cpus),
        ("NAMESPACE_SLOTS", &room.slots),
        ("NAMESPACES_GIVEN", &given),
        ("OBSERVED", &observed),
        (contract.as_str(), &CONTRACT_VERSION),
    ] {
        loader.override_global(name, value, true);
    }
    for (name, value) in [
        ("TCP_PACKET_START", &tcp_packet.0),
        ("TCP_PACKET_END", &tcp_packet.1),
        ("EARLY_DROP_START", &early_drop.0),
        ("EARLY_DROP_END", &early_drop.1),
        ("GC_WORKER_START", &gc_worker.0),
        ("GC_WORKER_END", &gc_worker.1),
    ] {
        loader.override_global(name, value, true);
    }
    let mut ebpf = loader
        // Offsets are resolved already: aya need not read the kernel's types, which takes it long.
        .btf(None)
        .override_global("NET_TIMERS", settings.timers.as_slice(), true)
        .override_global("BUCKET_OF", bucket_of.as_slice(), true)
        .override_global(aya_log::LEVEL, &plan.log_level, true)
        .map_max_entries("ENTRIES", room.groups.max(1))
        .map_max_entries("OVERFLOW", room.overflow())
        .map_max_entries("BANKS", room.banks())
        .map_max_entries("GAPS", room.slots)
        .map_max_entries("RARE", room.slots)
        .map_max_entries("LOSSES", room.cpus)
        .map_max_entries("NAMESPACES", room.slots)
        .load(plan.object)
        .map_err(|error| refused_object(&error, plan))?;
    give(&mut ebpf, plan.given).map_err(|cause| StartError::Object {
        cause: cause.to_string(),
    })?;
    Ok(ebpf)
}

/// Bucket of each of the first numbers of jiffies, at so many 1/1024 µs a jiffy.
fn buckets(tick: u32) -> Vec<u16> {
    (0..PLACED as u64)
        .map(|jiffies| histogram::index((jiffies * u64::from(tick)) >> 10) as u16)
        .collect()
}

/// Tells the programs which namespaces have the first slots.
fn give(ebpf: &mut Ebpf, given: &[u32]) -> anyhow::Result<()> {
    let map = ebpf
        .map_mut("SCOPE")
        .ok_or_else(|| anyhow::anyhow!("no map SCOPE"))?;
    let mut scope: HashMap<_, u32, u32> = HashMap::try_from(map)?;
    for (slot, inum) in (0_u32..).zip(given) {
        scope.insert(inum, slot, 0)?;
    }
    Ok(())
}

fn refused_object(error: &EbpfError, plan: &Plan<'_>) -> StartError {
    match error {
        EbpfError::MapError(MapError::CreateError { .. }) => StartError::Memory {
            bytes: plan.room.bytes(),
            cause: refusal::last(error),
        },
        _ => StartError::Object {
            cause: refusal::last(error),
        },
    }
}

/// Attaches every hook; on failure tells which event it was for.
fn attach<'a>(
    ebpf: Ebpf,
    plan: &Plan<'_>,
    events: &[&'a Event],
) -> Result<Loaded, (&'a Event, StartError)> {
    let mut loaded = Loaded {
        ebpf,
        fentries: Vec::new(),
        hooks: Vec::new(),
    };
    let linked = trampolines(&loaded.ebpf, plan);
    for event in events {
        attach_one(&mut loaded, linked.as_ref(), plan, event).map_err(|error| (*event, error))?;
    }
    census::prepare(&mut loaded.ebpf).map_err(|error| {
        (
            &EVENTS[0],
            StartError::Object {
                cause: format!("{error:#}"),
            },
        )
    })?;
    Ok(loaded)
}

/// The programs for trampolines, where this kernel may take them.
fn trampolines(ebpf: &Ebpf, plan: &Plan<'_>) -> Option<Linked> {
    if plan.attach == Attach::Kprobe {
        return None;
    }
    let module = plan.btf.has_module().then_some(MODULE);
    Linked::new(plan.object, ebpf, module)
        .inspect_err(|error| log::debug!("no trampolines: {error:#}"))
        .ok()
}

/// Tries the functions for an event, and on each what the kernel has for such a function.
fn attach_one(
    loaded: &mut Loaded,
    linked: Option<&Linked>,
    plan: &Plan<'_>,
    event: &Event,
) -> Result<(), StartError> {
    let candidates = hooks::candidates(event, plan, plan.pins);
    if candidates.is_empty() {
        return Err(StartError::NoFunction {
            event: event.name,
            tried: hooks::looked_for(event),
        });
    }
    let mut refusals = Vec::new();
    for symbol in candidates {
        let mut take = |kind: &str, symbol: String| {
            loaded.hooks.push(Hook {
                event: event.name.into(),
                symbol,
                kind: kind.into(),
            });
        };
        let program = hooks::program(event, &symbol);
        if let (Some(linked), Some(target)) = (linked, plan.btf.function_id(&symbol)) {
            match linked.attach(&format!("{program}_fentry"), target) {
                Ok(attached) => {
                    take("fentry", symbol);
                    loaded.fentries.push(attached);
                    return Ok(());
                }
                Err(refused) => {
                    refusals.push(Refusal::of_load("fentry", &refused.error, &refused.log));
                }
            }
        }
        if plan.attach == Attach::Fentry {
            if refusals.is_empty() {
                refusals.push(Refusal::untyped(&symbol));
            }
            continue;
        }
        let in_place = plan.has_cast.then_some("kprobe");
        for reads in in_place.into_iter().chain(["copy"]) {
            match attach_kprobe(&mut loaded.ebpf, &format!("{program}_{reads}"), &symbol) {
                Ok(()) => {
                    take("kprobe", symbol);
                    return Ok(());
                }
                Err(error) => refusals.push(Refusal::of("kprobe", &error)),
            }
        }
    }
    let (refusals, is_policy) = refusal::all(refusals);
    let remedy = if is_policy {
        "It is a policy of this kernel (lockdown, or built without kprobes). Run tracker \
         where tracing is allowed"
    } else {
        "Report it with the output of uname -r"
    };
    Err(StartError::Refused {
        event: event.name,
        refusals,
        remedy,
    })
}

fn attach_kprobe(ebpf: &mut Ebpf, program: &str, symbol: &str) -> Result<(), ProgramError> {
    let program: &mut KProbe = ebpf
        .program_mut(program)
        .ok_or(ProgramError::NotLoaded)?
        .try_into()?;
    if program.fd().is_err() {
        program.load()?;
    }
    program.attach(symbol, 0)?;
    Ok(())
}
