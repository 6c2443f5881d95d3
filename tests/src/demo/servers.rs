//! The server side: HTTP on 80, a websocket-like service on 8080, DNS on 53.

use std::future::Future;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::mpsc::Sender;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::oneshot::Receiver;
use tokio::time::timeout;

use super::DemoError;
use super::http::{answer, header, read_head};

/// How long the server keeps an idle connection, as common web servers do.
const KEEP_ALIVE: Duration = Duration::from_secs(65);
/// After two and a half pings missed, a websocket is given up.
const WEBSOCKET_SILENCE: Duration = Duration::from_secs(75);

/// Serves until told to stop; says on `up` when all ports are open.
pub async fn serve(up: Sender<()>, stop: Receiver<()>) -> Result<(), DemoError> {
    let io = |what| move |source| DemoError::Io { what, source };
    let any = |port| SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
    let http = TcpListener::bind(any(80))
        .await
        .map_err(io("no HTTP port"))?;
    let websocket = TcpListener::bind(any(8080))
        .await
        .map_err(io("no websocket port"))?;
    let dns = UdpSocket::bind(any(53)).await.map_err(io("no DNS port"))?;
    // The other side waits for this or for the end of this thread.
    let _ = up.send(());
    tokio::select! {
        failed = accept(http, serve_http) => failed.map_err(io("HTTP")),
        failed = accept(websocket, serve_websocket) => failed.map_err(io("websocket")),
        failed = serve_dns(dns) => failed.map_err(io("DNS")),
        _ = stop => Ok(()),
    }
}

async fn accept<F>(listener: TcpListener, serve: impl Fn(TcpStream) -> F) -> io::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await?;
        // Clients reset and vanish: that ends their connection and nothing else.
        tokio::spawn(serve(stream));
    }
}

async fn serve_http(mut stream: TcpStream) -> io::Result<()> {
    while let Ok(read) = timeout(KEEP_ALIVE, read_head(&mut stream)).await {
        let Some((head, _)) = read? else { break };
        let size = head
            .split_whitespace()
            .nth(1)
            .and_then(|path| path.strip_prefix("/page/")?.parse().ok())
            .unwrap_or(0);
        let keep = header(&head, "Connection") == Some("keep-alive");
        if !keep {
            // The end of the stream travels with the last of the data, as common web servers have it.
            SockRef::from(&stream).set_tcp_cork(true)?;
        }
        answer(&mut stream, size, keep).await?;
        if !keep {
            break;
        }
    }
    Ok(())
}

async fn serve_websocket(mut stream: TcpStream) -> io::Result<()> {
    if read_head(&mut stream).await?.is_none() {
        return Ok(());
    }
    stream.write_all(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n").await?;
    let mut frame = [0_u8; 64];
    while let Ok(read) = timeout(WEBSOCKET_SILENCE, stream.read(&mut frame)).await {
        if read? == 0 {
            break;
        }
        stream.write_all(&[0x8a, 0]).await?;
    }
    Ok(())
}

async fn serve_dns(socket: UdpSocket) -> io::Result<()> {
    let mut message = [0_u8; 512];
    loop {
        let (n, from) = socket.recv_from(&mut message[..480]).await?;
        // A name that begins with a label of four letters, "lost", gets no answer.
        if n < 17 || &message[12..17] == b"\x04lost" {
            continue;
        }
        message[2] |= 0x80;
        message[7] = 1;
        let record = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x4d\x02\x02";
        message[n..n + record.len()].copy_from_slice(record);
        socket.send_to(&message[..n + record.len()], from).await?;
    }
}
