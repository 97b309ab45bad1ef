//! Standard output and standard error, written by threads of their own.
//!
//! A line is handed over and never waited for: a reader that is slow, or a disk that is full, costs lines and not
//! requests. Lines that are lost are counted, and the log says so once it can be written again. (`println!` and
//! `eprintln!` panic when a write fails, and wait when a pipe is full.)

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How many lines may wait to be written; one more is lost.
const LINES_MAX: usize = 8_192;
/// How long the end of the process waits for the lines before it.
const FLUSH_MAX: Duration = Duration::from_secs(2);

/// A stream of lines. Cheap to clone; clones share the stream.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    lines: SyncSender<Item>,
    lost: Arc<AtomicU64>,
}

/// Under which name the log says that lines of it were lost: a warning that is never left out.
pub(crate) const LOST: &str = "tidings::lost";

#[derive(Debug)]
enum Item {
    Line(Vec<u8>),
    /// Everything before it has been written, or lost, when this is answered.
    Flush(SyncSender<()>),
}

impl Output {
    /// Begins to write to a stream.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn to(name: &str, stream: impl Write + Send + 'static) -> io::Result<Self> {
        let (lines, waiting) = sync_channel(LINES_MAX);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer { stream, lost: Arc::clone(&lost), reported: 0, is_torn: false };
        std::thread::Builder::new().name(name.to_owned()).spawn(move || writer.run(&waiting))?;
        Ok(Self { lines, lost })
    }

    /// Hands over one line, its end included, or several that belong together.
    pub(crate) fn line(&self, line: impl Into<Vec<u8>>) {
        if self.lines.try_send(Item::Line(line.into())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many lines were lost so far.
    pub(crate) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Waits until what was handed over is written, or lost; not longer than [`FLUSH_MAX`]. Says whether it came to
    /// that. Blocks the thread.
    pub(crate) fn flush(&self) -> bool {
        let (done, flushed) = sync_channel(1);
        // A reader that reads nothing is not waited for.
        self.lines.try_send(Item::Flush(done)).is_ok() && flushed.recv_timeout(FLUSH_MAX).is_ok()
    }
}

/// A line for each event, as `tracing_subscriber::fmt` writes them.
impl Write for Output {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.line(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

struct Writer<W> {
    stream: W,
    lost: Arc<AtomicU64>,
    /// How many lost lines the log has told of.
    reported: u64,
    /// Whether the last write failed, perhaps in the middle of a line.
    is_torn: bool,
}

impl<W: Write> Writer<W> {
    fn run(mut self, waiting: &Receiver<Item>) {
        loop {
            let item = match waiting.try_recv() {
                Ok(item) => item,
                Err(TryRecvError::Disconnected) => return,
                Err(TryRecvError::Empty) => {
                    self.report();
                    let Ok(item) = waiting.recv() else { return };
                    item
                }
            };
            match item {
                Item::Line(line) => self.write(&line),
                Item::Flush(done) => {
                    self.stream.flush().ok();
                    done.send(()).ok();
                }
            }
        }
    }

    fn write(&mut self, line: &[u8]) {
        // Not in the middle of the line before.
        let end = if self.is_torn { self.stream.write_all(b"\n") } else { Ok(()) };
        let written = end.and_then(|()| self.stream.write_all(line));
        self.is_torn = written.is_err();
        if self.is_torn {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Says what was lost, as a line of the log: after one that was written, and when nothing else waits.
    fn report(&mut self) {
        let lost = self.lost.load(Ordering::Relaxed);
        if self.is_torn || lost == self.reported {
            return;
        }
        tracing::warn!(target: LOST, lost = lost - self.reported, "lines of this log were lost: it could not be written");
        self.reported = lost;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::mpsc::Sender;

    use super::*;

    /// Fails while it is told to, and keeps what it was given otherwise.
    #[derive(Clone, Default)]
    struct Moody {
        fails: Arc<std::sync::atomic::AtomicBool>,
        kept: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for Moody {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.fails.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.kept.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_later_ones_are_whole() {
        let stream = Moody::default();
        let output = Output::to("test", stream.clone()).unwrap();
        output.line("one\n");
        output.flush();
        stream.fails.store(true, Ordering::Relaxed);
        output.line("two\n");
        output.line("three\n");
        output.flush();
        assert_eq!(output.lost(), 2);
        stream.fails.store(false, Ordering::Relaxed);
        output.line("four\n");
        output.flush();
        assert_eq!(String::from_utf8_lossy(&stream.kept.lock().unwrap()), "one\n\nfour\n");
        assert_eq!(output.lost(), 2);
    }

    /// Takes one line and no second one, until it is let go.
    struct Stalled(Receiver<()>, Sender<()>);

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.send(()).ok();
            self.0.recv().ok();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nobody_waits_for_a_reader_that_reads_nothing() {
        let (go_on, goes_on) = std::sync::mpsc::channel();
        let (begins, begun) = std::sync::mpsc::channel();
        let output = Output::to("test", Stalled(goes_on, begins)).unwrap();
        output.line("being written\n");
        begun.recv().unwrap();
        for _ in 0..LINES_MAX + 10 {
            output.line("waits\n");
        }
        assert_eq!(output.lost(), 10, "the queue is bounded");
        output.flush();
        drop(go_on);
    }
}
