//! The client side: what arrives when, and how each client behaves.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use fastrand::Rng;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::http::{ask, read_answer};
use super::{DemoError, Tally};
use crate::net::{DEAD4, DEAD6, SERVER4, SERVER6};

/// Packets of sockets with this mark are dropped before they leave the client.
pub const CUT: u32 = 0xdead;

/// New connections, queries and attempts a second at full load.
const SHORT: f64 = 40.0;
const KEEP_ALIVE: f64 = 1.5;
const WEBSOCKET: f64 = 0.15;
const DNS: f64 = 10.0;
const DEAD_HOST: f64 = 0.5;

const PING: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(10);

/// What all clients share.
struct World {
    tally: RefCell<Tally>,
    rng: RefCell<Rng>,
    vanished: RefCell<Vec<std::net::TcpStream>>,
}

impl World {
    fn count(&self, add: impl FnOnce(&mut Tally)) {
        add(&mut self.tally.borrow_mut());
    }

    fn chance(&self, share: f64) -> bool {
        self.rng.borrow_mut().f64() < share
    }

    /// A time with an exponential distribution.
    fn pause(&self, mean_s: f64) -> Duration {
        let uniform = 1.0 - self.rng.borrow_mut().f64();
        Duration::from_secs_f64(-uniform.ln() * mean_s)
    }

    /// One in five speaks IPv6.
    fn pick(&self, four: Ipv4Addr, six: std::net::Ipv6Addr, port: u16) -> SocketAddr {
        let address = if self.chance(0.2) {
            IpAddr::from(six)
        } else {
            IpAddr::from(four)
        };
        SocketAddr::from((address, port))
    }

    /// Body sizes: mostly a few kilobytes, some tens.
    fn size(&self) -> usize {
        let kilobytes = self.pause(3.0).as_secs_f64().min(40.0);
        200 + (kilobytes * 1024.0) as usize
    }

    async fn request(&self, stream: &mut TcpStream, keep: bool) -> io::Result<()> {
        ask(stream, self.size(), keep).await?;
        let got = read_answer(stream).await?;
        self.count(|tally| {
            tally.responses += 1;
            tally.body_bytes += got as u64;
        });
        Ok(())
    }

    /// Cuts the client's link: it hears nothing of this connection, and nobody hears of it, ever again.
    fn vanish(&self, stream: TcpStream) -> io::Result<()> {
        SockRef::from(&stream).set_mark(CUT)?;
        self.vanished.borrow_mut().push(stream.into_std()?);
        self.count(|tally| tally.vanished += 1);
        Ok(())
    }
}

/// Makes the clients' traffic for `length`; a `load` of 1 is full.
pub async fn browse(length: Duration, load: f64, seed: u64) -> Result<Tally, DemoError> {
    let world = Rc::new(World {
        tally: RefCell::default(),
        rng: RefCell::new(Rng::with_seed(seed)),
        vanished: RefCell::default(),
    });
    let local = LocalSet::new();
    arrive(&local, &world, load * SHORT, short);
    arrive(&local, &world, load * KEEP_ALIVE, keep_alive);
    arrive(&local, &world, load * WEBSOCKET, websocket);
    arrive(&local, &world, load * DNS, dns);
    arrive(&local, &world, load * DEAD_HOST, dead_host);
    local.run_until(sleep(length)).await;
    drop(local);
    let tally = world.tally.borrow().clone();
    Ok(tally)
}

/// Waits until the server closes.
async fn wait_for_end(stream: &mut TcpStream) -> io::Result<()> {
    match stream.read(&mut [0_u8; 1]).await? {
        0 => Ok(()),
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the server says more than it announced",
        )),
    }
}

/// Starts clients as a Poisson process.
fn arrive<F>(
    local: &LocalSet,
    world: &Rc<World>,
    rate: f64,
    client: impl Fn(Rc<World>) -> F + 'static,
) where
    F: Future<Output = io::Result<()>> + 'static,
{
    let world = Rc::clone(world);
    local.spawn_local(async move {
        let mut next = Instant::now();
        loop {
            next += world.pause(1.0 / rate);
            tokio::time::sleep_until(next).await;
            let client = client(Rc::clone(&world));
            let world = Rc::clone(&world);
            tokio::task::spawn_local(async move {
                if client.await.is_err() {
                    world.count(|tally| tally.failed += 1);
                }
            });
        }
    });
}

