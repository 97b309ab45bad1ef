//! Which pages may connect.

use std::collections::HashSet;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, HOST, ORIGIN, VARY,
};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};

use crate::engine::{Body, Refusal};

/// Which web pages may connect, by the `Origin` that browsers send.
///
/// The check keeps foreign pages from using a visitor's credentials, over WebSocket as well as polling, and
/// gives polling its CORS headers. Call [`check`](Self::check) from [`Service::admit`](crate::Service::admit).
///
/// Requests without an `Origin` do not come from a page of another site and pass. So do those whose `Origin` names the
/// `Host` that they are sent to: pages of the server itself, and native apps, whose WebSocket libraries make the header
/// up. A page can bring them about only where its name was made to resolve to the server (DNS rebinding), and then it has
/// no credentials of the server's own origin. A service that trusts whoever reaches it, without any credentials, must
/// check the `Host` as well.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    any: bool,
    loopback: bool,
    exact: HashSet<String>,
}

impl Origins {
    /// These origins, written as browsers do: `https://app.example.org`, no slash at the end.
    pub fn exact(origins: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { exact: origins.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Every origin. Only for services that do not rely on cookies.
    #[must_use]
    pub fn any() -> Self {
        Self { any: true, ..Self::default() }
    }

    /// Besides, pages on `localhost`, `127.0.0.1` and `[::1]`, on any port.
    #[must_use]
    pub fn or_loopback(mut self) -> Self {
        self.loopback = true;
        self
    }

    /// Whether pages of `origin` may connect.
    #[must_use]
    pub fn allows(&self, origin: &str) -> bool {
        self.any || self.exact.contains(origin) || (self.loopback && is_loopback(origin))
    }

    /// The `Origin` of a request whose page may connect: one that is allowed, or that of the `Host` itself.
    #[must_use]
    pub fn of<'r>(&self, request: &'r HeaderMap) -> Option<&'r HeaderValue> {
        let origin = request.get(ORIGIN)?;
        let text = origin.to_str().ok()?;
        let host = || request.get(HOST).and_then(|host| host.to_str().ok());
        (self.allows(text) || host().is_some_and(|host| names_host(text, host))).then_some(origin)
    }

    /// Checks a request. Returns the CORS headers for its response.
    ///
    /// # Errors
    /// The response to send instead: 403 to a foreign page, 204 to a preflight that is allowed.
    pub fn check(&self, request: &Parts) -> Result<HeaderMap, Box<Response<Body>>> {
        if !request.headers.contains_key(ORIGIN) {
            return Ok(HeaderMap::new());
        }
        let Some(origin) = self.of(&request.headers) else {
            return Err(Box::new(Refusal::Forbidden.response()));
        };
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(VARY, HeaderValue::from_static("origin"));
        if request.method != Method::OPTIONS {
            return Ok(headers);
        }
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET,POST"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        headers.append(VARY, HeaderValue::from_static("access-control-request-headers"));
        if let Some(wanted) = requested_headers(&request.headers) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        *response.headers_mut() = headers;
        Err(Box::new(response))
    }
}

/// The longest list of headers that a preflight is answered with, in bytes.
const REQUESTED_HEADERS_MAX: usize = 2 * 1024;

/// The names of headers that a preflight asks for, to be allowed as they stand.
///
/// Pages with tracing send some that nobody can foresee. `None` if there are none, or what there is is no list of names of a sane length.
#[must_use]
pub fn requested_headers(preflight: &HeaderMap) -> Option<&HeaderValue> {
    let mut lines = preflight.get_all(ACCESS_CONTROL_REQUEST_HEADERS).into_iter();
    let (wanted, None) = (lines.next()?, lines.next()) else { return None };
    let text = wanted.to_str().ok().filter(|text| text.len() <= REQUESTED_HEADERS_MAX)?;
    let is_name = |name: &str| HeaderName::from_bytes(name.trim().as_bytes()).is_ok();
    text.split(',').all(is_name).then_some(wanted)
}

fn is_loopback(origin: &str) -> bool {
    let host = origin.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    matches!(host.as_deref(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

/// Whether an `Origin` names this `Host`. With TLS ended by a proxy nobody here knows the scheme, so a `Host` without a
/// port has the one of the origin's scheme.
fn names_host(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let default = match scheme {
        "http" | "ws" => 80_u16,
        "https" | "wss" => 443,
        _ => return false,
    };
    let parts = |authority: &str| {
        let authority: Authority = authority.parse().ok()?;
        let host = authority.host();
        // A host and a port that can be; no browser and no client sends a user's name here.
        let port = match authority.as_str().strip_prefix(host)? {
            "" => default,
            port => port.strip_prefix(':')?.parse::<u16>().ok()?,
        };
        Some((host.to_ascii_lowercase(), port))
    };
    parts(authority).is_some_and(|named| parts(host) == Some(named))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origin: &str, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, origin.parse().unwrap());
        headers.insert(HOST, host.parse().unwrap());
        Origins::exact(["https://app.example"]).of(&headers).is_some()
    }

    #[test]
    fn an_origin_that_names_the_host_is_the_servers_own() {
        for (origin, host) in [
            ("https://api.example", "api.example"),
            ("http://api.example", "api.example"),
            ("wss://api.example", "api.example"),
            ("https://api.example", "api.example:443"),
            ("https://api.example:443", "api.example"),
            ("http://api.example:80", "api.example"),
            ("http://api.example:3000", "api.example:3000"),
            ("https://API.example", "api.EXAMPLE"),
            ("http://127.0.0.1:3000", "127.0.0.1:3000"),
            ("http://[::1]:3000", "[::1]:3000"),
            ("https://app.example", "api.example"),
        ] {
            assert!(allowed(origin, host), "{origin} to {host}");
        }
    }

    #[test]
    fn any_other_is_foreign() {
        for (origin, host) in [
            ("null", "null"),
            ("https://api.example", "api.example:80"),
            ("http://api.example:3000", "api.example"),
            ("http://api.example:3000", "api.example:3001"),
            ("https://api.example.evil.example", "api.example"),
            ("https://evil.example", "api.example"),
            ("https://api.example@evil.example", "api.example"),
            ("https://x@api.example", "api.example"),
            ("https://api.example", "x@api.example"),
            ("https://api.example/", "api.example"),
            ("https://api.example:99999", "api.example:99999"),
            ("file://api.example", "api.example"),
            ("api.example", "api.example"),
            ("https://", "api.example"),
            ("https://api.example", ""),
        ] {
            assert!(!allowed(origin, host), "{origin} to {host}");
        }
    }

    #[test]
    fn only_a_list_of_names_is_mirrored() {
        let mirrored = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(ACCESS_CONTROL_REQUEST_HEADERS, line.parse().unwrap());
            }
            requested_headers(&headers).map(|value| value.to_str().unwrap().to_owned())
        };
        let long = vec!["x-a"; REQUESTED_HEADERS_MAX / 4].join(",");
        for list in
            ["authorization", "authorization,content-type", "traceparent, sentry-trace, x-request-id", &long]
        {
            assert_eq!(mirrored(&[list]).as_deref(), Some(list));
        }
        let longer = format!("{long},x-b");
        for lines in [[].as_slice(), &[""], &["a,,b"], &["a b"], &["a;b"], &["a\"b"], &[&longer], &["a", "b"]]
        {
            assert_eq!(mirrored(lines), None, "{lines:?}");
        }
    }
}
