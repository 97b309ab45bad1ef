//! Which pages may connect.

use std::collections::HashSet;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};

use crate::engine::{Body, Refusal};

/// Which web pages may connect, by the `Origin` that browsers send.
///
/// The check keeps foreign pages from using a visitor's credentials, over WebSocket as well as polling, and
/// gives polling its CORS headers.
/// Requests without an `Origin` do not come from a page of another site and pass. Call
/// [`check`](Self::check) from [`Service::admit`](crate::Service::admit).
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

    /// Checks a request. Returns the CORS headers for its response.
    ///
    /// # Errors
    /// The response to send instead: 403 to a foreign page, 204 to a preflight that is allowed.
    pub fn check(&self, request: &Parts) -> Result<HeaderMap, Box<Response<Body>>> {
        let Some(origin) = request.headers.get(ORIGIN) else { return Ok(HeaderMap::new()) };
        if !origin.to_str().is_ok_and(|origin| self.allows(origin)) {
            return Err(Box::new(Refusal::Forbidden.response()));
        }
        let mut headers = HeaderMap::new();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(VARY, HeaderValue::from_static("origin"));
        if request.method != Method::OPTIONS {
            return Ok(headers);
        }
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET,POST"));
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        if let Some(wanted) = request.headers.get(ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
        let mut response = Response::new(Body::default());
        *response.status_mut() = StatusCode::NO_CONTENT;
        *response.headers_mut() = headers;
        Err(Box::new(response))
    }
}

fn is_loopback(origin: &str) -> bool {
    let host = origin.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    matches!(host.as_deref(), Some("localhost" | "127.0.0.1" | "[::1]"))
}
