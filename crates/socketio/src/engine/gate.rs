//! What stands between a socket and its parser: the beginning of a large message passes only with a share of the
//! memory for it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::framing::Framing;
use super::large::{LargeMessages, Passing, Share, Waiting, later};
use crate::Reason;

/// A socket whose bytes pass one header at a time: a parser that is given the header of a large frame takes memory for
/// all of it. So that header is withheld, with whatever comes behind it, until there is a share.
pub(crate) struct Gate<I> {
    io: I,
    large: LargeMessages,
    framing: Framing,
    /// Read, and not passed on yet.
    withheld: Vec<u8>,
    /// What the first withheld byte waits for.
    wanted: Option<Wanted>,
    waiting: Waiting,
    /// The message that is passing, if it is a large one.
    passing: Option<Passing>,
    /// Whether there is no parser behind it any more.
    is_open: bool,
}

/// A share.
struct Wanted {
    bytes: usize,
    since: Instant,
}

impl<I> Gate<I> {
    pub(crate) fn new(io: I, large: LargeMessages) -> Self {
        Self {
            io,
            large,
            framing: Framing::default(),
            withheld: Vec::new(),
            wanted: None,
            waiting: Waiting::default(),
            passing: None,
            is_open: false,
        }
    }

    /// Whether something waits for a share.
    pub(crate) const fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    /// A message of so many bytes has passed: its share, if it has one.
    pub(crate) fn passed(&mut self, bytes: usize) -> Option<Share> {
        if !self.large.counts(bytes) {
            return None;
        }
        if let Some(wanted) = &mut self.wanted {
            wanted.since = Instant::now();
        }
        self.passing.take().map(|passing| passing.share)
    }

    /// Whether a large message is passing or waits.
    pub(crate) const fn is_large(&self) -> bool {
        self.passing.is_some() || self.wanted.is_some()
    }

    /// When the client of a large message is to be closed, and why.
    pub(crate) fn due(&self) -> Option<(Instant, Reason)> {
        match (&self.passing, &self.wanted) {
            (Some(passing), _) => Some((self.large.due(passing), Reason::TooSlow)),
            (None, Some(wanted)) => Some((self.large.wait_ends(wanted.since), Reason::NoRoom)),
            (None, None) => None,
        }
    }

    /// Nothing was read for so long.
    pub(crate) fn excuse(&mut self, time: Duration) {
        if let Some(passing) = &mut self.passing {
            passing.excuse(time);
        }
        if let Some(wanted) = &mut self.wanted {
            wanted.since = later(wanted.since, time);
        }
    }

    /// Lets everything pass from now on: it is only thrown away.
    pub(crate) fn open(&mut self) {
        (self.is_open, self.passing, self.wanted, self.waiting) = (true, None, None, Waiting::default());
        self.withheld = Vec::new();
    }

