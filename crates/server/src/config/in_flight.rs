//! The keys of `[limits]` on answers: how many a user may wait for, how much of them is in memory, how slowly they may be
//! read.

use std::num::NonZeroUsize;

use tidings_transport_http::InFlightLimits;

use super::key::Key;
use super::source::Source;
use super::value::{count, size};

const SIZE: &str = "a number with a unit: B, KiB, MiB, GiB";
const COUNT: &str = "a number from 1 on";

static ALL: [Key; 4] = [
    Key::new(
        "limits.requests_in_flight",
        "8",
        COUNT,
        "Most REST requests of a user at once; more wait for up to 5 s and are then answered 429. A request counts until \
         the client has taken its answer.",
    ),
    Key::new(
        "limits.reads_in_flight",
        "1",
        COUNT,
        "Most of these that read a list or a page from the store at once; more wait in the same way. With as many as the \
         machine has cores, or the store connections for reading, one user is in everybody's way.",
    ),
    Key::new(
        "limits.answers",
        "\"64MiB\"",
        SIZE,
        "Most bytes of REST answers of all users that clients have not taken yet; more wait for up to 5 s and are then \
         answered 503. Answers of up to 16 KiB are not counted.",
    ),
    Key::new(
        "limits.read_rate",
        "\"4KiB\"",
        "a number with a unit: B, KiB, MiB, GiB; or off",
        "How much a client must take of an answer that waits for it, in a second; taken over 30 s. Slower ones are closed.",
    ),
];
pub(crate) static KEYS: &[Key] = &ALL;

/// How much of answers there may be.
#[derive(Debug, Clone)]
pub(crate) struct InFlightSettings {
    pub(crate) limits: InFlightLimits,
    /// In bytes for each second; `None`: any byte will do.
    pub(crate) read_rate: Option<NonZeroUsize>,
}

pub(super) fn read(source: &mut Source<'_>) -> Option<InFlightSettings> {
    let [requests, reads, answers, rate] = &ALL;
    // All are read before any is missed, so that every mistake is reported.
    let [requests, reads] = [requests, reads].map(|key| source.read(key, count));
    let answers = source.read(answers, size);
    let rate = source.read(rate, |value| match value.as_str() {
        Some("off") => Ok(None),
        _ => size(value).map(NonZeroUsize::new),
    });
    let mut limits = InFlightLimits::default();
    limits.requests_per_user = requests?;
    limits.reads_per_user = reads?;
    limits.answer_bytes = answers?;
    Some(InFlightSettings { limits, read_rate: rate? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Environment, Flags};

    /// What an operator reads as a default is what an embedder gets.
    #[test]
    fn the_defaults_are_those_of_the_router() {
        let (flags, env) = (Flags::new(), Environment::default());
        let settings = read(&mut Source::new(&flags, &env, toml::Table::new())).unwrap();
        assert_eq!(settings.limits, InFlightLimits::default());
        assert_eq!(settings.read_rate, NonZeroUsize::new(4 * 1024));
    }
}
