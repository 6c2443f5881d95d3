//! Floods at the highest rate, by as many senders as there are CPUs.

use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::{Result, ensure};
use serde_json::Value;
use tracker_user::lab::control::Control;
use tracker_user::lab::net::{Settings, Size, Topology};
use tracker_user::lab::packet::{Effect, Packet, Witness};
use tracker_user::lab::run::{self, Options, Report};
use tracker_user::lab::scenario::{Overrides, Rate, Scenario};
use tracker_user::source::Statistic;

use super::books::{accounted, deaths, no_complaint, number, swept, total};
use super::count;
use super::watch::{Recording, Watch};

/// What the kernel counts of a table itself, and tracker reads along.
const STATISTICS: [Statistic; 5] = [
    Statistic::Drop,
    Statistic::EarlyDrop,
    Statistic::InsertFailed,
    Statistic::ClashResolve,
    Statistic::ChainTooLong,
];

/// Connections of so many of the scenario's seconds.
const LENGTH: Duration = Duration::from_secs(20);
/// What is due later is left out: it would come when there is no flood any more.
const UNTIL: Duration = Duration::from_millis(3500);
/// As many buckets as entries, so that no chain is too long.
const ROOM: u64 = 1 << 17;

/// A flood that finds room in the table: each packet that is to begin an entry does, and all of them are deleted at the
/// end.
pub fn room_for_all(name: &str, scenario: &str) -> Result<()> {
    let scenario = Scenario {
        max: Some(ROOM),
        buckets: Some(ROOM),
        ..Scenario::find(scenario)?
    };
    let flood = Flood::send(name, &scenario, LENGTH, UNTIL)?;
    ensure!(
        flood.begun == flood.inserts && flood.inserts > MANY,
        "{} packets were to begin an entry, and {} did",
        flood.inserts,
        flood.begun
    );
    for (it, count) in flood.counted() {
        ensure!(count == 0, "the kernel has counted {} {count}", it.name());
    }
    flood.check(0)
}

/// Entries that make a flood.
const MANY: u64 = 10_000;

/// New datagrams fill what connections have left of the table, and then push each other out of it.
pub fn table_full(name: &str) -> Result<()> {
    let mut scenario = Scenario::find("table-full")?;
    // None expires while the table is full.
    scenario.sysctls.push(("udp_timeout".to_owned(), 600));
    let flood = Flood::send(name, &scenario, 2 * LENGTH, Duration::from_secs(8))?;
    let counted = |it| flood.sent.counted(it);
    ensure!(
        counted(Statistic::Drop) > 1000 && counted(Statistic::EarlyDrop) > 1000,
        "the table has not been full: {}",
        flood.sent.json()
    );
    // Connections are not swept once they are answered; before, until a twentieth of the table is free.
    let answered: u64 = scenario.populations.iter().filter_map(|it| it.count).sum();
    let unanswered = flood.max - answered + flood.max / 20;
    flood.check(unanswered)
}

/// A flood that was watched.
struct Flood {
    /// Packets that were to begin an entry.
    inserts: u64,
    /// Those that did, by the kernel's count.
    begun: u64,
    max: u64,
    sent: Report,
    report: Value,
    recording: Recording,
}

impl Flood {
    fn send(name: &str, scenario: &Scenario, length: Duration, until: Duration) -> Result<Self> {
        let overrides = Overrides {
            duration: Some(length),
            rate: Some(Rate::Highest),
        };
        let traffic = scenario.traffic(1, &overrides)?;
        let topology = Topology::create(&Settings {
            masquerade: scenario.masquerade,
            sysctls: scenario.sysctls.clone(),
            max: scenario.max.map(Size::Exactly),
            buckets: scenario.buckets.map(Size::Exactly),
            ..Settings::default()
        })?;
        count::begin(&topology.router)?;
        let watch = Watch::start(name, topology.router.path())?;
        let mut inserts = Inserts(0);
        let options = Options {
            threads: available_parallelism()?.get(),
            settle: None,
        };
        let sent = run::run(
            &topology,
            traffic.take_while(|due| due.at < until),
            &mut inserts,
            &options,
            &Control::default(),
        )?;
        let begun = count::begun(&topology.router)?;
        let recording = watch.finish()?;
        println!("{name}: {}", sent.text().replace('\n', "; "));
        Ok(Self {
            inserts: inserts.0,
            begun,
            max: scenario.max.unwrap_or(u64::MAX),
            sent,
            report: recording.report()?,
            recording,
        })
    }