    /// Looks at what was read behind `start`, and withholds what may not pass yet.
    fn look(&mut self, buffer: &mut ReadBuf<'_>, start: usize) {
        let mut at = start;
        while let Some(bytes) = buffer.filled().get(at..)
            && let Some((offset, bytes)) = self.framing.next_large(bytes, &self.large)
        {
            let header = at + offset;
            // The one before has not been taken as long as its message is on its way.
            if self.passing.is_none() {
                self.passing = self.large.try_take(bytes);
                if self.passing.is_some() {
                    at = header + 1;
                    continue;
                }
            }
            let mut withheld = buffer.filled().get(header..).unwrap_or_default().to_vec();
            withheld.append(&mut self.withheld);
            (self.withheld, self.wanted) = (withheld, Some(Wanted { bytes, since: Instant::now() }));
            buffer.set_filled(header);
            return;
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Gate<I> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        loop {
            let mut start = before;
            if this.is_open || this.withheld.is_empty() {
                ready!(Pin::new(&mut this.io).poll_read(cx, buffer))?;
                if this.is_open || buffer.filled().len() == before {
                    return Poll::Ready(Ok(()));
                }
            } else {
                if let Some(wanted) = &this.wanted {
                    this.passing = ready!(this.large.poll_take(wanted.bytes, &mut this.waiting, cx));
                    this.wanted = None;
                    // It has been looked at.
                    start += 1;
                }
                let len = this.withheld.len().min(buffer.remaining());
                buffer.put_slice(this.withheld.get(..len).unwrap_or_default());
                this.withheld.drain(..len);
                if this.withheld.is_empty() {
                    this.withheld = Vec::new();
                }
            }
            this.look(buffer, start);
            // Nothing at all would mean the end.
            if buffer.filled().len() > before {
                if let Some(passing) = &mut this.passing {
                    passing.count(buffer.filled().len() - before);
                }
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Gate<I> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().io).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    use super::*;
    use crate::engine::Config;

    /// Where messages of more than 100 bytes share 1,000.
    fn large() -> LargeMessages {
        LargeMessages::new(&Config {
            max_payload: 1_000,
            max_payload_unestablished: 100,
            max_large_bytes: 1_000,
            large_wait: Duration::from_secs(7),
            large_rate: 100,
            large_grace: Duration::from_secs(2),
            ..Config::default()
        })
    }

    fn pipe(large: &LargeMessages) -> (DuplexStream, Gate<DuplexStream>) {
        let (near, far) = duplex(64 * 1024);
        (near, Gate::new(far, large.clone()))
    }

    /// A frame of so many bytes with its header of four, or two.
    fn frame(size: u16) -> Vec<u8> {
        let mut frame = match u8::try_from(size) {
            Ok(size) if size < 126 => vec![0x81, size],
            _ => [&[0x81, 126][..], &size.to_be_bytes()].concat(),
        };
        frame.extend(std::iter::repeat_n(b'x', size.into()));
        frame
    }

    /// Everything that passes at once.
    fn passing(gate: &mut Gate<DuplexStream>) -> Vec<u8> {
        let (mut all, mut some) = (Vec::new(), [0; 64]);
        while let Some(len) = gate.read(&mut some).now_or_never() {
            all.extend(&some[..len.unwrap()]);
        }
        all
    }

    #[tokio::test]
    async fn a_large_frame_waits_for_its_share_and_what_is_small_never_does() {
        let large = large();
        let ((mut one, mut first), (mut other, mut second)) = (pipe(&large), pipe(&large));
        one.write_all(&frame(900)[..500]).await.unwrap();
        assert_eq!(passing(&mut first), frame(900)[..500]);
        let sent = [frame(100), frame(200), frame(5)].concat();
        other.write_all(&sent).await.unwrap();
        let mut passed = passing(&mut second);
        assert_eq!(passed, sent[..105], "the small frame, and all of the header but for its end");
        assert!(second.waits() && !first.waits());
        one.write_all(&frame(900)[500..]).await.unwrap();
        assert_eq!(passing(&mut first).len(), 404);
        assert!(first.passed(50).is_none(), "a small message has no share to give back");
        let share = first.passed(900);
        assert_eq!(passing(&mut second), b"", "the message is being handled");
        drop(share);
        passed.extend(passing(&mut second));
        assert_eq!(passed, sent);
        assert!(second.passed(200).is_some() && !second.waits());
    }

    #[tokio::test]
    async fn a_connection_that_goes_gives_its_share_back() {
        let large = large();
        let ((mut one, mut first), (mut other, mut second)) = (pipe(&large), pipe(&large));
        one.write_all(&frame(1_000)[..10]).await.unwrap();
        other.write_all(&frame(1_000)).await.unwrap();
        assert_eq!(passing(&mut first).len(), 10);
        assert_eq!(passing(&mut second).len(), 3);
        drop(first);
        assert_eq!(passing(&mut second).len(), 1_001);
    }

    #[tokio::test]
    async fn messages_in_a_row_each_have_their_share() {
        let large = large();
        let (mut near, mut gate) = pipe(&large);
        let sent = [frame(600), frame(600), frame(3), frame(999)].concat();
        near.write_all(&sent).await.unwrap();
        let mut passed = Vec::new();
        for size in [600, 600, 999] {
            passed.extend(passing(&mut gate));
            assert!(gate.passed(size).is_some());
        }
        assert_eq!(passed, sent);
    }

    #[tokio::test]
    async fn what_the_parser_refuses_needs_no_share_and_an_open_gate_withholds_nothing() {
        let large = large();
        let (mut near, mut gate) = pipe(&large);
        near.write_all(&frame(1_001)).await.unwrap();
        assert_eq!(passing(&mut gate), frame(1_001));
        let all = large.try_take(1_000);
        near.write_all(&frame(900)).await.unwrap();
        assert_eq!(passing(&mut gate).len(), 3);
        gate.open();
        assert!(!gate.waits() && !passing(&mut gate).is_empty());
        near.write_all(&frame(900)).await.unwrap();
        assert_eq!(passing(&mut gate), frame(900));
        drop(all);
    }

    #[tokio::test(start_paused = true)]
    async fn a_large_message_comes_at_a_least_rate() {
        let large = large();
        let (mut near, mut gate) = pipe(&large);
        let begun = Instant::now();
        near.write_all(&frame(900)[..4]).await.unwrap();
        passing(&mut gate);
        assert_eq!(gate.due(), Some((begun + Duration::from_millis(2_040), Reason::TooSlow)));
        near.write_all(&frame(900)[4..304]).await.unwrap();
        passing(&mut gate);
        // At 100 bytes a second, the header among them.
        assert_eq!(gate.due(), Some((begun + Duration::from_millis(5_040), Reason::TooSlow)));
        gate.excuse(Duration::from_secs(60));
        assert_eq!(gate.due(), Some((begun + Duration::from_millis(65_040), Reason::TooSlow)));
        near.write_all(&frame(900)[304..]).await.unwrap();
        passing(&mut gate);
        assert!(gate.passed(900).is_some());
        assert_eq!(gate.due(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_for_a_share_has_an_end() {
        let large = large();
        let all = large.try_take(1_000);
        let (mut near, mut gate) = pipe(&large);
        let begun = Instant::now();
        near.write_all(&frame(900)).await.unwrap();
        passing(&mut gate);
        assert_eq!(gate.due(), Some((begun + Duration::from_secs(7), Reason::NoRoom)));
        tokio::time::advance(Duration::from_secs(6)).await;
        drop(all);
        passing(&mut gate);
        // Its time begins with its share.
        assert_eq!(gate.due(), Some((begun + Duration::from_millis(17_010), Reason::TooSlow)));
    }
}
