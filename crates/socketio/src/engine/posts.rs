//! HTTP long-polling: the requests that bring packets.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::Response;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http_body::Body as HttpBody;
use http_body_util::BodyExt as _;

use super::connection::wake;
use super::large::{LargeMessages, Share};
use super::polling::{Kind, Seat, Seated, sit, text};
use super::requests::Refusal;
use super::{Body, Config, Connection};
use crate::Reason;
use crate::codec::Text;
use crate::codec::engine::Payload;

/// Answers a POST: gives its packets to the session and waits until they are taken.
pub(crate) async fn push<B>(
    connection: &Connection,
    config: &Config,
    large: &LargeMessages,
    request: &Parts,
    body: B,
) -> Result<Response<Body>, Refusal>
where
    B: HttpBody<Data = Bytes>,
{
    sit(connection, Kind::Post)?;
    let seated = Seated::new(connection, Kind::Post);
    let Err(refusal) = receive(connection, config, large, request, body).await else {
        seated.leave();
        return Ok(text("ok".to_owned()));
    };
    let ending = connection.lock().ending;
    connection.close(if refusal == Refusal::TooLarge { Reason::TooLarge } else { Reason::ParseError });
    // A client whose POST is refused gives its poll up, and with it the answers that are still to come.
    poll_fn(|cx| poll_left(connection, cx)).await;
    seated.leave();
    if ending.is_some_and(|reason| reason.finishes() && reason.is_servers_choice()) {
        // No fault of the client: it hears of the end from its poll.
        return Ok(text("ok".to_owned()));
    }
    Err(refusal)
}

/// Waits until what was begun before the end is answered, and a waiting poll has carried the answers away.
fn poll_left(connection: &Connection, cx: &Context<'_>) -> Poll<()> {
    let mut state = connection.lock();
    let finishing = state.finishing;
    let Some(polling) = &mut state.polling else { return Poll::Ready(()) };
    if finishing || (!polling.left && matches!(polling.poll, Seat::Taken(_))) {
        polling.post.wait(cx);
        return Poll::Pending;
    }
    Poll::Ready(())
}

async fn receive<B>(
    connection: &Connection,
    config: &Config,
    large: &LargeMessages,
    request: &Parts,
    body: B,
) -> Result<(), Refusal>
where
    B: HttpBody<Data = Bytes>,
{
    // Engine.IO v3 sent bytes so; taking them for text would let the two sides disagree.
    if request.headers.get(CONTENT_TYPE).is_some_and(|kind| kind == "application/octet-stream") {
        return Err(Refusal::BadRequest);
    }
    let limit = config.payload_limit(connection.is_established());
    let mut reading = pin!(read(body, limit, large));
    let bytes = poll_fn(|cx| {
        if poll_ended(connection, cx).is_ready() {
            return Poll::Ready(Err(Refusal::BadRequest));
        }
        reading.as_mut().poll(cx)
    });
    let (bytes, share) = bytes.await?;
    let text = Text::try_from(bytes).map_err(|_| Refusal::BadRequest)?;
    // An empty one too: the session counts the request, and may make it wait.
    let payload = if text.is_empty() { Payload::default() } else { Payload::new(text) };
    give(connection, payload, share)?;
    poll_fn(|cx| poll_taken(connection, cx)).await
}

fn give(connection: &Connection, payload: Payload, share: Option<Share>) -> Result<(), Refusal> {
    let mut state = connection.lock();
    let sleeper = state.sleeper.take();
    let polling = state.polling.as_mut().ok_or(Refusal::BadRequest)?;
    (polling.body, polling.share) = (Some(payload), share);
    drop(state);
    wake(sleeper);
    Ok(())
}

fn poll_ended(connection: &Connection, cx: &Context<'_>) -> Poll<()> {
    let mut state = connection.lock();
    if state.ending.is_some() {
        return Poll::Ready(());
    }
    if let Some(polling) = &mut state.polling {
        polling.post.wait(cx);
    }
    Poll::Pending
}

fn poll_taken(connection: &Connection, cx: &Context<'_>) -> Poll<Result<(), Refusal>> {
    let mut state = connection.lock();
    let ending = state.ending;
    let Some(polling) = &mut state.polling else { return Poll::Ready(Ok(())) };
    if ending == Some(Reason::ParseError) {
        return Poll::Ready(Err(Refusal::BadRequest));
    }
    if polling.body.is_none() || ending.is_some() {
        return Poll::Ready(Ok(()));
    }
    polling.post.wait(cx);
    Poll::Pending
}

/// Reads a whole body of at most `limit` bytes, and the share that it has of the memory for large messages.
async fn read<B: HttpBody<Data = Bytes>>(
    body: B,
    limit: usize,
    large: &LargeMessages,
) -> Result<(Bytes, Option<Share>), Refusal> {
    let mut body: Pin<&mut B> = pin!(body);
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(Refusal::TooLarge);
    }
    let mut share = None;
    if large.counts(announced) {
        share = large.take(announced).await;
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| Refusal::BadRequest)?.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(Refusal::TooLarge);
        }
        if share.is_none() && large.counts(bytes.len() + data.len()) {
            // It has not said how large it will be.
            share = large.take(limit).await;
        }
        bytes.extend_from_slice(&data);
    }
    Ok((bytes.freeze(), share))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use http::StatusCode;
    use http_body_util::Full;

    use super::super::outbox::Limits;
    use super::*;
    use crate::Id;

    fn connection() -> Connection {
        let limits = Limits { frames: 10, bytes: 10_000 };
        Connection::new(Id::random().unwrap(), limits, true, Some(Box::default()))
    }

    /// A refusal would have the client give its poll up, and lose the answers for which it waits.
    #[tokio::test]
    async fn a_post_that_comes_while_answers_are_missing_waits_for_them() {
        let config = Config::default();
        let large = LargeMessages::new(&config);
        let (parts, ()) = http::Request::new(()).into_parts();
        for (reason, status) in
            [(Reason::Shutdown, StatusCode::OK), (Reason::ParseError, StatusCode::BAD_REQUEST)]
        {
            let connection = connection();
            connection.owe();
            connection.close(reason);
            let body = Full::new(Bytes::from_static(b"420[\"m\"]"));
            let mut post = Box::pin(push(&connection, &config, &large, &parts, body));
            assert!(post.as_mut().now_or_never().is_none());
            let mut poll = Box::pin(super::super::polling::poll(&connection));
            assert!(poll.as_mut().now_or_never().is_none(), "all answers and the close go together");
            connection.lock().finishing = false;
            assert!(post.as_mut().now_or_never().is_none(), "the poll has not been answered");
            assert_eq!(poll.await.unwrap().status(), StatusCode::OK);
            assert_eq!(post.await.unwrap_or_else(Refusal::response).status(), status);
        }
    }
}
