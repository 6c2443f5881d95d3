//! A flood under one observer.

use std::time::Duration;

use super::{
    BenchError, Options, Spent,
    cpu::{Cpu, Machine},
    folder::Folder,
    memory,
    observer::{Observer, Running, Seen},
};
use crate::{
    lab::{
        control::Control,
        net::{Change, Settings, Size, Topology},
        packet::{Effect, Packet, Witness},
        run as engine,
        scenario::{Scenario, room},
    },
    source::Statistic,
};

/// The same packets each time.
pub const SEED: u64 = 1;
/// A smaller table is no smaller problem.
const SMALLEST: u64 = 65_536;
/// Buckets at most: of 8 bytes each, they are memory of the kernel.
const BUCKETS: u64 = 1 << 24;

/// What hears of a flood.
pub struct Hears<Told, Look> {
    /// How the machine's table changes for it, before it does.
    pub told: Told,
    /// The observer has seen all, and is about to end.
    pub look: Look,
}

/// Sends the flood in a lab of its own.
///
/// # Errors
/// [`BenchError`].
pub fn flood(
    observer: &Observer,
    scenario: &Scenario,
    options: &Options,
    control: &Control,
    hears: Hears<impl FnOnce(&Change), impl FnOnce()>,
) -> Result<Spent, BenchError> {
    let traffic = scenario.traffic(SEED, &options.overrides())?;
    let topology = Topology::create_telling(&settings(scenario, options)?, hears.told)?;
    let folder = Folder::create().map_err(BenchError::Folder)?;
    let mut running = observer.start(&topology.router, folder.path())?;
    let process = running.as_ref().map(Running::process);
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
    (hears.look)();
    let seen: Option<Seen> = running
        .map(|running| running.finish(&topology.router))
        .transpose()?;
    let refused = sent.counted(Statistic::Drop) + sent.counted(Statistic::ChainTooLong);
    let entries = made.entries.saturating_sub(refused);
    let seen = seen.map(|mut seen| {
        // Later packets of what was refused may begin entries that nobody has planned.
        if refused == 0 && seen.counted.inserted > entries {
            let more = seen.counted.inserted - entries;
            seen.losses.insert("overcounted".to_owned(), more);
        }
        seen
    });
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

/// The router as the scenario wants it. If it does not say how large the table is, none of the
/// entries makes way for another.
fn settings(scenario: &Scenario, options: &Options) -> Result<Settings, BenchError> {
    let overrides = options.overrides();
    let room = room(scenario.connections(&overrides)?).max(SMALLEST);
    let settings = scenario.settings(&overrides)?;
    let max = settings.max.unwrap_or(Size::AtLeast(room));
    let (Size::AtLeast(entries) | Size::Exactly(entries)) = max;
    let enough = Size::AtLeast(entries.min(BUCKETS));
    Ok(Settings {
        max: Some(max),
        buckets: Some(settings.buckets.unwrap_or(enough)),
        ..settings
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_room_unless_it_is_to_be_full() {
        let settings = |name: &str, rate| {
            let options = Options {
                scenario: name.to_owned(),
                duration: Some(Duration::from_secs(10)),
                rate: Some(rate),
            };
            settings(&Scenario::find(name).unwrap(), &options).unwrap()
        };
        assert_eq!(settings("dns", 10.0).max, Some(Size::AtLeast(SMALLEST)));
        let flood = settings("udp-flood", 10.0);
        assert_eq!(flood.max, Some(Size::AtLeast(100_000)));
        let large = settings("udp-flood", 1e6);
        assert!(
            matches!(large.max, Some(Size::AtLeast(max)) if max > 20_000_000),
            "{large:?}"
        );
        assert_eq!(large.buckets, Some(Size::AtLeast(BUCKETS)));
        let full = settings("table-full", 1000.0);
        assert_eq!(full.max, Some(Size::Exactly(2000)));
        assert_eq!(full.buckets, Some(Size::Exactly(1024)));
    }
}
