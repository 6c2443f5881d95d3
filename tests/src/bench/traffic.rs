//! What the cases do: real sockets on the loopback, both ends in one thread.

use std::fs;
use std::io::{Read, Write};
use std::iter::Cycle;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use socket2::SockRef;
use tracker_user::lab::run::Flusher;

use super::place::Timer;
use super::work::{BATCHES, Batch, Work};

/// Units in a batch of short work, and turns in one with pauses.
const MANY: u64 = 2000;
const TURNS: u64 = 20;
/// Connections that take turns.
const TOGETHER: u64 = 32;
/// Longer than a tick of any kernel down to 250 ticks a second.
const PAUSE: Duration = Duration::from_millis(5);
/// An answered UDP flow that still sends after two seconds becomes a stream.
const BECOMES_STREAM: Duration = Duration::from_secs(3);
/// Below the ports that the kernel chooses itself.
const PORTS: Range<u16> = 1100..32_000;
/// Flows of the case of whole lives, and their ports: the same in each run, and so are the chains that their entries
/// share.
const LIVES: u16 = 11_000;
const LIVES_PORTS: [u16; 2] = [1098, 1099];
/// Past the timeout of a second, in ticks that may have begun before it was set.
const EXPIRED: Duration = Duration::from_millis(1020);
const MESSAGE: [u8; 64] = [7; 64];

/// Each flow with a port of its own, so that each is an entry of its own.
pub fn udp_flow() -> Result<Work> {
    let mut flows = Flows::new()?;
    Ok(Box::new(move || Batch::at_once(MANY, || flows.next())))
}

/// The entries are made outside of the time.
pub fn destroy() -> Result<Work> {
    let mut flows = Flows::new()?;
    let flusher = Flusher::open()?;
    Ok(Box::new(move || {
        for _ in 0..MANY {
            flows.next()?;
        }
        let batch = Batch::at_once(1, || Ok(flusher.flush()?))?;
        Ok(Batch {
            units: MANY,
            ..batch
        })
    }))
}

/// Each flow takes the place of one that has expired by then: looking the flow up is what removes that one. Two sockets
/// make all of them, by an address of the loopback for each: what the kernel puts off when a socket is closed would be
/// in the figure or not, as it happens.
///
/// A lookup also removes others that have expired and share the bucket, so only all flows together are one life each.
/// No other process may run from the first flow to the last, or the garbage collector would remove some before. So the
/// time to wait is spent busily, and is made as short as a timer can be.
pub fn udp_life() -> Result<Work> {
    let timer = Timer::set(1)?;
    let [client, server] = LIVES_PORTS;
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, client))?;
    let server = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, server))?;
    let port = server.local_addr()?.port();
    let mut next = 0;
    let mut flow = move || -> Result<()> {
        let [high, low] = u16::to_be_bytes(next % LIVES);
        next += 1;
        client.send_to(&MESSAGE, (Ipv4Addr::new(127, 1, high, low), port))?;
        server.recv(&mut [0; MESSAGE.len()])?;
        Ok(())
    };
    for _ in 0..LIVES {
        flow()?;
    }
    let last = Instant::now();
    while last.elapsed() < EXPIRED {
        std::hint::spin_loop();
    }
    let units = u64::from(LIVES) / BATCHES;
    let mut replaced = 0;
    Ok(Box::new(move || {
        // It is put back when the work is over.
        let _ = &timer;
        let batch = Batch::at_once(units, &mut flow)?;
        replaced += units;
        let left = entries()?;
        if replaced == u64::from(LIVES) && left != replaced {
            bail!("{left} entries are left of {LIVES} that were to be replaced one by one");
        }
        Ok(batch)
    }))
}

pub fn udp_packet() -> Result<Work> {
    let mut pair = Pair::new()?;
    Ok(Box::new(move || Batch::at_once(MANY, || pair.send())))
}

pub fn udp_packet_later() -> Result<Work> {
    Ok(in_turn(together(Pair::new)?, Pair::send, |batch| batch()))
}

pub fn udp_stream() -> Result<Work> {
    let mut pair = Pair::answered()?;
    std::thread::sleep(BECOMES_STREAM);
    Ok(Box::new(move || Batch::at_once(MANY, || pair.send())))
}

pub fn udp_stream_later() -> Result<Work> {
    let pairs = together(Pair::answered)?;
    std::thread::sleep(BECOMES_STREAM);
    Ok(in_turn(pairs, Pair::send, |batch| batch()))
}

