//! `tidings healthcheck`, for images without a shell, and without the root certificates that an HTTP client asks for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long the server may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(4);
/// The most of an answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 8 * 1024;

/// Asks the server that listens at `listen` whether it is ready; gives its answer.
///
/// # Errors
/// When it is not, or does not answer.
pub(crate) async fn ask(listen: SocketAddr) -> anyhow::Result<String> {
    let address = SocketAddr::new(reachable(listen.ip()), listen.port());
    let answer = tokio::time::timeout(ANSWER_MAX, answer(address, "/readyz")).await;
    let answer = answer.context("it takes too long").and_then(|answer| Ok(answer?));
    let answer = answer.with_context(|| format!("no answer from {address}: is the server running?"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    ensure!(status.split(' ').nth(1) == Some("200"), "{address} is not ready: {} ({status})", body.trim());
    Ok(body.to_owned())
}

/// Whether what listens at `listen` answers as a Tidings server does.
pub(crate) async fn is_tidings(listen: SocketAddr) -> bool {
    let address = SocketAddr::new(reachable(listen.ip()), listen.port());
    let answer = tokio::time::timeout(ANSWER_MAX, answer(address, "/healthz")).await;
    answer.is_ok_and(|answer| answer.is_ok_and(|answer| answer.ends_with("\r\n\r\nok\n")))
}

async fn answer(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Where to reach what listens everywhere.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V4(_) | IpAddr::V6(_) => ip,
    }
}
