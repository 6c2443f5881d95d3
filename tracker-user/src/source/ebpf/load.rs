//! Loads the programs with what they must know of this kernel, and attaches them.

use aya::{
    Btf, Ebpf, EbpfError, EbpfLoader, include_bytes_aligned,
    maps::{HashMap, MapError},
    programs::{FEntry, KProbe, ProgramError},
};
use tracker_common::{
    CONTRACT_VERSION, Timer,
    layout::{Counters, Histogram, HistogramId, Namespace},
    record::Record,
};

use super::{
    StartError, census,
    hooks::{self, EVENTS, Event, Kernel, Pin},
    refusal::{self, Refusal},
};
use crate::{
    kernel::{btf::KernelBtf, offsets::Offsets, symbols::Symbols},
    source::Hook,
};

static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tracker.bpf.o"));

/// What the programs are loaded for.
pub struct Plan<'a> {
    /// Type information.
    pub btf: &'a KernelBtf,
    /// Symbols.
    pub symbols: &'a Symbols,
    /// Where things are.
    pub offsets: &'a Offsets,
    /// Length of a jiffy in ns.
    pub tick_ns: u64,
    /// Live entries that there is room for.
    pub max_entries: u32,
    /// Slots for namespaces.
    pub slots: u32,
    /// Inode numbers of the namespaces that have the first slots.
    pub given: &'a [u32],
    /// Others are watched too.
    pub all: bool,
    /// Functions chosen by hand.
    pub pins: &'a [Pin],
    /// Level of the diagnostics from the programs.
    pub log_level: u8,
    /// CPUs that the kernel makes room for.
    pub cpus: u64,
}

/// Bytes that the maps take; about 48 bytes an entry are the kernel's own.
pub fn map_bytes(plan: &Plan<'_>) -> u64 {
    let entry = 48 + size_of::<u64>() + size_of::<Record>();
    let per_cpu = size_of::<Counters>() + HistogramId::COUNT * size_of::<Histogram>();
    u64::from(plan.max_entries) * entry as u64
        + u64::from(plan.slots) * (plan.cpus * per_cpu as u64 + size_of::<Namespace>() as u64)
}

impl Kernel for Plan<'_> {
    fn has(&self, function: &str) -> bool {
        self.symbols.has(function)
    }

    fn is_split(&self, function: &str) -> bool {
        self.symbols.has_part(function)
    }

    fn first_argument(&self, function: &str) -> Option<Option<String>> {
        let parameters = self.btf.function(function).ok()?;
        Some(parameters.into_iter().next().map(|first| first.type_name))
    }
}

