//! A log that says each thing once: what repeats a warning or an error within ten seconds is counted, not written.
//!
//! A disk that is full or a client that hammers would otherwise write hundreds of kilobytes a second, and hide what else
//! happens. The cause of a line is the text of its `error`, wherever it is logged; without one, it is the place in the
//! code with the route and status, if there are any. Levels below a warning are for whoever asked for everything.

use std::collections::HashMap;
use std::fmt::{self, Debug, Write};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::LazyLock;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::output::LOST;

/// How long a cause is not written again.
const INTERVAL: Duration = Duration::from_secs(10);
/// How often there is a look at what has repeated.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// The most causes at once. With more, each place in the code counts as one.
const CAUSES_MAX: usize = 1_000;
/// How much of a line's text is kept, in characters.
const TEXT_CHARS_MAX: usize = 300;
/// Under which name the lines about repeated ones are logged.
const TARGET: &str = "tidings::repeats";

/// The fields that tell causes apart.
const TELLING: [&str; 7] = ["method", "route", "status", "event", "issuer", "budget", "user"];

/// Of the whole process, as its log is.
static REPEATS: LazyLock<Repeats> = LazyLock::new(Repeats::default);

/// The layer that keeps repeated lines out of the log.
pub(crate) fn left_out<S: Subscriber>() -> impl Layer<S> {
    Once(&REPEATS)
}

/// Tells how often lines were left out, until `stop`.
pub(crate) async fn tell(stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(TELL_EVERY)).await.is_some() {
        for Cause { text, more, .. } in REPEATS.over(Instant::now()) {
            tracing::warn!(target: TARGET, times = more, line = text, "repeated");
        }
    }
}

#[derive(Debug, Default)]
struct Repeats(Mutex<HashMap<u64, Cause>>);

#[derive(Debug)]
struct Cause {
    /// When the same may be written again.
    until: Instant,
    text: String,
    /// How often it was left out.
    more: u64,
}

impl Repeats {
    /// Whether the line is to be written.
    fn admit(&self, line: &Line, now: Instant) -> bool {
        let mut causes = self.0.lock();
        let key = if causes.len() < CAUSES_MAX { line.key } else { line.place };
        if let Some(cause) = causes.get_mut(&key) {
            if now < cause.until {
                cause.more += 1;
                return false;
            }
            cause.until = now + INTERVAL;
        } else {
            causes.insert(key, Cause { until: now + INTERVAL, text: line.text(), more: 0 });
        }
        true
    }

    /// The causes whose interval is over, if they were repeated. They are forgotten.
    fn over(&self, now: Instant) -> Vec<Cause> {
        let mut causes = self.0.lock();
        let over = causes.extract_if(|_, cause| cause.until <= now).map(|(_, cause)| cause);
        over.filter(|cause| cause.more > 0).collect()
    }
}

struct Once(&'static Repeats);

impl<S: Subscriber> Layer<S> for Once {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let about = event.metadata();
        *about.level() > Level::WARN
            || [TARGET, LOST].contains(&about.target())
            || self.0.admit(&Line::of(event), Instant::now())
    }
}

/// What tells a line from others.
#[derive(Debug, Default)]
struct Line {
    key: u64,
    place: u64,
    message: String,
    error: String,
    others: String,
}

impl Line {
    fn of(event: &Event<'_>) -> Self {
        let mut line = Self::default();
        event.record(&mut line);
        let about = event.metadata();
        line.place = hash(&about.callsite());
        line.key = if line.error.is_empty() {
            hash(&(line.place, &line.others))
        } else {
            hash(&(about.level(), &line.error))
        };
        line
    }

    fn text(&self) -> String {
        let parts = [&self.message, &self.error, &self.others];
        let parts: Vec<&str> =
            parts.into_iter().map(|part| part.trim()).filter(|part| !part.is_empty()).collect();
        parts.join(": ")
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let to = match field.name() {
            "message" => &mut self.message,
            "error" => &mut self.error,
            name if TELLING.contains(&name) => {
                self.others.push(' ');
                &mut self.others
            }
            _ => return,
        };
        // It ends with an error where there is no more room.
        write!(Bounded { text: to, left: TEXT_CHARS_MAX }, "{value:?}").ok();
    }
}

