//! `[auth]`: whose tokens are believed.

use std::time::Duration;

use super::id_space;
use super::issuer::{self, IssuerSettings};
use super::key::{Key, Place};
use super::source::{Setting, Source};
use super::value::{Wrong, duration};
use crate::auth::Secret;

static ALL: [Key; 3] = [
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
    Key::new(
        "auth.sockets_outlive_tokens",
        "\"24h\"",
        "a time up to 365d: 24h; or off, to close them when their tokens end",
        "How long an open socket goes on after its token has ended, in the dialects whose clients cannot renew it. A \
         new connection and every request need a valid token. It is also how long somebody whom you have locked out \
         may keep a socket open; taking them out of a thread is felt at once.",
    ),
];
pub(crate) static KEYS: &[Key] = &ALL;

/// The widest leeway: more would only make expired tokens hold.
const LEEWAY_MAX: Duration = Duration::from_secs(300);
/// The longest that a socket may outlive its token: more would only pretend that tokens end.
const OUTLIVE_MAX: Duration = Duration::from_hours(365 * 24);

/// Whose tokens are believed.
#[derive(Debug, Clone)]
pub(crate) struct Auth {
    /// As given; without one, the data folder holds one.
    pub(crate) secret: Option<Secret>,
    pub(crate) leeway: Duration,
    /// Zero: not at all.
    pub(crate) sockets_outlive_tokens: Duration,
    /// By name.
    pub(crate) issuers: Vec<IssuerSettings>,
}

pub(super) fn read(source: &mut Source<'_>) -> Option<Auth> {
    let [given, leeway, outlive] = &ALL;
    let wrong_before = source.problems.len();
    let given = exact(source, &given.place());
    let leeway = source.read(leeway, |value| duration(value).and_then(|time| bounded(time).ok_or(None)));
    let outlive = source.read(outlive, outliving);
    let issuers: Vec<Option<IssuerSettings>> =
        issuer::names(source).iter().map(|name| issuer::read(source, name)).collect();
    if source.problems.len() > wrong_before {
        return None;
    }
    let issuers: Vec<IssuerSettings> = issuers.into_iter().collect::<Option<_>>()?;
    id_space::check(source, &issuers);
    if source.problems.len() > wrong_before {
        return None;
    }
    Some(Auth { secret: given, leeway: leeway?, sockets_outlive_tokens: outlive?, issuers })
}

/// A time, or none.
fn outliving(value: &toml::Value) -> Result<Duration, Wrong> {
    match value.as_str() {
        Some("off") => Ok(Duration::ZERO),
        _ => duration(value).and_then(|time| (time <= OUTLIVE_MAX).then_some(time).ok_or(None)),
    }
}

fn bounded(time: Duration) -> Option<Duration> {
    (time >= Duration::from_secs(1) && time <= LEEWAY_MAX).then_some(time)
}

/// A secret of HS256 that is long enough and no key of something else. It is taken as it is, white space included, as
/// it is by a program that signs with the same variable.
pub(super) fn exact(source: &mut Source<'_>, place: &Place) -> Option<Secret> {
    let Setting { value: secret, origin } = source.read_at(place, |value| {
        let text = value.as_str().filter(|text| !text.trim().is_empty()).ok_or(None)?;
        Secret::given(text).map_err(Some)
    })?;
    if secret.has_white_ends() {
        source.warnings.push(format!(
            "the secret from {} begins or ends with white space, such as a line's end: it counts, as it does for \
             programs that sign with the same value. If their tokens are refused, or if it slipped in, remove it at \
             both ends (printf %s in place of echo)",
            origin.whence()
        ));
    }
    Some(secret)
}
