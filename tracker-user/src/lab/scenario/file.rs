//! A scenario's file, as it is written.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use super::arrival::Arrival;
use super::spread::{Seconds, Spread, Time};
use crate::lab::script::Placed;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub description: Spanned<String>,
    pub duration: Spanned<Time>,
    #[serde(default)]
    pub masquerade: bool,
    #[serde(default)]
    pub settings: BTreeMap<Spanned<String>, Spanned<i64>>,
    #[serde(default)]
    pub population: Vec<Population>,
    pub proof: Option<toml::Table>,
}

/// Connections of one kind.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Population {
    pub name: Spanned<String>,
    pub proto: Proto,
    #[serde(default)]
    pub family: Family,
    pub arrival: Arrival,
    #[serde(default = "at_once")]
    pub start: Spanned<Time>,
    pub count: Option<Spanned<u64>>,
    pub clients: Spanned<Clients>,
    pub prefixes: Option<Spanned<u64>>,
    #[serde(default = "one")]
    pub servers: Spanned<u64>,
    #[serde(alias = "port")]
    pub ports: Option<Spanned<Ports>>,
    #[serde(default)]
    pub order: Order,
    #[serde(default = "near")]
    pub rtt: Spread<Seconds>,
    pub script: Spanned<Vec<Placed>>,
}

fn one() -> Spanned<u64> {
    Spanned::new(0..0, 1)
}

fn at_once() -> Spanned<Time> {
    Spanned::new(0..0, Time::default())
}

fn near() -> Spread<Seconds> {
    Spread::constant(0.02)
}

/// Protocols that a scenario may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Proto {
    Tcp,
    Udp,
    Icmp,
}

/// Families of addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Family {
    #[default]
    Ipv4,
    Ipv6,
}

/// In which order servers' ports are gone through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Order {
    #[default]
    Random,
    Sweep,
}

/// How many clients there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clients {
    Count(u64),
    Spoofed,
}

impl<'de> Deserialize<'de> for Clients {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ClientsVisitor)
    }
}

struct ClientsVisitor;

impl de::Visitor<'_> for ClientsVisitor {
    type Value = Clients;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a number of clients, or \"spoofed\"")
    }

    fn visit_i64<E: de::Error>(self, count: i64) -> Result<Clients, E> {
        let wrong = || E::invalid_value(de::Unexpected::Signed(count), &self);
        u64::try_from(count)
            .map(Clients::Count)
            .map_err(|_| wrong())
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<Clients, E> {
        match word {
            "spoofed" => Ok(Clients::Spoofed),
            _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
        }
    }
}

/// Ports of the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ports(pub Vec<u16>);

impl<'de> Deserialize<'de> for Ports {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PortsVisitor)
    }
}

struct PortsVisitor;

/// A range of ports, both ends included.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    from: u16,
    to: u16,
}

impl<'de> de::Visitor<'de> for PortsVisitor {
    type Value = Ports;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a port from 1 to 65535, a list of them, or { from = …, to = … }")
    }

    fn visit_i64<E: de::Error>(self, port: i64) -> Result<Ports, E> {
        match u16::try_from(port) {
            Ok(port) if port > 0 => Ok(Ports(vec![port])),
            _ => Err(E::invalid_value(de::Unexpected::Signed(port), &self)),
        }
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Ports, A::Error> {
        let mut ports = Vec::new();
        while let Some(port) = seq.next_element::<u16>()? {
            if port == 0 || ports.contains(&port) {
                let what = format!("port {port} is there twice, or 0");
                return Err(de::Error::custom(what));
            }
            ports.push(port);
        }
        if ports.is_empty() {
            return Err(de::Error::custom("no port"));
        }
        Ok(Ports(ports))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Ports, A::Error> {
        let range = Range::deserialize(de::value::MapAccessDeserializer::new(map))?;
        if range.from == 0 || range.from > range.to {
            return Err(de::Error::custom("a range of no ports, or from 0"));
        }
        Ok(Ports((range.from..=range.to).collect()))
    }
}