pub fn tcp_packet() -> Result<Work> {
    let mut conn = Conn::new()?;
    Ok(Box::new(move || {
        per_segment(|| Batch::at_once(MANY, || conn.send()))
    }))
}

pub fn tcp_packet_later() -> Result<Work> {
    Ok(in_turn(together(Conn::new)?, Conn::send, |batch| {
        per_segment(batch)
    }))
}

/// Connections that take turns, one packet each in a tick, as on a machine with many: what is done once in a tick for
/// all of them is shared. Before each tick there is a pause, which is not counted.
fn in_turn<C: 'static>(
    mut all: Vec<C>,
    send: fn(&mut C) -> Result<()>,
    batch: fn(&mut dyn FnMut() -> Result<Batch>) -> Result<Batch>,
) -> Work {
    Box::new(move || {
        batch(&mut || {
            let turns = Batch::paced(TURNS, PAUSE, || all.iter_mut().try_for_each(send))?;
            Ok(Batch {
                units: TURNS * TOGETHER,
                ..turns
            })
        })
    })
}

fn together<C>(make: fn() -> Result<C>) -> Result<Vec<C>> {
    (0..TOGETHER).map(|_| make()).collect()
}

/// New flows to one server.
pub struct Flows {
    server: UdpSocket,
    to: SocketAddr,
    ports: Cycle<Range<u16>>,
}

impl Flows {
    /// A server, and all ports ahead.
    pub fn new() -> Result<Self> {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        Ok(Self {
            to: server.local_addr()?,
            server,
            ports: PORTS.cycle(),
        })
    }

    /// One datagram from a new socket, received.
    pub fn next(&mut self) -> Result<()> {
        let port = self.ports.next().context("there is no port left")?;
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, port))?;
        client.send_to(&MESSAGE, self.to)?;
        self.server.recv(&mut [0; MESSAGE.len()])?;
        Ok(())
    }
}

/// Two UDP sockets that talk to each other.
struct Pair {
    client: UdpSocket,
    server: UdpSocket,
}

impl Pair {
    fn new() -> Result<Self> {
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        client.connect(server.local_addr()?)?;
        server.connect(client.local_addr()?)?;
        Ok(Self { client, server })
    }

    /// Answered, so that it is a stream at its next packet after [`BECOMES_STREAM`].
    fn answered() -> Result<Self> {
        let mut pair = Self::new()?;
        pair.send()?;
        pair.server.send(&MESSAGE)?;
        pair.client.recv(&mut [0; MESSAGE.len()])?;
        Ok(pair)
    }

    fn send(&mut self) -> Result<()> {
        self.client.send(&MESSAGE)?;
        self.server.recv(&mut [0; MESSAGE.len()])?;
        Ok(())
    }
}

/// A TCP connection that sends one way. It ends by a reset, after which nothing comes that could make an entry again.
struct Conn {
    client: TcpStream,
    server: TcpStream,
}

impl Conn {
    fn new() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let client = TcpStream::connect(listener.local_addr()?)?;
        client.set_nodelay(true)?;
        SockRef::from(&client).set_linger(Some(Duration::ZERO))?;
        let (server, _) = listener.accept()?;
        Ok(Self { client, server })
    }

    /// Read at once, pushed data is acknowledged at once.
    fn send(&mut self) -> Result<()> {
        self.client.write_all(&MESSAGE)?;
        self.server.read_exact(&mut [0; MESSAGE.len()])?;
        Ok(())
    }
}

/// Entries in the table.
fn entries() -> Result<u64> {
    const COUNT: &str = "/proc/sys/net/netfilter/nf_conntrack_count";
    let text = fs::read_to_string(COUNT).with_context(|| format!("cannot read {COUNT}"))?;
    text.trim()
        .parse()
        .context("the count of entries is no number")
}

/// Takes the segments that TCP sent as the units, whatever it made of the data.
fn per_segment(batch: impl FnOnce() -> Result<Batch>) -> Result<Batch> {
    let before = segments()?;
    let batch = batch()?;
    Ok(Batch {
        units: segments()? - before,
        ..batch
    })
}

/// `OutSegs` of this namespace.
fn segments() -> Result<u64> {
    let text = fs::read_to_string("/proc/net/snmp").context("cannot read /proc/net/snmp")?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (lines.next(), lines.next());
    let mut pairs = names
        .into_iter()
        .flat_map(str::split_whitespace)
        .zip(values.into_iter().flat_map(str::split_whitespace));
    pairs
        .find(|(name, _)| *name == "OutSegs")
        .and_then(|(_, value)| value.parse().ok())
        .context("/proc/net/snmp does not count TCP's segments")
}
