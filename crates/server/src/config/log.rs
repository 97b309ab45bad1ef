//! `[log]`: what is written to standard error.

use tracing_subscriber::EnvFilter;

use super::key::Key;
use super::source::Source;
use super::value::{one_of, text};

static ALL: [Key; 2] = [
    Key::new(
        "log.filter",
        "\"info\"",
        "a filter as of the crate tracing-subscriber: info, tidings_transport_ws=debug,info",
        "What is logged to standard error: a level (`error`, `warn`, `info`, `debug`, `trace`), or several by module.",
    )
    .aliases(&["TIDINGS_LOG"])
    .flag("--log"),
    Key::new("log.format", "\"text\"", "text or json", "How: `text` for people, `json` for programs, one object a line."),
];
pub(crate) static KEYS: &[Key] = &ALL;

/// What is logged, and how.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    /// Known to be a filter.
    pub(crate) filter: String,
    pub(crate) format: LogFormat,
}

/// How a line of the log looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    Text,
    Json,
}

pub(super) fn read(source: &mut Source<'_>) -> Option<Log> {
    let [filter, format] = &ALL;
    let filter = source.read(filter, |value| {
        let text = text(value)?;
        EnvFilter::try_new(&text).map(|_| text).map_err(|error| Some(error.to_string()))
    });
    let format = source.read(format, one_of(&[("text", LogFormat::Text), ("json", LogFormat::Json)]));
    Some(Log { filter: filter?, format: format? })
}
