//! Protocols without sockets of their own, by raw sockets.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::{Stage, TrafficError, socket};
use crate::net::{ROUTER4, SERVER4};

/// Both ends of an exchange of IP packets of one protocol.
#[derive(Debug)]
pub struct Raw {
    client: Socket,
    server: Socket,
}

/// What is sent: a GRE header without options that announces IPv4, then nothing of it. Others see four bytes.
const PAYLOAD: [u8; 8] = [0, 0, 8, 0, 0, 0, 0, 0];

impl Stage {
    /// Opens raw sockets for protocol `number` at both ends.
    pub fn raw(&self, number: i32) -> Result<Raw, TrafficError> {
        let [client, server] = self.raw_sockets(Protocol::from(number), |_| Ok(()))?;
        Ok(Raw { client, server })
    }

    /// A raw socket at the client and one at the server, each of which is made ready.
    pub(super) fn raw_sockets(
        &self,
        protocol: Protocol,
        ready: impl Fn(&Socket) -> io::Result<()> + Send + Sync,
    ) -> Result<[Socket; 2], TrafficError> {
        let open = || {
            let made = Socket::new(Domain::IPV4, Type::RAW, Some(protocol))?;
            made.set_read_timeout(Some(Duration::from_secs(3)))?;
            ready(&made)?;
            Ok(made)
        };
        let client = self.topology.client.run(open)?;
        let server = self.topology.server.run(open)?;
        Ok([
            client.map_err(socket("raw socket"))?,
            server.map_err(socket("raw socket"))?,
        ])
    }

    /// The client sends one packet; the server answers if told so. Gives back the jiffy of it all.
    pub fn exchange_raw(&self, raw: &Raw, answer: bool) -> Result<u64, TrafficError> {
        let mut buffer = [MaybeUninit::uninit(); 128];
        let at = self.clock.align()?;
        let to = SocketAddr::from((SERVER4, 0));
        raw.client
            .send_to(&PAYLOAD, &to.into())
            .map_err(socket("send"))?;
        raw.server.recv(&mut buffer).map_err(socket("receive"))?;
        if answer {
            let router = SocketAddr::from((ROUTER4, 0));
            raw.server
                .send_to(&PAYLOAD, &router.into())
                .map_err(socket("answer"))?;
            raw.client.recv(&mut buffer).map_err(socket("receive"))?;
        }
        self.clock.same_jiffy(at, "an exchange of packets")?;
        Ok(at)
    }
}
