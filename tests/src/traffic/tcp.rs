//! TCP connections through the router, each packet accounted for.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

use super::{Stage, TrafficError, socket};
use crate::net::{DEAD4, SERVER4, SERVER6};
use crate::truth::Reason;

/// An end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Who opened it.
    Client,
    /// Who accepted it.
    Server,
}

/// An open connection and its entry in the ledger.
#[derive(Debug)]
pub struct Conn {
    /// The client's end.
    pub client: TcpStream,
    /// The server's end.
    pub server: TcpStream,
    /// Its entry.
    pub entry: usize,
    /// The entry's state while nothing more happens.
    state: &'static str,
    port: u16,
}

impl Conn {
    fn end(&mut self, side: Side) -> &mut TcpStream {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

impl Side {
    /// The end across from it.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

impl Stage {
    /// Opens a port at the server, for both address families.
    pub fn listen(&self, port: u16) -> Result<TcpListener, TrafficError> {
        let any = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
        self.topology
            .server
            .run(|| TcpListener::bind(any))?
            .map_err(socket("server port"))
    }

    /// A client socket, with a port of its own choice or the one given.
    fn client_socket(&self, to: SocketAddr, from: u16) -> Result<Socket, TrafficError> {
        let made = self.topology.client.run(|| {
            let made = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
            if from != 0 {
                made.set_reuse_address(true)?;
                let any: IpAddr = if to.is_ipv4() {
                    Ipv4Addr::UNSPECIFIED.into()
                } else {
                    Ipv6Addr::UNSPECIFIED.into()
                };
                made.bind(&SocketAddr::from((any, from)).into())?;
            }
            Ok(made)
        })?;
        made.map_err(socket("client socket"))
    }

    /// Opens a connection over IPv4.
    pub fn connect(&mut self, listener: &TcpListener) -> Result<Conn, TrafficError> {
        self.connect_from(listener, SERVER4.into(), 0)
    }

    /// Opens a connection over IPv6.
    pub fn connect6(&mut self, listener: &TcpListener) -> Result<Conn, TrafficError> {
        self.connect_from(listener, SERVER6.into(), 0)
    }

    /// Opens a connection to an address of the server, from port `from` unless that is 0.
    pub fn connect_from(
        &mut self,
        listener: &TcpListener,
        to: IpAddr,
        from: u16,
    ) -> Result<Conn, TrafficError> {
        let port = listener.local_addr().map_err(socket("server port"))?.port();
        let to = SocketAddr::from((to, port));
        let made = self.client_socket(to, from)?;
        let at = self.clock.align()?;
        made.connect(&to.into()).map_err(socket("connect"))?;
        let (server, _) = listener.accept().map_err(socket("accept"))?;
        self.clock.same_jiffy(at, "a handshake")?;
        let entry = self.insert("tcp", port, at, "tcp_syn_sent", "tcp_timeout_syn_sent");
        self.refresh(entry, at, "tcp_syn_recv", "tcp_timeout_syn_recv");
        self.refresh(entry, at, "tcp_established", "tcp_timeout_established");
        for end in [SockRef::from(&made), SockRef::from(&server)] {
            end.set_tcp_nodelay(true).map_err(socket("TCP_NODELAY"))?;
        }
        Ok(Conn {
            client: made.into(),
            server,
            entry,
            state: "tcp_established",
            port,
        })
    }

    /// Sends a little from one end to the other, which acknowledges at once.
    pub fn send(&mut self, conn: &mut Conn, from: Side) -> Result<(), TrafficError> {
        let at = self.clock.align()?;
        self.exchange(conn, from)?;
        self.clock.same_jiffy(at, "data and its acknowledgement")?;
        if conn.state == "tcp_established" {
            let timer = self.if_shorter("tcp_timeout_unacknowledged");
            self.refresh(conn.entry, at, conn.state, timer);
            self.refresh(conn.entry, at, conn.state, "tcp_timeout_established");
        } else {
            self.refresh(conn.entry, at, conn.state, "tcp_timeout_close_wait");
        }
        Ok(())
    }

    /// The client sends on a connection whose entry is gone: a new one is picked up mid-stream.
    pub fn pick_up(&mut self, conn: &mut Conn) -> Result<(), TrafficError> {
        let at = self.clock.align()?;
        self.exchange(conn, Side::Client)?;
        self.clock.same_jiffy(at, "a pickup")?;
        // A stream that begins in its middle has no window yet, which counts as a closed one.
        let timer = self.if_shorter("tcp_timeout_max_retrans");
        conn.entry = self.insert("tcp", conn.port, at, "tcp_established", timer);
        self.ledger.entries[conn.entry].pickup = true;
        // The first answer finds no answer seen before it, so the long timer has to wait.
        let timer = self.if_shorter("tcp_timeout_unacknowledged");
        self.refresh(conn.entry, at, "tcp_established", timer);
        Ok(())
    }

    /// What lies open on an established connection only ever shortens the timeout.
    fn if_shorter(&self, timer: &'static str) -> &'static str {
        let established = "tcp_timeout_established";
        if self.timeout(timer) < self.timeout(established) {
            timer
        } else {
            established
        }
    }

    fn exchange(&self, conn: &mut Conn, from: Side) -> Result<(), TrafficError> {
        let mut bytes = [b'x'; 200];
        conn.end(from).write_all(&bytes).map_err(socket("send"))?;
        conn.end(from.other())
            .read_exact(&mut bytes)
            .map_err(socket("receive"))
    }

    /// One end says that it has no more to send; the other end's kernel acknowledges that at once.
    pub fn finish(&mut self, conn: &mut Conn, side: Side) -> Result<(), TrafficError> {
        let at = self.clock.align()?;
        conn.end(side)
            .shutdown(Shutdown::Write)
            .map_err(socket("shutdown"))?;
        self.clock.same_jiffy(at, "a FIN and its acknowledgement")?;
        let path = if conn.state == "tcp_established" {
            [
                ("tcp_fin_wait", "tcp_timeout_fin_wait"),
                ("tcp_close_wait", "tcp_timeout_close_wait"),
            ]
        } else {
            [
                ("tcp_last_ack", "tcp_timeout_last_ack"),
                ("tcp_time_wait", "tcp_timeout_time_wait"),
            ]
        };
        for (state, timer) in path {
            self.refresh(conn.entry, at, state, timer);
            conn.state = state;
        }
        Ok(())
    }

    /// Both ends finish, the first one first, with `pause` in between.
    pub fn close(
        &mut self,
        mut conn: Conn,
        first: Side,
        pause: Duration,
    ) -> Result<(), TrafficError> {
        self.finish(&mut conn, first)?;
        if !pause.is_zero() {
            self.pause(pause)?;
        }
        self.finish(&mut conn, first.other())
    }

    /// The client resets the connection.
    pub fn reset(&mut self, conn: Conn) -> Result<(), TrafficError> {
        SockRef::from(&conn.client)
            .set_linger(Some(Duration::ZERO))
            .map_err(socket("SO_LINGER"))?;
        let at = self.clock.align()?;
        drop(conn.client);
        self.clock.same_jiffy(at, "a reset")?;
        self.refresh(conn.entry, at, "tcp_close", "tcp_timeout_close");
        Ok(())
    }

    /// Ends a connection so that no packet of it reaches the router any more.
    pub fn abandon(&mut self, conn: Conn) -> Result<(), TrafficError> {
        for end in [&conn.client, &conn.server] {
            // In repair mode a socket closes without a word.
            nix::sys::socket::setsockopt(end, nix::sys::socket::sockopt::TcpRepair, &1)
                .map_err(|errno| socket("TCP_REPAIR")(errno.into()))?;
        }
        drop(conn);
        Ok(())
    }

    /// Tries a port of the server that is closed.
    pub fn refused(&mut self, port: u16) -> Result<(), TrafficError> {
        let to = SocketAddr::from((SERVER4, port));
        let made = self.client_socket(to, 0)?;
        let at = self.clock.align()?;
        let answer = made.connect(&to.into());
        self.clock.same_jiffy(at, "a refusal")?;
        if !answer.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused) {
            return Err(TrafficError::Surprise(format!(
                "port {port} did not refuse"
            )));
        }
        let entry = self.insert("tcp", port, at, "tcp_syn_sent", "tcp_timeout_syn_sent");
        self.kill(entry, at, Reason::ResetBeforeReply);
        // The reset brings its state along before it ends the entry.
        if let Some(death) = &mut self.ledger.entries[entry].death {
            death.state = "tcp_close".into();
        }
        Ok(())
    }

    /// Begins to connect to a host that is not there. The kernel repeats the SYN while the socket lives.
    pub fn call_nobody(&mut self, port: u16) -> Result<Socket, TrafficError> {
        let to = SocketAddr::from((DEAD4, port));
        let made = self.client_socket(to, 0)?;
        made.set_nonblocking(true)
            .map_err(socket("client socket"))?;
        let at = self.clock.align()?;
        let begun = made.connect(&to.into());
        self.clock.same_jiffy(at, "a SYN")?;
        if !begun.is_err_and(|error| error.raw_os_error() == Some(nix::libc::EINPROGRESS)) {
            return Err(TrafficError::Surprise("the dead host answered".to_owned()));
        }
        self.insert("tcp", port, at, "tcp_syn_sent", "tcp_timeout_syn_sent");
        Ok(made)
    }
}
