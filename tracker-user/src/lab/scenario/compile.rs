//! From a file to a scenario, or to what is wrong with it.

use std::path::Path;
use std::time::Duration;

use tracker_common::Proto;

use super::error::Wrong;
use super::file::{self, Clients as Count, Family, File, Order};
use super::settings::{Part, Refused};
use super::tuples::{CLIENTS4, Clients, SERVERS, Tuples};
use super::{Population, Scenario, Timeouts};
use crate::lab::script::Program;

/// Populations of a scenario, at most: they share out the ports of clients.
const POPULATIONS: usize = 64;
/// Longest duration.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);
/// /64s of clients, and clients in each, at most.
const PREFIXES: u64 = 1 << 24;

pub(super) fn scenario(file: File, name: &str) -> Result<Scenario, Wrong> {
    let duration = file.duration.get_ref().0;
    if duration.is_zero() || duration > LONGEST {
        return Err(Wrong::new(
            file.duration.span(),
            "a duration that is 0, or longer than 30 days",
            "Give a time such as \"30s\"",
        ));
    }
    if file.description.get_ref().trim().is_empty() {
        return Err(Wrong::new(
            file.description.span(),
            "nothing describes the scenario",
            "Say what it models",
        ));
    }
    let count = file.population.len();
    if count == 0 || count > POPULATIONS {
        let whole = file.description.span();
        return Err(Wrong::new(
            whole,
            format!("the scenario has {count} populations"),
            format!("Give it 1 to {POPULATIONS} tables [[population]]"),
        ));
    }
    let mut scenario = Scenario {
        name: stem(name),
        description: file.description.into_inner().trim().to_owned(),
        duration,
        masquerade: file.masquerade,
        sysctls: Vec::new(),
        max: None,
        buckets: None,
        timeouts: Timeouts::default(),
        populations: Vec::new(),
        proof: file.proof,
    };
    for (key, value) in file.settings {
        setting(&mut scenario, &key, &value)?;
    }
    for (number, table) in file.population.into_iter().enumerate() {
        let share = (number as u32, count as u32);
        let population = population(&table, share, &scenario)?;
        if scenario
            .populations
            .iter()
            .any(|it| it.name == population.name)
        {
            return Err(Wrong::new(
                table.name.span(),
                format!("a second population named `{}`", population.name),
                "Give each its own name",
            ));
        }
        let planned = population.planned(&population.arrival, duration);
        if let Err(what) = population.fits(planned) {
            let remedy = super::traffic::REMEDY;
            return Err(Wrong::new(table.name.span(), what, remedy));
        }
        scenario.populations.push(population);
    }
    Ok(scenario)
}

/// The name of a scenario whose file has this one.
fn stem(name: &str) -> String {
    let stem = Path::new(name).file_stem();
    stem.map_or_else(|| name.to_owned(), |it| it.to_string_lossy().into_owned())
}

/// Sets what `[settings]` has for the router.
fn setting(
    scenario: &mut Scenario,
    key: &toml::Spanned<String>,
    value: &toml::Spanned<i64>,
) -> Result<(), Wrong> {
    let refused = match u64::try_from(*value.get_ref()) {
        Ok(number) => scenario.set(key.get_ref(), number).err(),
        Err(_) => Some(Refused::value(key.get_ref(), *value.get_ref())),
    };
    refused.map_or(Ok(()), |refused| {
        let span = match refused.part {
            Part::Name => key.span(),
            Part::Value => value.span(),
        };
        Err(Wrong::new(span, refused.what, refused.remedy))
    })
}

