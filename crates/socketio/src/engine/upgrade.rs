//! Opening a WebSocket: for a new session, or for one that moves away from long-polling.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use tokio::time::timeout;
use tungstenite::handshake::derive_accept_key;

use super::connection::wake;
use super::large::LargeMessages;
use super::polling::Upgrade;
use super::requests::Refusal;
use super::websocket::{Incoming, WebSocket};
use super::{Body, Config, Connection};
use crate::Reason;
use crate::codec::engine::Packet;

/// How long after the answer to its probe a client may say that it has moved, before a waiting poll is released.
/// A poll that crossed the move on its way is refused then, instead of being answered as if nothing had happened.
const RELEASE_AFTER: Duration = Duration::from_millis(10);

/// How many frames that are no packets a client may send in a row on a WebSocket that is not in use yet.
const CONTROLS_MAX: usize = 16;

/// A request's way to a WebSocket, and the response that opens it.
pub(crate) fn switch(request: &mut Parts) -> Result<(OnUpgrade, Response<Body>), Refusal> {
    if request.method != Method::GET {
        return Err(Refusal::BadHandshakeMethod);
    }
    let headers = &request.headers;
    let key = headers.get(SEC_WEBSOCKET_KEY).ok_or(Refusal::BadRequest)?;
    let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes())).map_err(|_| Refusal::BadRequest)?;
    if !has_token(headers, &CONNECTION, "upgrade")
        || !has_token(headers, &UPGRADE, "websocket")
        || headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13")
    {
        return Err(Refusal::BadRequest);
    }
    let subprotocol = subprotocol(headers)?;
    let on_upgrade = request.extensions.remove::<OnUpgrade>().ok_or(Refusal::BadRequest)?;
    let mut response = Response::new(Body::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
    headers.extend(subprotocol.map(|name| (SEC_WEBSOCKET_PROTOCOL, name)));
    Ok((on_upgrade, response))
}

/// The first subprotocol that the client offers, as the reference server answers: it means nothing to Engine.IO, but a
/// client that offers some gives up when none is chosen.
fn subprotocol(headers: &HeaderMap) -> Result<Option<HeaderValue>, Refusal> {
    let (mut first, mut names) = (None, BTreeSet::new());
    for value in headers.get_all(SEC_WEBSOCKET_PROTOCOL) {
        let value = value.to_str().map_err(|_| Refusal::BadRequest)?;
        for name in value.split(',').map(|name| name.trim_matches([' ', '\t'])) {
            // RFC 6455, section 4.1: tokens, none of them twice.
            if name.is_empty() || !name.bytes().all(is_token) || !names.insert(name) {
                return Err(Refusal::BadRequest);
            }
            first = first.or(Some(name));
        }
    }
    first.map(HeaderValue::from_str).transpose().map_err(|_| Refusal::BadRequest)
}

/// Whether a byte may stand in a token (RFC 9110, section 5.6.2).
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|found| found.trim().eq_ignore_ascii_case(token))
}

/// Waits for a WebSocket to open.
pub(crate) async fn open(on_upgrade: OnUpgrade, config: &Config, large: LargeMessages) -> Option<WebSocket> {
    let upgraded = timeout(config.upgrade_timeout, on_upgrade).await.ok()?.ok()?;
    Some(WebSocket::new(upgraded, config.payload_limit(config.connect_timeout.is_none()), large))
}

/// Claims a session for an upgrade. False when it has moved, is moving or ends.
///
/// # Errors
/// When the session has been asked to move too often.
pub(crate) fn begin(connection: &Connection, config: &Config) -> Result<bool, Refusal> {
    let mut state = connection.lock();
    state.upgrades = state.upgrades.saturating_add(1);
    if state.upgrades > config.max_upgrades {
        return Err(Refusal::BadRequest);
    }
    if state.ending.is_some() {
        return Ok(false);
    }
    Ok(match &mut state.polling {
        Some(polling) if matches!(polling.upgrade, Upgrade::None) => {
            polling.upgrade = Upgrade::Begun;
            true
        }
        _ => false,
    })
}

/// Gives the claim back unless the session has moved.
struct Claim(Connection);

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some(polling) = &mut self.0.lock().polling
            && !matches!(polling.upgrade, Upgrade::Done(_))
        {
            polling.upgrade = Upgrade::None;
            polling.release = false;
            polling.prober = None;
        }
    }
}

