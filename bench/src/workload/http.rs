//! As much of an HTTP/1.1 client as asking for a list takes: GET on one kept connection, bodies with a length or in
//! chunks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};

/// How long an answer may take to begin, and each part of it to arrive.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);
/// The largest body that is read, in bytes.
const BODY_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// The longest line of a head, in bytes.
const LINE_BYTES_MAX: u64 = 16 * 1024;

/// A kept connection.
#[derive(Debug)]
pub(super) struct HttpClient {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
    body: Vec<u8>,
}

impl HttpClient {
    pub(super) fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).context("connecting for REST")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_DEADLINE))?;
        stream.set_write_timeout(Some(ANSWER_DEADLINE))?;
        Ok(Self { address, stream: BufReader::with_capacity(64 * 1024, stream), body: Vec::new() })
    }

    /// The body of the answer to a GET, which has to be 200.
    pub(super) fn get(&mut self, path: &str, token: &str) -> anyhow::Result<&[u8]> {
        let Self { address, stream, body } = self;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n");
        stream.get_mut().write_all(request.as_bytes()).context("asking over REST")?;
        let status = answer(stream, body).with_context(|| format!("the answer to GET {path}"))?;
        if status != 200 {
            let told = String::from_utf8_lossy(body);
            bail!("GET {path}: {status} {}", told.chars().take(300).collect::<String>());
        }
        Ok(body)
    }
}

/// Reads an answer into `body` and tells its status.
fn answer(stream: &mut impl BufRead, body: &mut Vec<u8>) -> anyhow::Result<u16> {
    body.clear();
    let head = line(stream)?;
    let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
    let status = status.and_then(|status| status.parse().ok()).with_context(|| format!("{head:?}"))?;
    let (mut length, mut chunked) = (None, false);
    loop {
        let header = line(stream)?;
        if header.is_empty() {
            break;
        }
        let Some((name, value)) = header.split_once(':') else { bail!("a header without a value") };
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse::<u64>().context("content-length")?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            chunked = value.trim().eq_ignore_ascii_case("chunked");
        }
    }
    match (chunked, length) {
        (true, _) => while chunk(stream, body)? {},
        (false, Some(length)) => take(stream, length, body)?,
        (false, None) => bail!("a body without a length"),
    }
    Ok(status)
}

/// Whether there may be another chunk.
fn chunk(stream: &mut impl BufRead, body: &mut Vec<u8>) -> anyhow::Result<bool> {
    let size = line(stream)?;
    let size = size.split(';').next().unwrap_or_default().trim();
    let size = u64::from_str_radix(size, 16).context("the size of a chunk")?;
    take(stream, size, body)?;
    if !line(stream)?.is_empty() {
        bail!("a chunk that is longer than it says, or a trailer");
    }
    Ok(size > 0)
}

fn take(stream: &mut impl BufRead, length: u64, body: &mut Vec<u8>) -> anyhow::Result<()> {
    if length > BODY_BYTES_MAX {
        bail!("a body that is too large");
    }
    let taken = stream.take(length).read_to_end(body)?;
    if u64::try_from(taken) != Ok(length) {
        bail!("the connection ended within the body");
    }
    Ok(())
}

fn line(stream: &mut impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    stream.take(LINE_BYTES_MAX).read_line(&mut line)?;
    let Some(text) = line.strip_suffix("\r\n") else { bail!("the connection ended within the answer") };
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(mut told: &[u8]) -> anyhow::Result<(u16, Vec<u8>, usize)> {
        let mut body = Vec::new();
        let status = answer(&mut told, &mut body)?;
        Ok((status, body, told.len()))
    }

    #[test]
    fn a_body_has_a_length_or_chunks() {
        let told = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP";
        assert_eq!(read(told).unwrap(), (200, b"hello".to_vec(), 4));
        let told =
            b"HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x\r\nlo\r\n0\r\n\r\n";
        assert_eq!(read(told).unwrap(), (404, b"hello".to_vec(), 0));
    }

    #[test]
    fn an_answer_that_ends_early_is_an_error() {
        let told = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
        for end in 0..told.len() {
            assert!(read(&told[..end]).is_err(), "{end}");
        }
    }
}