/// A text that takes so many more characters.
struct Bounded<'a> {
    text: &'a mut String,
    left: usize,
}

impl Write for Bounded<'_> {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        for c in more.chars() {
            self.left = self.left.checked_sub(1).ok_or(fmt::Error)?;
            self.text.push(c);
        }
        Ok(())
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines of a log, and what is left out of it.
    fn logged(what: impl FnOnce()) -> (Vec<String>, &'static Repeats) {
        let repeats: &'static Repeats = Box::leak(Box::default());
        let written = Written::default();
        let writer = written.clone();
        let log = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        tracing::subscriber::with_default(log.with(Once(repeats)), what);
        let text = String::from_utf8(written.0.lock().clone()).unwrap();
        (text.lines().map(str::to_owned).collect(), repeats)
    }

    fn later(repeats: &Repeats) -> Vec<(String, u64)> {
        let over = repeats.over(Instant::now() + INTERVAL).into_iter();
        over.map(|cause| (cause.text, cause.more)).collect()
    }

    #[test]
    fn a_cause_is_written_once_wherever_it_is_logged() {
        let (lines, repeats) = logged(|| {
            for request in 0..1_000 {
                tracing::error!(error = %"the disk is full", jobs = request, "nothing of a batch was stored");
                tracing::error!(error = %"the disk is full", route = "/threads", "a request failed");
            }
            tracing::error!(error = %"another", "a request failed");
        });
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(
            lines[0].contains("nothing of a batch was stored error=the disk is full jobs=0"),
            "{lines:?}"
        );
        let text = "nothing of a batch was stored: the disk is full".to_owned();
        assert_eq!(later(repeats), [(text, 1_999)]);
        assert_eq!(later(repeats), [], "it is forgotten");
    }

    #[test]
    fn without_an_error_the_place_and_the_route_are_the_cause() {
        let (lines, repeats) = logged(|| {
            for duration_ms in 0..10 {
                for (route, status) in [("/a", 503), ("/a", 500), ("/b", 503)] {
                    tracing::warn!(route, status, duration_ms, "answered");
                }
            }
        });
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert_eq!(later(repeats).iter().map(|(_, more)| *more).collect::<Vec<_>>(), [9, 9, 9]);
    }

    #[test]
    fn each_user_is_a_cause_of_their_own() {
        let (lines, _) = logged(|| {
            for user in ["alice", "bob", "alice"] {
                tracing::warn!(%user, "further sessions are refused");
            }
        });
        assert_eq!(lines.len(), 2, "{lines:?}");
    }

    #[test]
    fn every_count_of_lost_lines_is_written() {
        let (lines, _) =
            logged(|| (1..=3).for_each(|lost| tracing::warn!(target: LOST, lost, "lines were lost")));
        assert_eq!(lines.len(), 3, "{lines:?}");
    }

    #[test]
    fn what_is_no_warning_is_always_written() {
        let (lines, _) = logged(|| (0..10).for_each(|n| tracing::info!(n, "somebody is told")));
        assert_eq!(lines.len(), 10);
    }

    #[test]
    fn after_the_interval_it_is_written_again() {
        let repeats = Repeats::default();
        let line = || Line { key: 7, message: "it".to_owned(), ..Line::default() };
        let began = Instant::now();
        let admitted = |after: Duration| repeats.admit(&line(), began + after);
        assert!(admitted(Duration::ZERO));
        assert!(!admitted(INTERVAL - Duration::from_millis(1)));
        assert!(admitted(INTERVAL));
        assert!(!admitted(INTERVAL + Duration::from_secs(1)));
    }

    #[test]
    fn many_causes_take_bounded_memory() {
        let repeats = Repeats::default();
        let now = Instant::now();
        let lines = (0..10_000).map(|key| Line { key: key + 10, place: key % 10, ..Line::default() });
        let written = lines.filter(|line| repeats.admit(line, now)).count();
        assert_eq!(written, CAUSES_MAX + 10);
        assert_eq!(repeats.0.lock().len(), CAUSES_MAX + 10);
    }
}
