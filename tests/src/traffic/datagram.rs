//! UDP flows and echoes through the router.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use super::{Stage, TrafficError, socket};
use crate::net::{SERVER4, SERVER6};

/// How long a datagram may take before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(3);

/// A UDP flow from one client port.
#[derive(Debug)]
pub struct Flow {
    client: UdpSocket,
    entry: usize,
    began: u64,
    answered: bool,
    stream: bool,
}

/// Echo requests with one identifier.
#[derive(Debug)]
pub struct Echo {
    socket: Socket,
    to: SocketAddr,
    entry: Option<usize>,
    sequence: u8,
}

impl Flow {
    /// Its entry in the ledger.
    #[must_use]
    pub fn entry(&self) -> usize {
        self.entry
    }
}

impl Stage {
    /// Opens a UDP port at the server.
    pub fn udp_port(&self, port: u16) -> Result<UdpSocket, TrafficError> {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        let made = self
            .topology
            .server
            .run(|| UdpSocket::bind(any))?
            .map_err(socket("server port"))?;
        made.set_read_timeout(Some(PATIENCE))
            .map_err(socket("server port"))?;
        Ok(made)
    }

    /// A client's UDP socket, from port `from` unless that is 0.
    pub fn udp_client(&self, to: SocketAddr, from: u16) -> Result<UdpSocket, TrafficError> {
        let any: IpAddr = if to.is_ipv4() {
            Ipv4Addr::UNSPECIFIED.into()
        } else {
            Ipv6Addr::UNSPECIFIED.into()
        };
        let made = self.topology.client.run(|| {
            let made = UdpSocket::bind((any, from))?;
            made.connect(to)?;
            made.set_read_timeout(Some(PATIENCE))?;
            Ok(made)
        })?;
        made.map_err(socket("client socket"))
    }

    /// Begins a flow over IPv4 with one datagram that the server receives.
    pub fn begin(&mut self, server: &UdpSocket) -> Result<Flow, TrafficError> {
        self.begin_to(server, SERVER4.into(), 0)
    }

    /// Begins a flow over IPv6.
    pub fn begin6(&mut self, server: &UdpSocket) -> Result<Flow, TrafficError> {
        self.begin_to(server, SERVER6.into(), 0)
    }

    /// Begins a flow to an address of the server, from port `from` unless that is 0.
    pub fn begin_to(
        &mut self,
        server: &UdpSocket,
        to: IpAddr,
        from: u16,
    ) -> Result<Flow, TrafficError> {
        let port = server.local_addr().map_err(socket("server port"))?.port();
        let client = self.udp_client(SocketAddr::from((to, port)), from)?;
        let at = self.clock.align()?;
        client.send(b"question").map_err(socket("send"))?;
        server.recv_from(&mut [0; 16]).map_err(socket("receive"))?;
        self.clock.same_jiffy(at, "a datagram")?;
        let entry = self.insert("udp", port, at, "udp_unreplied", "udp_timeout");
        Ok(Flow {
            client,
            entry,
            began: at,
            answered: false,
            stream: false,
        })
    }

    /// The client goes on with a flow whose entry has expired.
    pub fn begin_again(&mut self, flow: &mut Flow, server: &UdpSocket) -> Result<(), TrafficError> {
        let at = self.clock.align()?;
        flow.client.send(b"question").map_err(socket("send"))?;
        server.recv_from(&mut [0; 16]).map_err(socket("receive"))?;
        self.clock.same_jiffy(at, "a datagram")?;
        let port = server.local_addr().map_err(socket("server port"))?.port();
        self.back(flow, at, port);
        Ok(())
    }

    /// The server goes on with a flow whose entry has expired.
    pub fn begin_back(&mut self, flow: &mut Flow, server: &UdpSocket) -> Result<(), TrafficError> {
        let client = flow.client.local_addr().map_err(socket("client socket"))?;
        let at = self.clock.align()?;
        server
            .send_to(b"answer", mapped(client))
            .map_err(socket("answer"))?;
        flow.client.recv(&mut [0; 16]).map_err(socket("receive"))?;
        self.clock.same_jiffy(at, "a datagram")?;
        self.back(flow, at, client.port());
        Ok(())
    }

    /// Writes down that a flow has another entry, to this port.
    fn back(&mut self, flow: &mut Flow, at: u64, port: u16) {
        let expired = flow.entry;
        let namespace = self.router().name().to_owned();
        self.ledger.expire(&namespace, at);
        flow.entry = self.insert("udp", port, at, "udp_unreplied", "udp_timeout");
        flow.began = at;
        flow.answered = false;
        flow.stream = false;
        self.returned(expired, flow.entry);
    }

    /// Goes on with a flow that was begun by another process from the client's port `from`.
    pub fn resume(
        &self,
        server: &UdpSocket,
        entry: usize,
        from: u16,
    ) -> Result<Flow, TrafficError> {
        let port = server.local_addr().map_err(socket("server port"))?.port();
        let client = self.udp_client(SocketAddr::from((SERVER4, port)), from)?;
        let began = self.ledger.entries[entry].steps[0].at;
        Ok(Flow {
            client,
            entry,
            began,
            answered: false,
            stream: false,
        })
    }

    /// The client asks again, without an answer.
    pub fn ask(&mut self, flow: &mut Flow, server: &UdpSocket) -> Result<(), TrafficError> {
        let at = self.clock.align()?;
        flow.client.send(b"question").map_err(socket("send"))?;
        server.recv_from(&mut [0; 16]).map_err(socket("receive"))?;
        self.clock.same_jiffy(at, "a datagram")?;
        self.note(flow, at);
        Ok(())
    }

