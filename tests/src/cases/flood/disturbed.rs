//! What an administrator does while a flood goes on: nothing of it costs tracker an event.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tracker_user::lab::control::Control;
use tracker_user::lab::net::{Namespace, Settings, Topology, tool};
use tracker_user::lab::run::{self, Options, Statistics};
use tracker_user::lab::scenario::{Overrides, Scenario};
use tracker_user::source::Statistic;

use super::books::{accounted, deaths, missed, number, swept};
use super::count;
use super::endless::{Endless, Nobody, ROOM};
use super::left::Before;
use super::resident::Resident;
use super::watch::Watch;
use crate::cases::bpf::Objects;
use crate::cases::faces::poll;
use crate::lab::namespaces_are;

/// Settings, flushes, other namespaces and another size of the hash, one after the other.
pub fn disturbed() -> Result<()> {
    let before = Before::look()?;
    let flood = Endless::prepare()?;
    let router = &flood.topology.router;
    count::begin(router)?;
    let resident = Resident::of(router)?;
    let watch = Watch::start("flood_disturbed", Path::new("all"))?;
    let mut uncounted = 0;
    let sent = flood.during(|| {
        // What the kernel counts is read of namespaces that are known.
        watch.is_recorded()?;
        timers(&flood).context("timers")?;
        uncounted = full_table(&flood).context("a full table")?;
        flushes(&flood).context("flushes")?;
        namespaces(&flood).context("namespaces")?;
        buckets(&flood).context("buckets")
    })?;
    let begun = count::begun(router)?;
    let inum = router.inum()?;
    let recording = watch.finish()?;
    drop(resident);
    drop(flood);
    println!("flood_disturbed: {}", sent.text().replace('\n', "; "));

    let report = recording.report()?;
    let missed = accounted(&report)?;
    let rows = report["namespaces"].as_array().context("no namespaces")?;
    let (own, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row["inum"] == inum);
    let own = own.first().context("the router is not reported")?;
    // The flood has emptied the table at its end, so what was not seen to go is lost, not living.
    ensure!(
        own["balance"]["live_at_end"] == 0,
        "balance: {}",
        own["balance"]
    );
    let inserted = number(&own["balance"]["inserted"])?;
    ensure!(
        begun.abs_diff(inserted + sent.counted(Statistic::InsertFailed)) <= missed,
        "{begun} packets have begun an entry, and {inserted} were seen to; namespaces: {rows:?}"
    );
    for it in [
        Statistic::Drop,
        Statistic::EarlyDrop,
        Statistic::InsertFailed,
        Statistic::ChainTooLong,
    ] {
        let (name, count) = (it.name(), sent.counted(it));
        let seen = own["kernel_statistics"][name].as_u64().unwrap_or(0);
        ensure!(
            seen == count,
            "the kernel has counted {name} {count}, and {seen} are reported"
        );
    }
    // Each disturbance has left its mark.
    let left = number(&sent.json()["router"]["entries_after"])?;
    let most = number(&own["count"]["max"])?;
    if most >= ROOM / 20 * 19 {
        uncounted = swept(most, sent.seconds());
    }
    let evicted = sent.counted(Statistic::EarlyDrop);
    ensure!(
        evicted > 0
            && (evicted..=evicted + uncounted).contains(&deaths(own, "early_drop")?)
            && deaths(own, "expired")? > 0
            && deaths(own, "deleted")? > left,
        "the kernel has evicted {evicted}, and up to {uncounted} uncounted; deaths: {}",
        own["deaths"]
    );
    let balances: Vec<_> = others.iter().map(|row| &row["balance"]).collect();
    let gone = balances.iter().map(|it| number(&it["destroyed"]));
    ensure!(
        (OTHERS * (BURST + 1)).abs_diff(gone.sum::<Result<u64>>()?) <= missed,
        "other namespaces: {balances:?}"
    );
    recording.remove();
    before.is_back()
}

/// Timers that are changed again and again.
fn timers(flood: &Endless) -> Result<()> {
    for seconds in ["30", "1", "7", "1"] {
        set_timers(flood, seconds)?;
        flood.goes_on()?;
    }
    Ok(())
}

fn set_timers(flood: &Endless, seconds: &str) -> Result<()> {
    let router = &flood.topology.router;
    let timers = [
        "udp_timeout",
        "tcp_timeout_syn_sent",
        "tcp_timeout_established",
    ];
    timers.iter().try_for_each(|timer| {
        router.set_sysctl(&format!("net.netfilter.nf_conntrack_{timer}"), seconds)?;
        Ok(())
    })
}

/// A table that is full at once, and then has room again. Tells how many entries the kernel may have evicted meanwhile
/// without counting them.
fn full_table(flood: &Endless) -> Result<u64> {
    let router = &flood.topology.router;
    let full = || {
        let now = Statistics::of(router).ok()?;
        let evicted = now.conntrack.get(&Statistic::EarlyDrop)?;
        (*evicted > 0).then_some(())
    };
    let entries = router.sysctl("net.netfilter.nf_conntrack_count")?;
    let begin = Instant::now();
    resize("max", (entries / 2).max(1))?;
    poll("a full table", full)?;
    resize("max", ROOM)?;
    let uncounted = swept(entries, begin.elapsed().as_secs_f64());
    set_timers(flood, "60")?;
    flood.goes_on()?;
    Ok(uncounted)
}

