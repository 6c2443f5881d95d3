//! A flood that goes on as fast as it can while other things are done.

use std::thread::{self, available_parallelism};

use anyhow::Result;
use tracker_user::lab::control::Control;
use tracker_user::lab::net::{Settings, Size, Topology};
use tracker_user::lab::packet::{Packet, Witness};
use tracker_user::lab::run::{self, Options, Report};
use tracker_user::lab::scenario::{Overrides, Scenario};

use crate::cases::faces::poll;

/// More a second than can be sent, and more of them than will be.
const SCENARIO: &str = r#"
description = "New flows without end, and connections among them"
duration = "60s"
masquerade = true
[settings]
udp_timeout = 60
[[population]]
name = "datagrams"
proto = "udp"
arrival = { rate = 180000 }
clients = "spoofed"
servers = 20
ports = { from = 1, to = 500 }
script = [{ datagram = { bytes = 64 } }]
[[population]]
name = "connections"
proto = "tcp"
arrival = { rate = 20000 }
clients = 5000
servers = 50
ports = 443
script = ["handshake", { request = { response = 3000 } }, "close"]
"#;

/// Entries for which the table has room.
pub const ROOM: u64 = 1 << 17;

/// Packets that show that the flood goes on.
const SOME: u64 = 2000;

/// The router of a flood, and how far the flood is.
pub struct Endless {
    /// The namespaces that it goes through.
    pub topology: Topology,
    control: Control,
}

impl Endless {
    /// Makes the place of the flood, through which nothing goes yet.
    pub fn prepare() -> Result<Self> {
        let scenario = scenario()?;
        let topology = Topology::create(&Settings {
            masquerade: scenario.masquerade,
            sysctls: scenario.sysctls,
            max: Some(Size::Exactly(ROOM)),
            buckets: Some(Size::Exactly(ROOM)),
            ..Settings::default()
        })?;
        Ok(Self {
            topology,
            control: Control::default(),
        })
    }

    /// Does something while the flood goes on, and then ends the flood and empties the table.
    pub fn during(&self, work: impl FnOnce() -> Result<()>) -> Result<Report> {
        let scenario = scenario()?;
        let traffic = scenario.traffic(1, &Overrides::default())?;
        let options = Options {
            threads: available_parallelism()?.get(),
            settle: None,
        };
        thread::scope(|scope| {
            let flood = scope.spawn(|| {
                run::run(
                    &self.topology,
                    traffic,
                    &mut Nobody,
                    &options,
                    &self.control,
                )
            });
            let done = self.goes_on().and_then(|()| work());
            self.control.stop();
            let report = flood
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            done?;
            Ok(report?)
        })
    }

    /// Waits until more of the flood has been sent.
    pub fn goes_on(&self) -> Result<()> {
        let enough = self.control.packets() + SOME;
        poll("more of the flood", || {
            (self.control.packets() >= enough).then_some(())
        })
    }
}

fn scenario() -> Result<Scenario> {
    Ok(Scenario::parse("endless.toml", SCENARIO)?)
}

/// Nobody needs to know of single packets.
pub struct Nobody;

impl Witness for Nobody {
    fn sent(&mut self, _packet: &Packet, _from: u64, _to: u64) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flood_has_tuples_for_all_that_may_be_sent() {
        let scenario = scenario().unwrap();
        scenario.traffic(1, &Overrides::default()).unwrap();
    }
}