/// One request; the server closes, or the client does, or it does not wait for the rest.
async fn short(world: Rc<World>) -> io::Result<()> {
    world.count(|tally| tally.short += 1);
    let mut stream = TcpStream::connect(world.pick(SERVER4, SERVER6, 80)).await?;
    let client_closes = world.chance(0.25);
    world.request(&mut stream, client_closes).await?;
    if client_closes {
        if world.chance(0.1) {
            SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
            world.count(|tally| tally.aborted += 1);
        }
        return Ok(());
    }
    wait_for_end(&mut stream).await
}

/// Requests with pauses in between, as a person reads; some leave the connection to the server's timeout.
async fn keep_alive(world: Rc<World>) -> io::Result<()> {
    world.count(|tally| tally.keep_alive += 1);
    let mut stream = TcpStream::connect(world.pick(SERVER4, SERVER6, 80)).await?;
    world.request(&mut stream, true).await?;
    while world.chance(0.75) {
        if world.chance(0.02) {
            return world.vanish(stream);
        }
        let pause = Duration::from_secs(2) + world.pause(9.0);
        sleep(pause.min(Duration::from_secs(45))).await;
        world.request(&mut stream, true).await?;
    }
    if world.chance(0.5) {
        wait_for_end(&mut stream).await?;
    }
    Ok(())
}

/// A connection that lives for minutes on pings.
async fn websocket(world: Rc<World>) -> io::Result<()> {
    world.count(|tally| tally.websocket += 1);
    let mut stream = TcpStream::connect(world.pick(SERVER4, SERVER6, 8080)).await?;
    stream
        .write_all(b"GET /live HTTP/1.1\r\nHost: www.example.org\r\nUpgrade: websocket\r\n\r\n")
        .await?;
    let mut frame = [0_u8; 128];
    if stream.read(&mut frame).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let leave = Instant::now() + world.pause(240.0);
    // An early end of the wait is a ping that is due; a late one is the time to leave.
    while timeout_at(leave, sleep(PING)).await.is_ok() {
        if world.chance(0.03) {
            return world.vanish(stream);
        }
        stream.write_all(&[0x89, 0x80, 1, 2, 3, 4]).await?;
        if stream.read(&mut frame).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

/// One query from a port of its own; two in a hundred get no answer.
async fn dns(world: Rc<World>) -> io::Result<()> {
    world.count(|tally| tally.dns += 1);
    let server = world.pick(SERVER4, SERVER6, 53);
    let here: IpAddr = if server.is_ipv4() {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((here, 0)).await?;
    socket.connect(server).await?;
    let lost = world.chance(0.02);
    let label: &[u8] = if lost { b"\x04lost" } else { b"\x03www" };
    let id = world.rng.borrow_mut().u16(..).to_be_bytes();
    let query = [
        &id,
        &b"\x01\x00\x00\x01\0\0\0\0\0\0"[..],
        label,
        b"\x07example\x03org\0\0\x01\0\x01",
    ]
    .concat();
    socket.send(&query).await?;
    let answered = timeout(Duration::from_secs(5), socket.recv(&mut [0_u8; 64])).await;
    if answered.is_err() {
        world.count(|tally| tally.dns_unanswered += 1);
    }
    Ok(())
}

/// A host that is not there: the attempt is repeated by the kernel and given up by the client.
async fn dead_host(world: Rc<World>) -> io::Result<()> {
    world.count(|tally| tally.dead_host += 1);
    let answered = timeout(PATIENCE, TcpStream::connect(world.pick(DEAD4, DEAD6, 80))).await;
    if answered.is_ok() {
        Err(io::ErrorKind::ConnectionRefused.into())
    } else {
        Ok(())
    }
}
