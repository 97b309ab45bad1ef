//! A small blocking HTTP/1.1 client: one request a connection, bytes in, bytes out, so that tests can send what no
//! decent client would.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use crate::DEADLINE;
use crate::users::User;

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header lines, as sent.
    pub headers: Vec<String>,
    /// The body as text.
    pub text: String,
}

impl Response {
    /// The body as JSON.
    ///
    /// # Errors
    /// The whole answer, when it is none.
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_str(&self.text).with_context(|| format!("not JSON: {self:?}"))
    }

    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").context("no end of the headers")?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).context("no status line")?;
        let headers: Vec<String> = lines.map(str::to_owned).collect();
        let chunked = headers.iter().any(|line| line.eq_ignore_ascii_case("transfer-encoding: chunked"));
        let text = if chunked { unchunked(body)? } else { body.to_owned() };
        Ok(Self { status: status.parse().context("an odd status line")?, headers, text })
    }
}

fn unchunked(mut body: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    loop {
        let (size, rest) = body.split_once("\r\n").context("a chunk without its size")?;
        let size = usize::from_str_radix(size.trim(), 16).context("an odd chunk size")?;
        if size == 0 {
            return Ok(text);
        }
        text.push_str(rest.get(..size).context("a short chunk")?);
        body = rest.get(size + 2..).context("a chunk without an end")?;
    }
}

/// Writes `bytes` on a fresh connection and reads until the server closes it. Whatever happens is an answer: the
/// bytes may be garbage. Empty when the server hung up without a word.
///
/// # Errors
/// When the server cannot be reached, or neither answers nor hangs up.
pub fn raw(address: SocketAddr, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut stream = std::net::TcpStream::connect_timeout(&address, DEADLINE).context("connecting")?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    if let Err(error) = stream.write_all(bytes) {
        // It may have answered and hung up before it had read everything.
        ensure!(hung_up(error.kind()), "writing: {error}");
    }
    let mut answer = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(answer),
            Ok(read) => answer.extend_from_slice(buffer.get(..read).unwrap_or_default()),
            Err(error) if hung_up(error.kind()) => return Ok(answer),
            Err(error) => bail!("no end of the answer: {error}; so far {}", String::from_utf8_lossy(&answer)),
        }
    }
}

fn hung_up(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted)
}

/// REST as one user.
#[derive(Debug, Clone)]
pub struct Rest {
    address: SocketAddr,
    token: Option<String>,
}

impl Rest {
    /// With the user's token.
    #[must_use]
    pub fn of(address: SocketAddr, user: &User) -> Self {
        Self { address, token: Some(user.token.clone()) }
    }

    /// Without a token.
    #[must_use]
    pub fn anonymous(address: SocketAddr) -> Self {
        Self { address, token: None }
    }

    /// GET.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn get(&self, path: &str) -> anyhow::Result<Response> {
        self.request("GET", path, None)
    }

    /// POST of a JSON body.
    ///
    /// # Errors
    /// When there is no answer.
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Response> {
        self.request("POST", path, Some(body.to_string()))
    }

    fn request(&self, method: &str, path: &str, body: Option<String>) -> anyhow::Result<Response> {
        let authorization = self
            .token
            .as_ref()
            .map_or_else(String::new, |token| format!("authorization: Bearer {token}\r\n"));
        let body = body.unwrap_or_default();
        let typed = if body.is_empty() { "" } else { "content-type: application/json\r\n" };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{authorization}{typed}content-length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        Response::parse(&raw(self.address, request.as_bytes())?)
            .with_context(|| format!("{method} {path} was not answered properly"))
    }
}
