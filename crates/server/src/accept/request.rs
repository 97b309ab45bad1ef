//! What is looked at in a request before anybody answers it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use http::header::{CONTENT_TYPE, HOST};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;

const ONE_HOST: &str = "a request must have one Host header that names a host\n";

/// The refusal of a request whose `Host` is not as RFC 9112, section 3.2, asks for.
///
/// That is one in HTTP/1.1, at most one in HTTP/1.0, and a host with a port or without, or nothing. Those who disagree about which of two counts, a proxy and a
/// server say, can be played off against each other.
pub(super) fn refuse_host(version: Version, headers: &HeaderMap) -> Option<Response<Body>> {
    let mut hosts = headers.get_all(HOST).into_iter();
    let is_right = match (hosts.next(), hosts.next()) {
        (Some(host), None) => is_host(host),
        (None, _) => version < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    };
    if is_right {
        return None;
    }
    let mut response = Response::new(Body::from(ONE_HOST));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Some(response)
}

fn is_host(value: &HeaderValue) -> bool {
    let is_authority =
        |text: &str| text.parse::<Authority>().is_ok_and(|named| !named.as_str().contains(['@', ',']));
    value.to_str().is_ok_and(|text| text.is_empty() || is_authority(text))
}

/// Whether a request's body was read to its end. If not, the connection cannot be used again.
#[derive(Debug)]
pub(super) struct Heard(Option<Arc<AtomicBool>>);

impl Heard {
    /// The request, watched. One without a body costs nothing.
    pub(super) fn watch(request: Request<Incoming>) -> (Request<Body>, Self) {
        if http_body::Body::is_end_stream(request.body()) {
            return (request.map(|_| Body::empty()), Self(None));
        }
        let heard = Arc::new(AtomicBool::new(false));
        let body = |body| Body::new(Watched { body, heard: Arc::clone(&heard) });
        (request.map(body), Self(Some(heard)))
    }

    pub(super) fn is_whole(&self) -> bool {
        self.0.as_ref().is_none_or(|heard| heard.load(Ordering::Relaxed))
    }
}

#[derive(Debug)]
struct Watched {
    body: Incoming,
    heard: Arc<AtomicBool>,
}

impl http_body::Body for Watched {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if frame.is_none() || http_body::Body::is_end_stream(&self.body) {
            self.heard.store(true, Ordering::Relaxed);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        http_body::Body::is_end_stream(&self.body)
    }

    fn size_hint(&self) -> SizeHint {
        http_body::Body::size_hint(&self.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_taken(version: Version, hosts: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, host.parse().unwrap());
        }
        refuse_host(version, &headers).is_none()
    }

    #[test]
    fn one_host_is_needed() {
        for host in ["example.org", "example.org:3000", "127.0.0.1:3000", "[::1]:3000", "localhost", ""] {
            assert!(is_taken(Version::HTTP_11, &[host]), "{host}");
        }
        assert!(!is_taken(Version::HTTP_11, &[]));
        assert!(is_taken(Version::HTTP_10, &[]));
        for version in [Version::HTTP_10, Version::HTTP_11] {
            assert!(!is_taken(version, &["example.org", "evil.example"]));
            assert!(!is_taken(version, &["example.org", "example.org"]));
            for host in ["a b", "user@example.org", "example.org/path", "a,b", "\u{fc}"] {
                assert!(!is_taken(version, &[host]), "{host}");
            }
        }
    }
}
