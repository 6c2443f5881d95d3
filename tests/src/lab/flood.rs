//! As many new flows as can be sent.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use anyhow::Result;
use tracker_common::{Proto, State, Timer};
use tracker_user::lab::control::Control;
use tracker_user::lab::net::{Settings, Topology};
use tracker_user::lab::packet::{Body, Due, Effect, Packet, Side, Tuple, Witness};
use tracker_user::lab::run::{self, Options};

/// Clients of a flood; each has as many ports.
const PORTS: u32 = 50_000;

/// One datagram from each of so many clients' ports, all due at once.
pub fn flood(packets: u32) -> impl Iterator<Item = Due> {
    let first = u32::from(Ipv4Addr::new(10, 64, 0, 1));
    (0..packets).map(move |number| Due {
        at: Duration::ZERO,
        packet: Packet {
            connection: number,
            side: Side::Client,
            tuple: Tuple {
                proto: Proto::Udp,
                client: IpAddr::V4(Ipv4Addr::from(first + number / PORTS)),
                client_port: 1024 + (number % PORTS) as u16,
                server: IpAddr::V4(Ipv4Addr::new(10, 128, 0, 1)),
                server_port: 53,
            },
            body: Body::Udp { payload: 32 },
            effect: Effect::Insert {
                state: State::UdpUnreplied,
                timer: Timer::Udp,
                pickup: false,
            },
        },
    })
}

/// Counts what it is told.
#[derive(Debug, Default)]
struct Tally(u64);

impl Witness for Tally {
    fn sent(&mut self, _packet: &Packet, _from: u64, _to: u64) {
        self.0 += 1;
    }
}

/// Sends a flood in a topology of this process, and prints the router's path before it and the report after it.
pub fn run_flood(flows: u32, threads: usize, max: Option<u64>) -> Result<()> {
    let topology = Topology::create(&Settings {
        max,
        ..Settings::default()
    })?;
    println!("{}", topology.router.path().display());
    let mut tally = Tally::default();
    let options = Options {
        threads,
        settle: Duration::ZERO,
    };
    let report = run::run(
        &topology,
        flood(flows),
        &mut tally,
        &options,
        &Control::default(),
    )?;
    anyhow::ensure!(
        tally.0 == report.packets() && report.lost() == 0 && report.foreign() == 0,
        "not all that was sent has passed and was told: {}",
        report.json()
    );
    println!("{}", report.json());
    Ok(())
}