    /// The client asks again in so many words that they come in fragments.
    pub fn ask_at_length(
        &mut self,
        flow: &mut Flow,
        server: &UdpSocket,
    ) -> Result<(), TrafficError> {
        let at = self.clock.align()?;
        flow.client.send(&[b'?'; 2000]).map_err(socket("send"))?;
        server.recv_from(&mut [0; 16]).map_err(socket("receive"))?;
        self.clock.same_jiffy(at, "a datagram in fragments")?;
        self.note(flow, at);
        Ok(())
    }

    /// The client asks and the server answers.
    pub fn ask_and_answer(
        &mut self,
        flow: &mut Flow,
        server: &UdpSocket,
    ) -> Result<(), TrafficError> {
        let at = self.clock.align()?;
        flow.client.send(b"question").map_err(socket("send"))?;
        let (_, from) = server.recv_from(&mut [0; 16]).map_err(socket("receive"))?;
        server.send_to(b"answer", from).map_err(socket("answer"))?;
        flow.client.recv(&mut [0; 16]).map_err(socket("receive"))?;
        self.clock.same_jiffy(at, "question and answer")?;
        self.note(flow, at);
        self.note_answer(flow, at);
        Ok(())
    }

    /// Begins a flow whose first datagram is answered at once.
    pub fn begin_answered(&mut self, server: &UdpSocket, to: IpAddr) -> Result<Flow, TrafficError> {
        let port = server.local_addr().map_err(socket("server port"))?.port();
        let client = self.udp_client(SocketAddr::from((to, port)), 0)?;
        let at = self.clock.align()?;
        client.send(b"question").map_err(socket("send"))?;
        let (_, from) = server.recv_from(&mut [0; 16]).map_err(socket("receive"))?;
        server.send_to(b"answer", from).map_err(socket("answer"))?;
        client.recv(&mut [0; 16]).map_err(socket("receive"))?;
        self.clock.same_jiffy(at, "question and answer")?;
        let entry = self.insert("udp", port, at, "udp_unreplied", "udp_timeout");
        let mut flow = Flow {
            client,
            entry,
            began: at,
            answered: false,
            stream: false,
        };
        self.note_answer(&mut flow, at);
        Ok(flow)
    }

    /// A packet of the client: once answered, and older than two seconds, the flow is a stream.
    fn note(&mut self, flow: &mut Flow, at: u64) {
        flow.stream |=
            flow.answered && at > flow.began + self.clock.jiffies(Duration::from_secs(2));
        let (state, timer) = flow.now();
        self.refresh(flow.entry, at, state, timer);
    }

    /// A packet of the server: it makes the flow a replied one.
    fn note_answer(&mut self, flow: &mut Flow, at: u64) {
        self.note(flow, at);
        flow.answered = true;
        let (state, _) = flow.now();
        if let Some(step) = self.ledger.entries[flow.entry].steps.last_mut() {
            step.state = state.into();
        }
    }

    /// A socket for echo requests to the server, IPv4 or IPv6.
    pub fn echo(&self, to: IpAddr) -> Result<Echo, TrafficError> {
        let (domain, protocol) = match to {
            IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
            IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
        };
        let made = self
            .topology
            .client
            .run(|| Socket::new(domain, Type::DGRAM, Some(protocol)))?;
        let made = made.map_err(socket("echo socket"))?;
        made.set_read_timeout(Some(PATIENCE))
            .map_err(socket("echo socket"))?;
        Ok(Echo {
            socket: made,
            to: SocketAddr::from((to, 0)),
            entry: None,
            sequence: 0,
        })
    }

    /// One echo request and its answer.
    pub fn ping(&mut self, echo: &mut Echo) -> Result<(), TrafficError> {
        echo.sequence += 1;
        let (kind, proto, timer) = match self.echo_names(echo) {
            true => (8, "icmp", "icmp_timeout"),
            false => (128, "icmpv6", "icmpv6_timeout"),
        };
        let at = self.clock.align()?;
        echo.socket
            .send_to(
                &[kind, 0, 0, 0, 0, 0, 0, echo.sequence, 1, 2, 3, 4],
                &echo.to.into(),
            )
            .map_err(socket("ping"))?;
        (&echo.socket).read(&mut [0; 64]).map_err(socket("echo"))?;
        self.clock.same_jiffy(at, "an echo")?;
        let entry = match echo.entry {
            Some(entry) => {
                self.refresh(entry, at, proto, timer);
                entry
            }
            None => self.insert(proto, 0, at, proto, timer),
        };
        self.refresh(entry, at, proto, timer);
        echo.entry = Some(entry);
        Ok(())
    }

    fn echo_names(&self, echo: &Echo) -> bool {
        echo.to.is_ipv4()
    }
}

/// An address as a socket for both families has it.
fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::from((ip.to_ipv6_mapped(), address.port())),
        IpAddr::V6(_) => address,
    }
}

impl Flow {
    fn now(&self) -> (&'static str, &'static str) {
        match (self.stream, self.answered) {
            (true, _) => ("udp_stream", "udp_timeout_stream"),
            (false, true) => ("udp_replied", "udp_timeout"),
            (false, false) => ("udp_unreplied", "udp_timeout"),
        }
    }
}
