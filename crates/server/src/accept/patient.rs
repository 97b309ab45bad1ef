//! A stream that knows when to wait for the peer and when not to.

use std::future::Future;
use std::io::{self, IoSlice};
use std::num::NonZeroUsize;
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

/// How much the system keeps of what is not on its way to the peer, in bytes: little, so that writes show how fast the
/// peer reads. Its own buffer of a fast connection is megabytes, and has room again only when a third of it was taken.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNSENT_BYTES: u32 = 128 * 1024;

/// Tells the system to keep little of what it cannot send yet. What is on its way is not concerned, so that fast peers
/// far away stay fast.
pub(super) fn leave_unsent_here(stream: &TcpStream) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if let Err(error) = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES) {
        tracing::debug!(%error, "TCP_NOTSENT_LOWAT was not set");
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = stream;
}

/// How slowly a peer may read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// How long it may take nothing.
    pub(super) time: Duration,
    /// How many bytes a second it must take of an answer, over that time. Not of what an upgraded connection is sent,
    /// which has limits of its own.
    pub(super) rate: Option<NonZeroUsize>,
}

impl Patience {
    /// How many bytes must be taken within the time.
    fn least(&self) -> u64 {
        let rate = self.rate.map_or(0, |rate| u64::try_from(rate.get()).unwrap_or(u64::MAX));
        rate.saturating_mul(self.time.as_secs()).max(1)
    }
}

/// A connection whose writes fail when the peer takes nothing, or too little, for too long: it may be gone without a
/// word, or mean to have answers pile up.
///
/// When it is shut down, it reads past what the peer still sends: a connection that is closed over unread bytes is
/// reset, and a client that was refused while it was writing would not see why.
#[derive(Debug)]
pub(super) struct Patient {
    stream: TcpStream,
    patience: Patience,
    /// From when a write first had to wait until the peer has caught up. Most connections never need one.
    waiting: Option<Waiting>,
    lingering: Option<Lingering>,
    /// Whether it speaks HTTP no longer: those who speak something else take leave in their own way.
    is_upgraded: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Waiting {
    until: Pin<Box<Sleep>>,
    taken: u64,
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
    pub(super) const fn new(stream: TcpStream, patience: Patience, is_upgraded: Arc<AtomicBool>) -> Self {
        Self { stream, patience, waiting: None, lingering: None, is_upgraded }
    }

    fn judge(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(result) = written {
            if let (Some(waiting), Ok(taken)) = (&mut self.waiting, &result) {
                waiting.taken = waiting.taken.saturating_add(u64::try_from(*taken).unwrap_or(u64::MAX));
                if self.is_upgraded.load(Ordering::Relaxed) || waiting.taken >= self.patience.least() {
                    self.waiting = None;
                }
            }
            return Poll::Ready(result);
        }
        let begin = || Waiting { until: Box::pin(tokio::time::sleep(self.patience.time)), taken: 0 };
        let waiting = self.waiting.get_or_insert_with(begin);
        waiting.until.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
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
        // All that was to be written has been: nothing waits for the peer.
        self.waiting = None;
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
