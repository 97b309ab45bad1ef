//! Reading Engine.IO's query parameters, writing its errors.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

use super::{Body, Transport};
use crate::{Id, Reason};

/// The address at the other end of a request's TCP connection; put it among the request's extensions where the
/// server is used as a [`tower_service::Service`].
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Engine.IO's errors, answered as `{"code":…,"message":…}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// 400, code 0.
    UnknownTransport,
    /// 400, code 1.
    UnknownSession,
    /// 400, code 2.
    BadHandshakeMethod,
    /// 400, code 3.
    BadRequest,
    /// 403, code 4.
    Forbidden,
    /// 400, code 5.
    UnsupportedVersion,
    /// 413, code 3.
    TooLarge,
    /// 408, code 3: a large request came too slowly.
    TooSlow,
    /// 503, code 4: there is no memory for a large request.
    NoRoom,
    /// 503, code 4: the server is full or going down.
    Unavailable,
    /// 404: not Engine.IO's path.
    NotFound,
}

impl Refusal {
    /// Why a session ends whose POST is refused so.
    pub(crate) fn reason(self) -> Reason {
        if self == Self::TooLarge {
            Reason::TooLarge
        } else if self == Self::TooSlow {
            Reason::TooSlow
        } else if self == Self::NoRoom {
            Reason::NoRoom
        } else {
            Reason::ParseError
        }
    }

    /// The response.
    #[must_use]
    pub fn response(self) -> Response<Body> {
        let (status, code, message) = match self {
            Self::UnknownTransport => (StatusCode::BAD_REQUEST, 0, "Transport unknown"),
            Self::UnknownSession => (StatusCode::BAD_REQUEST, 1, "Session ID unknown"),
            Self::BadHandshakeMethod => (StatusCode::BAD_REQUEST, 2, "Bad handshake method"),
            Self::BadRequest => (StatusCode::BAD_REQUEST, 3, "Bad request"),
            Self::Forbidden => (StatusCode::FORBIDDEN, 4, "Forbidden"),
            Self::UnsupportedVersion => (StatusCode::BAD_REQUEST, 5, "Unsupported protocol version"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, 3, "Payload too large"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, 3, "Payload too slow"),
            Self::NoRoom => (StatusCode::SERVICE_UNAVAILABLE, 4, "No room for a large payload"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, 4, "Server unavailable"),
            Self::NotFound => (StatusCode::NOT_FOUND, 3, "Not found"),
        };
        let body = format!("{{\"code\":{code},\"message\":\"{message}\"}}");
        let mut response = Response::new(Body::new(Bytes::from(body)));
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

/// The parameters of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parameters {
    pub(crate) transport: Transport,
    /// `Err` for a sid that this server cannot have given out.
    pub(crate) sid: Option<Result<Id, ()>>,
}

impl Parameters {
    /// Reads them from a request's query, in which none of the values needs decoding.
    pub(crate) fn parse(query: Option<&str>) -> Result<Self, Refusal> {
        let (mut version, mut transport, mut sid) = (None, None, None);
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "EIO" => version = version.or(Some(value)),
                "transport" => transport = transport.or(Some(value)),
                "sid" => sid = sid.or(Some(value)),
                _ => {}
            }
        }
        let transport = match transport {
            Some("polling") => Transport::Polling,
            Some("websocket") => Transport::WebSocket,
            _ => return Err(Refusal::UnknownTransport),
        };
        if version != Some("4") {
            return Err(Refusal::UnsupportedVersion);
        }
        Ok(Self { transport, sid: sid.map(|sid| sid.parse().map_err(|_| ())) })
    }
}
