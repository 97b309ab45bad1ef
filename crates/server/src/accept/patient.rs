//! A stream that knows when to wait for the peer and when not to.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// How long a peer who has been answered may go on writing before the connection is closed over it, and how long it may
/// pause meanwhile.
const LINGER_MAX: Duration = Duration::from_secs(5);
const LINGER_PAUSE_MAX: Duration = Duration::from_secs(1);
/// How much is read at once, and how often in a row, of what nobody wants.
const DISCARD_BYTES: usize = 8 * 1024;
const DISCARD_ROUNDS: usize = 32;

/// A connection whose writes fail when the peer takes nothing for too long: it may be gone without a word, or mean to
/// have answers pile up.
///
/// When it is shut down, it reads past what the peer still sends: a connection that is closed over unread bytes is
/// reset, and a client that was refused while it was writing would not see why.
#[derive(Debug)]
pub(super) struct Patient {
    stream: TcpStream,
    patience: Duration,
    /// Runs while a write waits. Most connections never need one.
    waiting: Option<Pin<Box<Sleep>>>,
    lingering: Option<Lingering>,
    /// Whether it speaks HTTP no longer: those who speak something else take leave in their own way.
    is_upgraded: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Lingering {
    pause: Pin<Box<Sleep>>,
    until: Instant,
}

impl Lingering {
    fn new() -> Self {
        let now = Instant::now();
        Self { pause: Box::pin(tokio::time::sleep(LINGER_PAUSE_MAX)), until: now + LINGER_MAX }
    }

    fn heard(&mut self) {
        let pause = Instant::now() + LINGER_PAUSE_MAX;
        self.pause.as_mut().reset(pause.min(self.until));
    }
}

impl Patient {
    pub(super) const fn new(stream: TcpStream, patience: Duration, is_upgraded: Arc<AtomicBool>) -> Self {
        Self { stream, patience, waiting: None, lingering: None, is_upgraded }
    }

    fn judge<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.waiting = None;
            return written;
        }
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.patience)));
        waiting.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Reads past what comes, until the peer ends, pauses for too long, or has had its time.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(lingering) = &mut self.lingering else { return Poll::Ready(()) };
        for _ in 0..DISCARD_ROUNDS {
            let mut bytes = [0; DISCARD_BYTES];
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => lingering.heard(),
                Poll::Ready(Ok(()) | Err(_)) => return Poll::Ready(()),
                Poll::Pending => return lingering.pause.as_mut().poll(cx),
            }
        }
        if lingering.until <= Instant::now() {
            return Poll::Ready(());
        }
        // There may be more; let the other tasks have their turn first.
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.judge(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.judge(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingering.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            if self.is_upgraded.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
            self.lingering = Some(Lingering::new());
        }
        self.poll_linger(cx).map(Ok)
    }
}
