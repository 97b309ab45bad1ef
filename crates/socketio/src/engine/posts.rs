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
use tokio::time::timeout_at;

use super::connection::wake;
use super::large::{LargeMessages, Passing, Share};
use super::polling::{Kind, Large, Seat, Seated, sit, text};
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
    connection.close(refusal.reason());
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
    let mut reading = pin!(read(connection, config, large, body));
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
    (polling.body, polling.share, polling.large) = (Some(payload), share, None);
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

/// Reads a whole body of no more bytes than are allowed, and takes its share of the memory for large messages.
async fn read<B: HttpBody<Data = Bytes>>(
    connection: &Connection,
    config: &Config,
    large: &LargeMessages,
    body: B,
) -> Result<(Bytes, Option<Share>), Refusal> {
    let mut body: Pin<&mut B> = pin!(body);
    let limit = config.payload_limit(connection.is_established());
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(Refusal::TooLarge);
    }
    let mut passing = None;
    if large.counts(announced) {
        passing = Some(take_share(connection, large, announced).await?);
    }
    let mut bytes = BytesMut::new();
    loop {
        let frame = match &passing {
            None => body.frame().await,
            Some(passing) => {
                timeout_at(large.due(passing), body.frame()).await.map_err(|_| Refusal::TooSlow)?
            }
        };
        let Some(frame) = frame else { break };
        let Ok(data) = frame.map_err(|_| Refusal::BadRequest)?.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(Refusal::TooLarge);
        }
        if passing.is_none() && large.counts(bytes.len() + data.len()) {
            // It has not said how large it will be.
            passing = Some(take_share(connection, large, limit).await?);
        }
        if let Some(passing) = &mut passing {
            passing.count(data.len());
        }
        bytes.extend_from_slice(&data);
    }
    Ok((bytes.freeze(), passing.map(|passing| passing.share)))
}

async fn take_share(
    connection: &Connection,
    large: &LargeMessages,
    bytes: usize,
) -> Result<Passing, Refusal> {
    mark(connection, Large::Waits)?;
    let passing = large.take(bytes).await.ok_or(Refusal::NoRoom)?;
    mark(connection, Large::Comes)?;
    Ok(passing)
}

/// Says how far a large body is. One that is no longer allowed is refused here, or by the session's task.
fn mark(connection: &Connection, large: Large) -> Result<(), Refusal> {
    if let Some(polling) = &mut connection.lock().polling {
        polling.large = Some(large);
    }
    if connection.is_established() { Ok(()) } else { Err(Refusal::TooLarge) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use http::StatusCode;
    use http_body_util::Full;
    use tokio::time::Instant;

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

    /// A body whose end does not come.
    struct Stuck(Option<Bytes>);

    impl HttpBody for Stuck {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Bytes>, Self::Error>>> {
            self.0.take().map_or(Poll::Pending, |bytes| Poll::Ready(Some(Ok(http_body::Frame::data(bytes)))))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_body_neither_waits_nor_comes_for_ever() {
        let config = Config { large_rate: 10_000, ..Config::default() };
        let large = LargeMessages::new(&Config { max_large_bytes: 0, ..config.clone() });
        let body = || Stuck(Some(Bytes::from(vec![b'x'; 50_000])));
        let (slow, other) = (connection(), connection());
        let begun = Instant::now();
        let first = async {
            let refusal = read(&slow, &config, &large, body()).await.err();
            (refusal, begun.elapsed())
        };
        // Ten seconds, and five for what has come.
        assert_eq!(first.await, (Some(Refusal::TooSlow), Duration::from_secs(15)));
        let all = large.try_take(config.max_payload);
        let begun = Instant::now();
        assert_eq!(read(&other, &config, &large, body()).await.err(), Some(Refusal::NoRoom));
        assert_eq!(begun.elapsed(), config.large_wait);
        drop(all);
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_body_of_a_client_that_has_been_let_out_is_refused() {
        let config = Config::default();
        let large = LargeMessages::new(&Config { max_large_bytes: 0, ..config.clone() });
        let all = large.try_take(config.max_payload);
        let connection = connection();
        let mut reading =
            Box::pin(read(&connection, &config, &large, Stuck(Some(vec![b'x'; 50_000].into()))));
        assert!(reading.as_mut().now_or_never().is_none());
        connection.set_established(false);
        drop(all);
        assert_eq!(reading.await.err(), Some(Refusal::TooLarge));
    }
}
