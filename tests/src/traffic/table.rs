//! Filling the table, and looking at it.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};

use nix::sys::socket::sockopt;

use super::{Stage, TrafficError, socket};
use crate::net::SERVER4;

/// A datagram of a burst that got through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The client's port.
    pub port: u16,
    /// Jiffy in which it was sent.
    pub at: u64,
}

/// Datagrams of a burst that are sent in one jiffy. More could be put off by the kernel until the sender rests.
const TOGETHER: usize = 10;

impl Stage {
    /// Sets the size of the table, in entries and in buckets.
    pub fn resize(&self, max: u64, buckets: u64) -> Result<(), TrafficError> {
        for (name, value) in [("buckets", buckets), ("max", max)] {
            fs::write(
                format!("/proc/sys/net/netfilter/nf_conntrack_{name}"),
                value.to_string(),
            )
            .map_err(socket("size of the table"))?;
        }
        Ok(())
    }

    /// Sends `count` datagrams, each from a port of its own, and gives back those that reached the server.
    pub fn burst(&self, server: &UdpSocket, count: usize) -> Result<Vec<Sent>, TrafficError> {
        let port = server.local_addr().map_err(socket("server port"))?.port();
        let to = SocketAddr::from((SERVER4, port));
        let clients = self.topology.client.run(|| {
            (0..count)
                .map(|_| UdpSocket::bind("0.0.0.0:0"))
                .collect::<Result<Vec<_>, _>>()
        })?;
        // Each datagram has to find room, or it could not be told from one that the router dropped.
        nix::sys::socket::setsockopt(server, sockopt::RcvBufForce, &(count * 4096))
            .map_err(|errno| socket("receive buffer")(errno.into()))?;
        let mut sent = Vec::new();
        for (number, client) in clients
            .map_err(socket("client sockets"))?
            .iter()
            .enumerate()
        {
            if number % TOGETHER == 0 {
                self.clock.align()?;
            }
            let at = self.clock.now()?;
            client.send_to(b"question", to).map_err(socket("send"))?;
            let port = client.local_addr().map_err(socket("client socket"))?.port();
            sent.push(Sent { port, at });
        }
        self.clock.align()?;
        server
            .set_nonblocking(true)
            .map_err(socket("server port"))?;
        let mut arrived = BTreeSet::new();
        loop {
            match server.recv_from(&mut [0; 16]) {
                Ok((_, from)) => arrived.insert(from.port()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(socket("receive")(error)),
            };
        }
        sent.retain(|sent| arrived.contains(&sent.port));
        Ok(sent)
    }

    /// Whether an entry of the router is in a flowtable.
    pub fn offloads(&self) -> Result<bool, TrafficError> {
        Ok(self.router().read("net/nf_conntrack")?.contains("OFFLOAD]"))
    }

    /// The client ports of all entries in the router's table.
    pub fn listed_ports(&self) -> Result<BTreeSet<u16>, TrafficError> {
        let listed = self.router().read("net/nf_conntrack")?;
        // Each line has two; the first is the client's.
        let port = |line: &str| {
            line.split_once(" sport=")?
                .1
                .split(' ')
                .next()?
                .parse()
                .ok()
        };
        Ok(listed.lines().filter_map(port).collect())
    }
}