fn population(
    table: &file::Population,
    share: (u32, u32),
    scenario: &Scenario,
) -> Result<Population, Wrong> {
    let six = table.family == Family::Ipv6;
    let proto = match (table.proto, six) {
        (file::Proto::Tcp, _) => Proto::Tcp,
        (file::Proto::Udp, _) => Proto::Udp,
        (file::Proto::Icmp, false) => Proto::Icmp,
        (file::Proto::Icmp, true) => Proto::Icmpv6,
    };
    let ports = match (&table.ports, table.proto) {
        (None, file::Proto::Icmp) => vec![0],
        (Some(ports), file::Proto::Icmp) => {
            return Err(Wrong::new(
                ports.span(),
                "echoes have no ports",
                "Leave it out",
            ));
        }
        (Some(ports), _) => ports.get_ref().0.clone(),
        (None, _) => {
            return Err(Wrong::new(
                table.name.span(),
                "its servers have no port",
                "Give it `ports`: one, a list, or { from = 1, to = 1024 }",
            ));
        }
    };
    let servers = *table.servers.get_ref();
    if !(1..=SERVERS).contains(&servers) {
        return Err(Wrong::new(
            table.servers.span(),
            format!("{servers} servers"),
            format!("Give a number from 1 to {SERVERS}"),
        ));
    }
    let count = table.count.as_ref().map(|count| *count.get_ref());
    if let (Some(0), Some(field)) = (count, &table.count) {
        return Err(Wrong::new(
            field.span(),
            "a count of 0",
            "Give at least 1, or leave it out",
        ));
    }
    let start = table.start.get_ref().0;
    if start >= scenario.duration {
        return Err(Wrong::new(
            table.start.span(),
            "its first connection would begin when the duration is over",
            "Let it start earlier, or make `duration` longer",
        ));
    }
    let script = table.script.get_ref();
    if script.is_empty() {
        return Err(Wrong::new(
            table.script.span(),
            "a script without steps",
            "Give it at least one",
        ));
    }
    // Echoes of both families have the same steps.
    let steps = if six && proto == Proto::Icmpv6 {
        Proto::Icmp
    } else {
        proto
    };
    let program = Program::new(script, steps)
        .map_err(|(span, what)| Wrong::new(span, what, "Mend the step"))?;
    Ok(Population {
        name: table.name.get_ref().clone(),
        arrival: table.arrival.clone(),
        start,
        count,
        tuples: Tuples {
            proto,
            clients: clients(table, six)?,
            servers,
            ports,
            sweep: table.order == Order::Sweep,
            share,
            masquerade: scenario.masquerade,
        },
        rtt: table.rtt.clone(),
        program,
    })
}

fn clients(table: &file::Population, six: bool) -> Result<Clients, Wrong> {
    let span = table.clients.span();
    let prefixes = table.prefixes.as_ref();
    let count = match (table.clients.get_ref(), prefixes) {
        (Count::Spoofed, None) => return Ok(Clients::spoofed(six)),
        (_, Some(prefixes)) if !six => {
            return Err(Wrong::new(
                prefixes.span(),
                "prefixes are of IPv6",
                "Leave it out, or set `family = \"ipv6\"`",
            ));
        }
        (Count::Spoofed, Some(prefixes)) => {
            return Err(Wrong::new(
                prefixes.span(),
                "spoofed clients are anywhere",
                "Leave it out, or give a number of clients",
            ));
        }
        (Count::Count(count), _) => *count,
    };
    if !(1..=CLIENTS4).contains(&count) {
        return Err(Wrong::new(
            span,
            format!("{count} clients"),
            format!("Give a number from 1 to {CLIENTS4}"),
        ));
    }
    if !six {
        return Ok(Clients::V4(count));
    }
    let Some(prefixes) = prefixes else {
        return Ok(Clients::V6 { count, prefixes: 1 });
    };
    let number = *prefixes.get_ref();
    if !(1..=count.min(PREFIXES)).contains(&number) {
        return Err(Wrong::new(
            prefixes.span(),
            format!("{number} prefixes for {count} clients"),
            "Give at least 1, and no more than clients",
        ));
    }
    Ok(Clients::V6 {
        count,
        prefixes: number,
    })
}