/// Moves a session to a WebSocket: the client's probe is answered, a waiting poll released, and the session
/// handed over when the client says so. Whatever fails, the session stays where it was.
pub(crate) async fn move_session(
    connection: Connection,
    on_upgrade: OnUpgrade,
    config: Arc<Config>,
    large: LargeMessages,
) {
    let claim = Claim(connection.clone());
    let mut moving = pin!(timeout(config.upgrade_timeout, probe(&connection, on_upgrade, &config, large)));
    let moved = poll_fn(|cx| {
        if poll_ended(&connection, cx).is_ready() {
            return Poll::Ready(None);
        }
        moving.as_mut().poll(cx).map(|done| done.ok().flatten())
    })
    .await;
    if let Some(socket) = moved {
        let mut state = connection.lock();
        let sleeper = state.sleeper.take();
        let poller = state.polling.as_mut().and_then(|polling| {
            polling.upgrade = Upgrade::Done(Box::new(socket));
            polling.poll.wake()
        });
        drop(state);
        wake(sleeper);
        wake(poller);
    }
    drop(claim);
}

async fn probe(
    connection: &Connection,
    on_upgrade: OnUpgrade,
    config: &Config,
    large: LargeMessages,
) -> Option<WebSocket> {
    let mut socket = open(on_upgrade, config, large).await?;
    let first = poll_fn(|cx| poll_packet(&mut socket, cx)).await?;
    if !matches!(first, Packet::Ping(data) if data.as_str() == "probe") {
        return None;
    }
    // Before the answer leaves, so that the client's next request finds the upgrade under way.
    probed(connection);
    socket.push_text("3probe");
    poll_fn(|cx| socket.poll_flush(cx)).await.ok()?;
    let mut next = poll_fn(|cx| poll_packet(&mut socket, cx));
    let packet = match timeout(RELEASE_AFTER, &mut next).await {
        Ok(packet) => packet,
        Err(_) => {
            release(connection);
            next.await
        }
    };
    matches!(packet, Some(Packet::Upgrade)).then_some(socket)
}

/// The next packet. A client that sends anything else at length is no client.
fn poll_packet(socket: &mut WebSocket, cx: &mut Context<'_>) -> Poll<Option<Packet>> {
    for _ in 0..CONTROLS_MAX {
        match ready!(socket.poll_read(cx)) {
            Ok(Incoming::Packet(packet)) => return Poll::Ready(Some(packet)),
            Ok(Incoming::Control | Incoming::Part | Incoming::Request) => {}
            Err(_) => break,
        }
    }
    Poll::Ready(None)
}

fn probed(connection: &Connection) {
    if let Some(polling) = &mut connection.lock().polling {
        polling.upgrade = Upgrade::Probed;
    }
}

/// Has a waiting poll answered with nothing: the client moves when it is.
fn release(connection: &Connection) {
    let mut state = connection.lock();
    let Some(polling) = &mut state.polling else { return };
    let poller = polling.poll.wake();
    polling.release = poller.is_some();
    drop(state);
    wake(poller);
}

fn poll_ended(connection: &Connection, cx: &Context<'_>) -> Poll<()> {
    let mut state = connection.lock();
    if state.ending.is_some() {
        return Poll::Ready(());
    }
    if let Some(polling) = &mut state.polling {
        polling.prober = Some(cx.waker().clone());
    }
    Poll::Pending
}

/// Opens a WebSocket for a session that has one already, only to close it: clients expect that rather than an
/// HTTP error.
pub(crate) async fn turn_away(on_upgrade: OnUpgrade, config: Arc<Config>, large: LargeMessages) {
    let Some(mut socket) = open(on_upgrade, &config, large).await else { return };
    poll_fn(|cx| {
        socket.push_close(cx, Reason::TransportClose);
        Poll::Ready(())
    })
    .await;
    let leaving = poll_fn(|cx| {
        if socket.poll_flush(cx).is_pending() {
            return Poll::Pending;
        }
        for _ in 0..CONTROLS_MAX {
            if ready!(socket.poll_read(cx)).is_err() {
                break;
            }
        }
        Poll::Ready(())
    });
    // Out of time or not, the socket is dropped now.
    drop(timeout(config.close_timeout, leaving).await);
}