/// Loads and attaches. Hooks that are not required are left out where the kernel refuses them.
pub fn load(plan: &Plan<'_>) -> Result<(Ebpf, Vec<Hook>), StartError> {
    let mut left_out: Vec<&'static str> = Vec::new();
    loop {
        let events: Vec<&Event> = EVENTS
            .iter()
            .filter(|event| !left_out.contains(&event.name))
            .filter(|event| {
                event.is_required() || !hooks::candidates(event, plan, plan.pins).is_empty()
            })
            .collect();
        let mut ebpf = create(plan, &events)?;
        match attach(&mut ebpf, plan, &events) {
            Ok(taken) => return Ok((ebpf, taken)),
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
    let tick_ns = u32::try_from(plan.tick_ns).unwrap_or(u32::MAX);
    let given = u32::try_from(plan.given.len()).unwrap_or(u32::MAX);
    let scope_all = u32::from(plan.all);
    let o = plan.offsets;
    let histograms = plan.slots * u32::try_from(HistogramId::COUNT).unwrap_or(u32::MAX);

    let contract = format!("CONTRACT_{CONTRACT_VERSION}");
    let mut loader = EbpfLoader::new();
    for (name, value) in [
        ("READ_SIZE", &o.read_size),
        ("CT_TIMEOUT", &o.ct_timeout),
        ("CT_STATUS", &o.ct_status),
        ("CT_NET", &o.ct_net),
        ("CT_EXT", &o.ct_ext),
        ("CT_PROTONUM", &o.ct_protonum),
        ("CT_DST_PORT", &o.ct_dst_port),
        ("TCP_STATE", &o.tcp_state),
        ("TCP_LAST_INDEX", &o.tcp_last_index),
        ("TCP_RETRANS", &o.tcp_retrans),
        ("TCP_LAST_WINDOW", &o.tcp_last_window),
        ("TCP_LAST_WINDOW_SIZE", &o.tcp_last_window_size),
        ("TCP_FLAGS_0", &o.tcp_flags_0),
        ("TCP_FLAGS_1", &o.tcp_flags_1),
        ("GRE_TIMEOUT", &o.gre_timeout),
        ("GRE_STREAM_TIMEOUT", &o.gre_stream_timeout),
        ("SCTP_STATE", &o.sctp_state),
        ("EXT_TIMEOUT", &o.ext_timeout),
        ("NET_INUM", &o.net_inum),
        ("NET_TCP_MAX_RETRANS", &o.tcp_max_retrans),
        ("TICK_NS", &tick_ns),
        ("SCOPE_ALL", &scope_all),
        ("NAMESPACE_SLOTS", &plan.slots),
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
    let timers: &[u32; Timer::SLOTS] = &o.timers;
    let mut ebpf = loader
        // Offsets are resolved already: aya need not read the kernel's types, which takes it long.
        .btf(None)
        .override_global("NET_TIMERS", timers.as_slice(), true)
        .override_global(aya_log::LEVEL, &plan.log_level, true)
        .map_max_entries("ENTRIES", plan.max_entries)
        .map_max_entries("COUNTERS", plan.slots)
        .map_max_entries("NAMESPACES", plan.slots)
        .map_max_entries("HISTOGRAMS", histograms)
        .load(OBJECT)
        .map_err(|error| refused_object(&error, plan))?;
    give(&mut ebpf, plan.given).map_err(|cause| StartError::Object {
        cause: cause.to_string(),
    })?;
    Ok(ebpf)
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
            bytes: map_bytes(plan),
            cause: refusal::last(error),
        },
        _ => StartError::Object {
            cause: refusal::last(error),
        },
    }
}

/// Attaches every hook; on failure tells which event it was for.
fn attach<'a>(
    ebpf: &mut Ebpf,
    plan: &Plan<'_>,
    events: &[&'a Event],
) -> Result<Vec<Hook>, (&'a Event, StartError)> {
    let mut taken = Vec::new();
    for event in events {
        taken.push(attach_one(ebpf, plan, event).map_err(|error| (*event, error))?);
    }
    census::prepare(ebpf).map_err(|error| {
        (
            &EVENTS[0],
            StartError::Object {
                cause: format!("{error:#}"),
            },
        )
    })?;
    Ok(taken)
}

/// Tries the functions for an event, and on each what the kernel has for such a function.
fn attach_one(ebpf: &mut Ebpf, plan: &Plan<'_>, event: &Event) -> Result<Hook, StartError> {
    let candidates = hooks::candidates(event, plan, plan.pins);
    if candidates.is_empty() {
        return Err(StartError::NoFunction {
            event: event.name,
            tried: hooks::looked_for(event),
        });
    }
    let mut refusals = Vec::new();
    for symbol in candidates {
        let built_in = plan.symbols.module(&symbol).is_none();
        let kinds: &[&'static str] = if built_in {
            &["fentry", "kprobe"]
        } else {
            &["kprobe"]
        };
        for &kind in kinds {
            let program = format!("{}_{kind}", event.name);
            let result = match kind {
                "fentry" => attach_fentry(ebpf, &program, &symbol),
                _ => attach_kprobe(ebpf, &program, &symbol),
            };
            match result {
                Ok(()) => {
                    return Ok(Hook {
                        event: event.name.into(),
                        symbol,
                        kind: kind.into(),
                    });
                }
                Err(error) => refusals.push(Refusal::of(kind, &error)),
            }
        }
    }
    let (refusals, is_policy) = refusal::all(refusals);
    let remedy = if is_policy {
        "It is a policy of this kernel (lockdown, or built without kprobes): run tracker where \
         tracing is allowed"
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

fn attach_fentry(ebpf: &mut Ebpf, program: &str, symbol: &str) -> Result<(), ProgramError> {
    let btf = Btf::from_sys_fs()?;
    let program: &mut FEntry = ebpf
        .program_mut(program)
        .ok_or(ProgramError::NotLoaded)?
        .try_into()?;
    program.load(symbol, &btf)?;
    program.attach()?;
    Ok(())
}
