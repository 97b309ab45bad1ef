//! The addresses to listen on.

use std::io::ErrorKind;
use std::net::SocketAddr;

use super::Finding;
use crate::config::Config;
use crate::{healthcheck, serve};

const WHAT: &str = "listen";

/// Whether a server may listen at the configured address, and can.
pub(super) async fn finding(config: &Config) -> Finding {
    let listen = config.server.listen;
    if let Some(problem) = config.unsafe_to_serve() {
        return Finding::fail(WHAT, problem.found, problem.fix);
    }
    match tried(WHAT, listen, "--listen") {
        Some(_) if healthcheck::is_tidings(listen).await => Finding::warn(
            WHAT,
            format!("a Tidings server listens on {listen} already"),
            "nothing, if that is the one you mean; a second one needs another address (--listen) and database",
        ),
        Some(problem) => problem,
        None if config.is_demo() => {
            Finding::ok(WHAT, format!("{listen} is free; this machine only, with two demo users"))
        }
        None => Finding::ok(WHAT, format!("{listen} is free")),
    }
}

/// The same for metrics, if they have an address of their own.
pub(super) fn metrics(config: &Config) -> Option<Finding> {
    let what = "metrics.listen";
    let listen = config.metrics.listen.filter(|_| config.metrics.enabled)?;
    Some(tried(what, listen, what).unwrap_or_else(|| Finding::ok(what, format!("{listen} is free"))))
}

/// Listens for a moment. What keeps a server from it, if something does.
fn tried(what: &str, listen: SocketAddr, setting: &str) -> Option<Finding> {
    let error = serve::bind(listen, setting).err()?;
    let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    let port = listen.port();
    let remedy = match kind {
        Some(ErrorKind::AddrInUse) => {
            format!("end it (ss -ltnp 'sport = :{port}' names it), or choose another {setting}")
        }
        Some(ErrorKind::AddrNotAvailable) => {
            format!("choose an address of this machine, or 0.0.0.0, as {setting}")
        }
        Some(ErrorKind::PermissionDenied) => format!("choose a port from 1024 on as {setting}"),
        Some(_) | None => format!("choose another address as {setting}"),
    };
    let seen = match kind {
        Some(ErrorKind::AddrInUse) => format!("another program listens on {listen} already"),
        Some(_) | None => format!("{error:#}"),
    };
    Some(Finding::fail(what, seen, remedy))
}
