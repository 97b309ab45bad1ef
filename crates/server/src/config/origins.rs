//! `[origins]`: the web pages that may use this server from a browser.

use super::key::Key;
use super::source::Source;
use super::value::{Wrong, list};

/// The word for pages on this machine, on any port.
const LOOPBACK: &str = "loopback";

static ALLOW: Key = Key::unset(
    "origins.allow",
    "[\"https://app.example.org\"]",
    "origins as browsers write them: a scheme, a host, a port unless it is the scheme's own, no path; or `loopback`",
    "The origins of the pages that may connect, exactly as browsers send them; `loopback` stands for pages on \
     localhost, 127.0.0.1 and [::1] on any port. Not set: `loopback` when the server listens on \
     loopback, else none.",
)
.aliases(&["CORS_ORIGINS", "CORS_ORIGIN"]);
pub(crate) fn keys() -> impl Iterator<Item = &'static Key> {
    std::iter::once(&ALLOW)
}

/// The web pages that may use this server from a browser.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Origins {
    /// As browsers write them.
    pub(crate) exact: Vec<String>,
    /// Besides, pages on this machine.
    pub(crate) loopback: bool,
}

impl Origins {
    /// The same for the sockets, and for whoever else answers browsers.
    pub(crate) fn checker(&self) -> tidings_transport_ws::Origins {
        let exact = tidings_transport_ws::Origins::exact(self.exact.iter().map(String::as_str));
        if self.loopback { exact.or_loopback() } else { exact }
    }
}

/// The origins as given; `None` when nobody gave any.
pub(super) fn read(source: &mut Source<'_>) -> Option<Origins> {
    source.read(&ALLOW, |value| {
        let mut origins = Origins::default();
        for given in list(value)? {
            if given == LOOPBACK {
                origins.loopback = true;
            } else {
                origins.exact.push(exact(given)?);
            }
        }
        Ok(origins)
    })
}

fn exact(given: String) -> Result<String, Wrong> {
    let why = |why: &str| Err(Some(format!("{given:?} {why}")));
    if given == "*" {
        return why("would let every page of the web in");
    }
    let Some((scheme, host)) = given.split_once("://") else { return why("has no scheme such as https://") };
    if host.is_empty() || host.contains(['/', '?', '#', '@', '*']) || given.contains(char::is_whitespace) {
        return why(
            "is more, or less, than a scheme, a host and a port: no slash at the end, no path, no pattern",
        );
    }
    if given.chars().any(|c| c.is_ascii_uppercase()) {
        return why("has capital letters, which browsers do not send");
    }
    if (scheme == "https" && host.ends_with(":443")) || (scheme == "http" && host.ends_with(":80")) {
        return why("names the scheme's own port, which browsers leave out");
    }
    Ok(given)
}