/// A sysctl of the whole machine's table.
fn resize(what: &str, value: u64) -> Result<()> {
    let path = format!("/proc/sys/net/netfilter/nf_conntrack_{what}");
    fs::write(&path, value.to_string()).with_context(|| path.clone())?;
    let now = fs::read_to_string(&path)?;
    ensure!(now.trim() == value.to_string(), "{path} is {now}");
    Ok(())
}

fn flushes(flood: &Endless) -> Result<()> {
    for _ in 0..3 {
        conntrack(&flood.topology.router, "-F")?;
        flood.goes_on()?;
    }
    Ok(())
}

fn conntrack(namespace: &Namespace, words: &str) -> Result<()> {
    let conntrack = tool("conntrack")?;
    namespace.run(|| conntrack.run(words))??;
    Ok(())
}

/// Namespaces that come and go, one after the other.
const OTHERS: u64 = 3;
/// Datagrams through each of them.
const BURST: u64 = 200;
/// The flood's own.
const OWN: u64 = 3;

fn namespaces(flood: &Endless) -> Result<()> {
    let scenario = Scenario::parse(
        "burst.toml",
        &format!(
            "description = 'a burst'
            duration = '1s'
            [[population]]
            name = 'datagrams'
            proto = 'udp'
            arrival = {{ burst = {BURST} }}
            clients = 50
            ports = 53
            script = ['exchange']"
        ),
    )?;
    let options = Options {
        threads: 1,
        settle: None,
    };
    for _ in 0..OTHERS {
        let other = Topology::create(&Settings::default())?;
        let traffic = scenario.traffic(1, &Overrides::default())?;
        run::run(&other, traffic, &mut Nobody, &options, &Control::default())?;
        // What is in the table when the namespace goes, goes with it.
        conntrack(
            &other.router,
            "-I -p udp -s 10.64.0.1 -d 10.128.0.1 --sport 1 --dport 2 -t 600",
        )?;
        drop(other);
        poll("the end of the namespaces", || {
            namespaces_are(OWN).is_ok_and(|are| are).then_some(())
        })?;
        flood.goes_on()?;
    }
    Ok(())
}

fn buckets(flood: &Endless) -> Result<()> {
    for buckets in [1 << 14, 1 << 18, 1 << 16] {
        resize("buckets", buckets)?;
        flood.goes_on()?;
    }
    Ok(())
}

/// The rules go and come back, and with them tracking as a whole; tracker is killed and started again.
pub fn interrupted() -> Result<()> {
    let before = Before::look()?;
    let flood = Endless::prepare()?;
    let router = &flood.topology.router;
    keep_hooks(&flood.topology.client)?;
    let first = Watch::start("flood_interrupted", router.path())?;
    let (mut cut, mut second) = (None, None);
    let sent = flood.during(|| {
        rules(&flood).context("rules")?;
        first.is_recorded()?;
        cut = Some(first.kill()?);
        Objects::are_gone()?;
        flood.goes_on()?;
        second = Some(Watch::start("flood_started_again", router.path())?);
        rules(&flood).context("rules")
    })?;
    let (cut, second) = cut.zip(second).context("no second watch")?;
    let whole = second.finish()?;
    drop(flood);
    println!("flood_interrupted: {}", sent.text().replace('\n', "; "));

    let report = whole.report()?;
    accounted(&report)?;
    let balance = &report["balance"];
    ensure!(
        number(&balance["live_at_start"])? > 0 && number(&balance["inserted"])? > 0,
        "{balance}"
    );
    let report = cut.report()?;
    ensure!(report["complete"] == false, "{report}");
    missed(&report)?;
    cut.remove();
    whole.remove();
    before.is_back()
}

/// A namespace that keeps all hooks in use, whatever becomes of the router's. The kernel patches its code when the last
/// user of a hook goes, and an emulator of several CPUs has been seen to run what had been there meanwhile.
fn keep_hooks(namespace: &Namespace) -> Result<()> {
    let chains = ["prerouting", "input", "forward", "output", "postrouting"].map(|hook| {
        format!("add chain inet kept {hook} {{ type filter hook {hook} priority 0; }}\n")
    });
    namespace.nft(&format!("add table inet kept\n{}", chains.concat()))?;
    Ok(())
}

/// Without rules nothing is tracked; with them, it is again.
fn rules(flood: &Endless) -> Result<()> {
    let router = &flood.topology.router;
    let rules = router.nft("list ruleset\n")?;
    let entries = || router.sysctl("net.netfilter.nf_conntrack_count");
    router.nft("flush ruleset\n")?;
    poll("the end of tracking", || {
        let before = entries().ok()?;
        flood.goes_on().ok()?;
        (entries().ok()? <= before).then_some(())
    })?;
    // A table that is full would not grow.
    conntrack(router, "-F")?;
    ensure!(entries()? == 0, "{} entries without tracking", entries()?);
    router.nft(&rules)?;
    poll("new entries", || (entries().ok()? > 0).then_some(()))?;
    // The rules are replaced in one go, so that tracking does not end.
    router.nft(&format!("flush ruleset\n{rules}"))?;
    flood.goes_on()
}
