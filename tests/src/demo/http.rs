//! As much of HTTP/1.1 as both ends of the demo need.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Heads longer than this are refused.
const LONGEST_HEAD: usize = 2048;

/// Reads a message's head, up to and with its empty line, and says how much was read beyond it. `None` at the end of
/// the stream.
pub async fn read_head(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<Option<(String, usize)>> {
    let mut read = Vec::with_capacity(LONGEST_HEAD);
    loop {
        if stream.read_buf(&mut read).await? == 0 {
            return if read.is_empty() {
                Ok(None)
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            };
        }
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            let beyond = read.len() - end - 4;
            read.truncate(end);
            return Ok(Some((String::from_utf8_lossy(&read).into_owned(), beyond)));
        }
        if read.len() >= LONGEST_HEAD {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the head of the message is too long",
            ));
        }
    }
}

/// The value of a header, if it is there.
pub fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(": "))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

/// Sends a request for `size` bytes.
pub async fn ask(
    stream: &mut (impl AsyncWrite + Unpin),
    size: usize,
    keep: bool,
) -> io::Result<()> {
    let connection = if keep { "keep-alive" } else { "close" };
    let request = format!(
        "GET /page/{size} HTTP/1.1\r\nHost: www.example.org\r\nUser-Agent: demo-traffic\r\n\
         Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\nConnection: {connection}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await
}

/// Sends a response with `size` bytes of body, in one write.
pub async fn answer(
    stream: &mut (impl AsyncWrite + Unpin),
    size: usize,
    keep: bool,
) -> io::Result<()> {
    let connection = if keep { "keep-alive" } else { "close" };
    let mut response = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {size}\r\nConnection: {connection}\r\n\r\n"
    )
    .into_bytes();
    response.resize(response.len() + size, b'.');
    stream.write_all(&response).await
}

/// Reads a whole response and gives back the size of its body.
pub async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<usize> {
    let Some((head, early)) = read_head(stream).await? else {
        return Err(io::ErrorKind::UnexpectedEof.into());
    };
    let size: usize = header(&head, "Content-Length")
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    let mut got = early;
    let mut buffer = Vec::with_capacity(32768);
    while got < size {
        buffer.clear();
        let n = stream.read_buf(&mut buffer).await?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        got += n;
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_answered_is_read_back() {
        let (mut near, mut far) = tokio::io::duplex(65536);
        answer(&mut far, 5000, false).await.unwrap();
        assert_eq!(read_answer(&mut near).await.unwrap(), 5000);
    }

    #[tokio::test]
    async fn the_end_of_the_stream_is_no_request() {
        let (near, mut far) = tokio::io::duplex(64);
        drop(near);
        assert!(read_head(&mut far).await.unwrap().is_none());
    }

    #[test]
    fn headers_are_found_whatever_their_case() {
        assert_eq!(
            header("GET / HTTP/1.1\r\nCONNECTION: close", "Connection"),
            Some("close")
        );
    }
}