    /// What the kernel has counted of the flood.
    fn counted(&self) -> [(Statistic, u64); 5] {
        STATISTICS.map(|it| (it, self.sent.counted(it)))
    }

    /// The report is what the kernel has counted. Its collector may sweep so many entries at a time out of the table.
    fn check(self, sweepable: u64) -> Result<()> {
        let (sent, report) = (&self.sent, &self.report);
        ensure!(
            (sent.lost(), sent.foreign()) == (0, 0),
            "lost or foreign packets: {}",
            sent.json()
        );
        let missed = accounted(report)?;
        ensure!(missed == 0, "the kernel did not show {missed} events");
        for (it, count) in self.counted() {
            let seen = &report["kernel_statistics"][it.name()];
            ensure!(
                seen.as_u64().unwrap_or(0) == count,
                "the kernel has counted {} {count}, and this is reported: {seen}",
                it.name()
            );
        }
        let inserted = number(&report["balance"]["inserted"])?;
        ensure!(
            inserted + sent.counted(Statistic::InsertFailed) == self.begun,
            "{} packets have begun an entry, and {inserted} were seen to",
            self.begun
        );
        self.is_left_as_counted(inserted, sweepable)?;
        self.is_attributed()?;
        let states = total(&report["states"], "entered")?;
        let left: u64 = ["moved_on", "killed", "expired"]
            .iter()
            .map(|way| total(&report["states"], way))
            .sum::<Result<u64>>()?;
        ensure!(states == left, "{states} states entered, {left} left");
        self.recording.remove();
        no_complaint()
    }

    /// Each packet that began an entry was seen to, and each entry's timer is known.
    fn is_attributed(&self) -> Result<()> {
        let causes = self.report["unattributed"].as_object();
        for (cause, count) in causes.into_iter().flatten() {
            let count = number(count)?;
            let is_known = match cause.as_str() {
                "unconfirmed" => count == self.begun,
                _ => count == 0,
            };
            ensure!(is_known, "{cause} {count}, of {} entries", self.begun);
        }
        Ok(())
    }

    /// Of the entries that came, those went before the end that the kernel says were no longer there then.
    fn is_left_as_counted(&self, inserted: u64, sweepable: u64) -> Result<()> {
        let left = number(&self.sent.json()["router"]["entries_after"])?;
        let (evicted, expired) = (
            deaths(&self.report, "early_drop")?,
            deaths(&self.report, "expired")?,
        );
        let counted = self.sent.counted(Statistic::EarlyDrop);
        let most = counted + swept(sweepable, self.sent.seconds());
        ensure!(
            evicted + expired + left == inserted && (counted..=most).contains(&evicted),
            "of {inserted} entries {left} were left, {evicted} were seen evicted and {expired} expire: {}",
            self.sent.json()
        );
        ensure!(
            deaths(&self.report, "deleted")? == left && expired == 0,
            "{left} entries were deleted: {}",
            self.report["deaths"]
        );
        // Whoever is about to evict an entry has counted the one that takes its place.
        let most = number(&self.report["count"]["max"])?;
        let cpus = available_parallelism()?.get() as u64;
        ensure!(most <= self.max + cpus, "up to {most} entries");
        Ok(())
    }
}

/// Counts the packets that are to begin an entry.
struct Inserts(u64);

impl Witness for Inserts {
    fn sent(&mut self, packet: &Packet, _from: u64, _to: u64) {
        self.0 += u64::from(matches!(packet.effect, Effect::Insert { .. }));
    }
}
