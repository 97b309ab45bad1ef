//! When a connection waits for its client, and for how long it may.
//!
//! hyper has one timeout for the wait for a request and for its head. A client that keeps a connection for its next
//! request may take long; one that has begun a head may not. So hyper's own is off, and the stream keeps the time: a turn
//! is the client's until its request's head is complete, and the server's until the answer's body is written.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// Whose turn it is. Even numbers are the client's, odd ones the server's.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<AtomicUsize>);

impl Turns {
    /// A request's head is complete. The server's turn lasts until the answer is dropped.
    pub(super) fn begin(&self) -> Turn {
        self.0.fetch_add(1, Ordering::Relaxed);
        Turn(Some(self.clone()))
    }

    /// Whether the client has had an answer and not asked again. The head of a request may have begun.
    pub(super) fn is_resting(&self) -> bool {
        let number = self.number();
        number > 0 && number.is_multiple_of(2)
    }

    fn number(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// The server's turn.
#[derive(Debug)]
pub(super) struct Turn(Option<Turns>);

impl Turn {
    /// It never ends: the connection speaks something else from now on.
    pub(super) fn keep(&mut self) {
        self.0 = None;
    }

    /// It ends when this body is written or given up.
    pub(super) const fn answer(self, body: Body) -> Answered {
        Answered { body, _turn: self }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = &self.0 {
            turns.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The body of an answer.
#[derive(Debug)]
pub(super) struct Answered {
    body: Body,
    _turn: Turn,
}

impl http_body::Body for Answered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    /// For the head of a request, and for the first byte of a connection.
    pub(super) head: Duration,
    /// For the first byte of another request.
    pub(super) keep_alive: Duration,
}

/// A stream that ends when its client takes too long: as if the client had closed it when it only keeps it, with an
/// error when it has begun a head.
#[derive(Debug)]
pub(super) struct Timed<S> {
    stream: S,
    turns: Turns,
    waits: Waits,
    /// The turn that `deadline` is for.
    turn: usize,
    /// Whether a head has begun in it. The first one is taken to begin with the connection.
    in_head: bool,
    deadline: Instant,
    /// Fires at the deadline or before it. Made when the first wait is not over at once.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether something written waits for the client to read.
    is_writing: bool,
}

impl<S> Timed<S> {
    pub(super) fn new(stream: S, turns: Turns, waits: Waits) -> Self {
        let (turn, deadline) = (turns.number(), Instant::now() + waits.head);
        Self { stream, turns, waits, turn, in_head: true, deadline, timer: None, is_writing: false }
    }

    /// Whether it is the client's turn; a new one gets its deadline.
    fn is_clients_turn(&mut self) -> bool {
        let turn = self.turns.number();
        if turn != self.turn {
            (self.turn, self.in_head) = (turn, false);
            self.deadline = Instant::now() + self.waits.keep_alive;
        }
        turn.is_multiple_of(2)
    }

    fn heard(&mut self) {
        if self.is_clients_turn() && !self.in_head {
            self.in_head = true;
            self.deadline = Instant::now() + self.waits.head;
        }
    }

    /// Ready when the client has had its time.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let deadline = self.deadline;
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Instant::now();
            if now < deadline {
                timer.as_mut().reset(deadline);
            } else if self.is_writing && !self.in_head {
                // It has not even been sent the answer yet; writes have a patience of their own.
                self.deadline = now + self.waits.keep_alive;
            } else {
                return Poll::Ready(());
            }
        }
    }

    fn wrote<T>(&mut self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.is_writing = written.is_pending();
        if written.is_ready() && self.is_clients_turn() && !self.in_head {
            self.deadline = Instant::now() + self.waits.keep_alive;
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_ready() {
            if buffer.filled().len() > before {
                self.heard();
            }
            return read;
        }
        if !self.is_clients_turn() || self.poll_deadline(cx).is_pending() {
            return Poll::Pending;
        }
        Poll::Ready(if self.in_head { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) })
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // What flushes an answer has often read already, and not waited while it was the server's turn.
        if flushed.is_ready() && self.is_clients_turn() && self.poll_deadline(cx).is_ready() {
            cx.waker().wake_by_ref();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::advance;

    use super::*;

    const WAITS: Waits = Waits { head: Duration::from_secs(20), keep_alive: Duration::from_secs(75) };

    fn pair() -> (Timed<DuplexStream>, DuplexStream, Turns) {
        let (ours, theirs) = duplex(64);
        let turns = Turns::default();
        (Timed::new(ours, turns.clone(), WAITS), theirs, turns)
    }

    /// How long reading takes until something comes of it, and what; the clock goes forward by itself.
    async fn read(stream: &mut Timed<DuplexStream>) -> (u64, io::Result<usize>) {
        let began = Instant::now();
        let result = stream.read(&mut [0; 8]).await;
        (began.elapsed().as_secs(), result)
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_begins_with_a_head() {
        let (mut stream, _theirs, _) = pair();
        let (took, result) = read(&mut stream).await;
        assert_eq!((took, result.unwrap_err().kind()), (20, io::ErrorKind::TimedOut));
    }

    #[tokio::test(start_paused = true)]
    async fn a_kept_connection_may_rest_and_is_then_closed_like_any() {
        let (mut stream, _theirs, turns) = pair();
        for _ in 0..2 {
            drop(turns.begin());
            let (took, result) = read(&mut stream).await;
            assert_eq!((took, result.unwrap()), (75, 0));
        }
    }

    /// hyper reads, writes the answer, and does not read again before it is woken.
    #[tokio::test(start_paused = true)]
    async fn whoever_has_read_before_the_turn_is_woken_at_its_end() {
        let (mut stream, _theirs, turns) = pair();
        let turn = turns.begin();
        let (mut turn, mut polls) = (Some(turn), 0);
        let closed = std::future::poll_fn(|cx| {
            polls += 1;
            let mut bytes = [0; 8];
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = Pin::new(&mut stream).poll_read(cx, &mut buffer);
            drop(turn.take());
            assert!(Pin::new(&mut stream).poll_flush(cx).is_ready());
            read
        });
        let began = Instant::now();
        closed.await.unwrap();
        assert_eq!((began.elapsed().as_secs(), polls), (75, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_has_begun_is_not_waited_for_as_long() {
        let (mut stream, mut theirs, turns) = pair();
        drop(turns.begin());
        assert!(tokio::time::timeout(Duration::from_secs(70), read(&mut stream)).await.is_err());
        theirs.write_all(b"G").await.unwrap();
        assert_eq!(read(&mut stream).await.1.unwrap(), 1);
        // From its first byte on, however often another one comes.
        advance(Duration::from_secs(15)).await;
        theirs.write_all(b"E").await.unwrap();
        assert_eq!(read(&mut stream).await.1.unwrap(), 1);
        let (took, result) = read(&mut stream).await;
        assert_eq!((took, result.unwrap_err().kind()), (5, io::ErrorKind::TimedOut));
    }

    #[tokio::test(start_paused = true)]
    async fn the_servers_turn_has_no_end() {
        let (mut stream, _theirs, turns) = pair();
        let mut turn = turns.begin();
        assert!(tokio::time::timeout(Duration::from_secs(10_000), read(&mut stream)).await.is_err());
        turn.keep();
        drop(turn);
        assert!(tokio::time::timeout(Duration::from_secs(10_000), read(&mut stream)).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_still_being_read_is_not_cut_off() {
        let (mut stream, mut theirs, turns) = pair();
        drop(turns.begin());
        // All that fits between them, and more.
        stream.write_all(&[b'x'; 64]).await.unwrap();
        let second = Duration::from_secs(1);
        assert!(tokio::time::timeout(second, stream.write(b"y")).await.is_err());
        assert!(tokio::time::timeout(Duration::from_secs(200), read(&mut stream)).await.is_err());
        // It rests from when it is sent.
        theirs.read_exact(&mut [0; 64]).await.unwrap();
        stream.write_all(b"y").await.unwrap();
        let (took, result) = read(&mut stream).await;
        assert_eq!((took, result.unwrap()), (75, 0));
    }
}
