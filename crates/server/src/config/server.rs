//! `[server]`: where it listens and keeps its things.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::key::Key;
use super::source::Source;
use super::value::{Wrong, duration, list, text};

static ALL: [Key; 5] = [
Key::new(
    "server.listen",
    "\"127.0.0.1:3000\"",
    "an IP address and a port: 127.0.0.1:3000, 0.0.0.0:3000, [::]:3000",
    "The address to listen on; port 0 takes a free one. Any address but loopback needs `auth.secret` or an issuer.",
)
.aliases(&["TIDINGS_LISTEN"])
.flag("--listen"),
Key::unset(
    "server.port",
    "8080",
    "a port: 0 to 65535",
    "The port alone, in place of the one in `server.listen`, unless that comes from a stronger place.",
)
.aliases(&["PORT"]),
Key::new(
    "server.data_dir",
    "\"data\"",
    "the path of a folder",
    "The folder of the database and of the secret that is made when none is given. It is made, for its owner alone, \
     when it is missing.",
)
.aliases(&["TIDINGS_DATA_DIR"])
.flag("--data-dir"),
Key::unset(
    "server.trusted_proxies",
    "[\"10.0.0.0/8\"]",
    "addresses and networks (CIDR): 127.0.0.1, 10.0.0.0/8, fd00::/8",
    "The reverse proxies in front, whose `X-Forwarded-For` says who the client is. Not set: none, and the header is not \
     looked at. Never the addresses of clients: who is trusted can be anybody.",
),
Key::new(
    "server.keep_alive",
    "\"75s\"",
    "a number with a unit: ms, s, m, h, d",
    "How long an HTTP connection may rest between two requests before it is closed. Longer than a proxy or balancer in \
     front keeps its connections, which is often 60 s: otherwise some requests meet the end of theirs.",
)];

pub(crate) static KEYS: &[Key] = &ALL;

/// Where the server listens and keeps its things.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) listen: SocketAddr,
    pub(crate) data_dir: PathBuf,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) keep_alive: Duration,
}

pub(super) fn read(source: &mut Source<'_>) -> Option<Server> {
    let [listen, port, data_dir, proxies, keep_alive] = &ALL;
    let listen =
        source.read_at(&listen.place(), |value| text(value)?.parse::<SocketAddr>().map_err(|_| None));
    let port = source.read_at(&port.place(), |value| {
        let number = value.as_integer().and_then(|number| u16::try_from(number).ok());
        number.or_else(|| value.as_str()?.trim().parse().ok()).ok_or(None)
    });
    let data_dir = source.read(data_dir, text);
    let trusted_proxies = source.read(proxies, networks).unwrap_or_default();
    let keep_alive = source.read(keep_alive, duration)?;
    let mut listen = listen?;
    if let Some(port) = port
        && !listen.origin.outranks(&port.origin)
    {
        listen.value.set_port(port.value);
    }
    Some(Server { listen: listen.value, data_dir: data_dir?.into(), trusted_proxies, keep_alive })
}

fn networks(value: &toml::Value) -> Result<Vec<IpNet>, Wrong> {
    let network = |text: String| match text.parse::<IpAddr>() {
        Ok(address) => Ok(IpNet::from(address)),
        Err(_) => text.parse().map_err(|_| Some(format!("{text:?} is no network"))),
    };
    list(value)?.into_iter().map(network).collect()
}
