//! `[auth]`: whose tokens are believed.

use std::time::Duration;

use super::issuer::{self, IssuerSettings};
use super::key::Key;
use super::source::Source;
use super::value::{Wrong, duration, text};
use crate::auth::Secret;

static ALL: [Key; 2] = [
    Key::unset(
        "auth.secret",
        "\"openssl rand -base64 32\"",
        "at least 32 bytes of text, hard to guess",
        "The secret that signs tokens (HS256). Without named issuers its tokens may enter every dialect; besides them, \
         only the host API, with the scope `service`. Not set: one is made and kept in the data folder.",
    )
    .aliases(&["JWT_SECRET", "ACCESS_TOKEN_SECRET"])
    .flag("--jwt-secret")
    .secret(),
    Key::new(
        "auth.leeway",
        "\"5s\"",
        "a time from 1s to 5m: 5s",
        "How far this machine's clock and an issuer's may be apart.",
    ),
];
pub(crate) static KEYS: &[Key] = &ALL;

/// The widest leeway: more would only make expired tokens hold.
const LEEWAY_MAX: Duration = Duration::from_secs(300);

/// Whose tokens are believed.
#[derive(Debug, Clone)]
pub(crate) struct Auth {
    /// As given; without one, the data folder holds one.
    pub(crate) secret: Option<Secret>,
    pub(crate) leeway: Duration,
    /// By name.
    pub(crate) issuers: Vec<IssuerSettings>,
}

pub(super) fn read(source: &mut Source<'_>) -> Option<Auth> {
    let [given, leeway] = &ALL;
    let wrong_before = source.problems.len();
    let given = source.read(given, secret);
    let leeway = source.read(leeway, |value| duration(value).and_then(|time| bounded(time).ok_or(None)));
    let issuers: Vec<Option<IssuerSettings>> =
        issuer::names(source).iter().map(|name| issuer::read(source, name)).collect();
    if source.problems.len() > wrong_before {
        return None;
    }
    Some(Auth { secret: given, leeway: leeway?, issuers: issuers.into_iter().collect::<Option<_>>()? })
}

fn bounded(time: Duration) -> Option<Duration> {
    (time >= Duration::from_secs(1) && time <= LEEWAY_MAX).then_some(time)
}

/// A secret of HS256 that is long enough and no key of something else.
pub(super) fn secret(value: &toml::Value) -> Result<Secret, Wrong> {
    Secret::given(&text(value)?).map_err(Some)
}
