//! A look at every living entry, at the end of a watch.

use std::time::Instant;

use aya::{Ebpf, RawTracePointRunOptions, TestRun, maps::HashMap, programs::RawTracePoint};
use tracker_common::{layout::Group, record::Record};

use super::mapped::Mapped;

/// Groups that are read at a time.
const PIECE: u32 = 4096;

/// A record as bytes that the kernel may fill; only its key is looked at.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Plain(Record);

// SAFETY: `repr(C)` integers without padding: any bytes are a value.
unsafe impl aya::Pod for Plain {}

/// Loads the program that looks.
pub fn prepare(ebpf: &mut Ebpf) -> anyhow::Result<()> {
    program(ebpf)?.load()?;
    Ok(())
}

fn program(ebpf: &mut Ebpf) -> anyhow::Result<&mut RawTracePoint> {
    let program = ebpf
        .program_mut("census")
        .ok_or_else(|| anyhow::anyhow!("no program census"))?;
    Ok(program.try_into()?)
}

/// Brings the record of every living entry up to date, and counts how long it has been in its
/// state. The hooks must be gone: they write the same records.
///
/// `unhooked` is when the first hook went: what a packet did since then was not seen.
pub fn take(ebpf: &mut Ebpf, unhooked: Instant, tick_ns: u64) -> anyhow::Result<()> {
    let living = living(ebpf)?;
    let program = program(ebpf)?;
    for address in living {
        let mut options = RawTracePointRunOptions::new();
        options.args[0] = address;
        // The jiffy in which the hook went may have begun before, and this one ends later.
        let ticks = unhooked.elapsed().as_nanos() / u128::from(tick_ns.max(1));
        options.args[1] = u64::try_from(ticks).unwrap_or(u64::MAX).saturating_add(2);
        program.test_run(options)?;
    }
    Ok(())
}

/// Addresses of all entries of which a record is kept.
fn living(ebpf: &Ebpf) -> anyhow::Result<Vec<u64>> {
    let map = ebpf
        .map("OVERFLOW")
        .ok_or_else(|| anyhow::anyhow!("no map OVERFLOW"))?;
    let overflow: HashMap<_, u64, Plain> = HashMap::try_from(map)?;
    let mut living: Vec<u64> = overflow.keys().collect::<Result<_, _>>()?;
    let groups = Mapped::<Group>::open(ebpf, "ENTRIES")?;
    // A piece at a time: what is mapped counts as memory of this process.
    for first in (0..groups.len()).step_by(PIECE as usize) {
        let count = PIECE.min(groups.len() - first);
        groups.read(first, count, |group| {
            living.extend(group.keys.iter().filter(|&&key| key > Group::CLAIMED));
        })?;
    }
    // One whose death was missed may have left a record in each.
    living.sort_unstable();
    living.dedup();
    Ok(living)
}
