//! The rates of `[limits]`: how often something may be done.

use std::num::NonZeroU32;
use std::time::Duration;

use super::key::Key;
use super::source::Source;
use super::value::{Wrong, duration_of, text};

const RATE: &str = "a number and a time: 20 per 10s; or off";
/// The longest time of a rate: what is kept of a key is forgotten after it.
const WINDOW_MAX: Duration = Duration::from_hours(24);

static ALL: [Key; 10] = [
    Key::new(
        "limits.sends",
        "\"600 per 5m\"",
        RATE,
        "How many messages and summaries a user may send: 20 per 10 s in the long run, and a reconnecting client's \
         backlog at once. As of all rates: so many at once, and over that time so many again.",
    ),
    Key::new("limits.opens", "\"100 per 10m\"", RATE, "How many threads a user may open."),
    Key::new("limits.requests", "\"600 per 60s\"", RATE, "How many REST requests a user may make."),
    Key::new(
        "limits.host_requests",
        "\"60000 per 60s\"",
        RATE,
        "How many requests to the host API may be made with the tokens of one service, by their `sub`. It stops a loop \
         that has gone wrong; a user with the same id has a budget of their own.",
    ),
    Key::new(
        "limits.events",
        "\"1200 per 40s\"",
        RATE,
        "How many events a user may send over all of their sockets. Clients that tell of every key pressed send up to \
         30 a second.",
    ),
    Key::new(
        "limits.strangers",
        "\"600 per 30s\"",
        RATE,
        "How many requests that no user pays for may be refused to one address: without a valid token, for paths or \
         sessions that do not exist. More are answered 429, a second later. A /64 of IPv6 counts as one address. Behind \
         a proxy this and the two below need `server.trusted_proxies`, or all clients are one.",
    ),
    Key::new(
        "limits.handshakes",
        "\"1000 per 10s\"",
        RATE,
        "How many sockets may be opened from one address, not counting those on which a valid token follows. More wait \
         for up to 5 s, then they are answered 429.",
    ),
    Key::new(
        "limits.preflights",
        "\"1000 per 10s\"",
        RATE,
        "How many requests that need no token may come from one address: preflights of browsers, `/healthz`, `/readyz`. \
         More are answered as well, but half a second later.",
    ),
    Key::new(
        "limits.packets",
        "\"2400 per 40s\"",
        RATE,
        "How many packets may come over one connection; then it is not read for a while, and its client has to wait. \
         Besides each packet, each 4 KiB count as one, and so does each time that a part of a packet comes alone; \
         heartbeats, control frames, entering and leaving a namespace, and a polling client's request count as 16. A \
         socket that has not entered a namespace yet has 256 in all, with 16 for every packet, and is closed when they \
         are used up. Off lifts both limits.",
    ),
    Key::new(
        "limits.sessions",
        "\"200 per 20s\"",
        RATE,
        "How many sessions a user may begin: one for each page or device that connects. More wait for up to 5 s, then \
         they are refused.",
    ),
];
pub(crate) static KEYS: &[Key] = &ALL;

/// So many in so long a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) count: NonZeroU32,
    pub(crate) window: Duration,
}

/// How often something may be done; `None`: without limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RateSettings {
    pub(crate) sends: Option<Rate>,
    pub(crate) opens: Option<Rate>,
    pub(crate) requests: Option<Rate>,
    pub(crate) host_requests: Option<Rate>,
    pub(crate) events: Option<Rate>,
    pub(crate) strangers: Option<Rate>,
    pub(crate) handshakes: Option<Rate>,
    pub(crate) preflights: Option<Rate>,
    pub(crate) packets: Option<Rate>,
    pub(crate) sessions: Option<Rate>,
}

impl RateSettings {
    /// Sets what the connections of sockets keep to by themselves.
    pub(crate) fn limit(&self, sockets: &mut tidings_socketio::Config) {
        match self.packets {
            Some(Rate { count, window }) => {
                (sockets.engine.burst, sockets.engine.burst_refill) = (count.get(), window);
            }
            None => sockets.engine.burst_refill = Duration::ZERO,
        }
    }
}

pub(super) fn read(source: &mut Source<'_>) -> Option<RateSettings> {
    let [sends, opens, requests, host_requests, events, strangers, handshakes, preflights, packets, sessions] =
        ALL.each_ref().map(|key| source.read(key, rate));
    Some(RateSettings {
        sends: sends?,
        opens: opens?,
        requests: requests?,
        host_requests: host_requests?,
        events: events?,
        strangers: strangers?,
        handshakes: handshakes?,
        preflights: preflights?,
        packets: packets?,
        sessions: sessions?,
    })
}

fn rate(value: &toml::Value) -> Result<Option<Rate>, Wrong> {
    let text = text(value)?;
    if text == "off" {
        return Ok(None);
    }
    let (count, window) = text.split_once(" per ").ok_or(None)?;
    let count: NonZeroU32 = count.trim().parse().map_err(|_| None)?;
    let window = duration_of(window.trim()).ok_or(None)?;
    if window > WINDOW_MAX {
        return Err(Some("the time is longer than a day".to_owned()));
    }
    if (window / count.get()).is_zero() {
        return Err(Some("it is more than can be counted: use off".to_owned()));
    }
    Ok(Some(Rate { count, window }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Flags};

    /// What an operator reads as a default is what the parts would do by themselves.
    #[test]
    fn the_default_of_packets_is_that_of_the_sockets() {
        let (flags, env) = (Flags::new(), Environment::default());
        let settings = read(&mut Source::new(&flags, &env, toml::Table::new())).unwrap();
        let mut sockets = tidings_socketio::Config::default();
        settings.limit(&mut sockets);
        assert_eq!(format!("{sockets:?}"), format!("{:?}", tidings_socketio::Config::default()));
        RateSettings { packets: None, ..settings }.limit(&mut sockets);
        assert_eq!(sockets.engine.burst_refill, Duration::ZERO);
    }

    #[test]
    fn a_rate_is_a_number_and_a_time_or_off() {
        let read = |text: &str| rate(&toml::Value::from(text));
        let twenty = Rate { count: NonZeroU32::new(20).unwrap(), window: Duration::from_secs(10) };
        assert_eq!(read("20 per 10s"), Ok(Some(twenty)));
        assert_eq!(read("20 per 10 s"), Ok(Some(twenty)));
        assert_eq!(read("off"), Ok(None));
        for wrong in [
            "",
            "20",
            "0 per 10s",
            "-1 per 10s",
            "20/10s",
            "20 per 10",
            "20 per 0s",
            "1 per 25h",
            "many per 1s",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(read("4294967295 per 1ms").is_err());
        assert!(rate(&toml::Value::from(20)).is_err());
    }
}
