//! `tidings healthcheck`, for images without a shell.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, ensure};

/// How long the server may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(4);

/// Asks the server that listens at `listen` whether it is ready; gives its answer.
///
/// # Errors
/// When it is not, or does not answer.
pub(crate) async fn ask(listen: SocketAddr) -> anyhow::Result<String> {
    let address = SocketAddr::new(reachable(listen.ip()), listen.port());
    let client = reqwest::Client::builder().timeout(ANSWER_MAX).no_proxy().build()?;
    let answer = client.get(format!("http://{address}/readyz")).send().await;
    let answer = answer.with_context(|| format!("no answer from {address}: is the server running?"))?;
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    ensure!(status.is_success(), "{address} is not ready: {}", text.trim());
    Ok(text)
}

/// Where to reach what listens everywhere.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V4(_) | IpAddr::V6(_) => ip,
    }
}
