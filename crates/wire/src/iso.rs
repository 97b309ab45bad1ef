//! Times as JavaScript writes and reads them.

use chrono::{DateTime, NaiveDate, NaiveTime, SecondsFormat};
use tidings_domain::time::Timestamp;

/// `2025-08-08T10:30:00.000Z`.
pub(crate) fn format(at: Timestamp) -> String {
    // Out of chrono's range (some 260,000 years) only if somebody wrote nonsense into the store.
    DateTime::from_timestamp_millis(at.as_millis())
        .unwrap_or(DateTime::UNIX_EPOCH)
        .to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Reads a date with time and zone (RFC 3339), or a date alone, which is midnight UTC as in JavaScript.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let millis = DateTime::parse_from_rfc3339(text)
        .map(|at| at.timestamp_millis())
        .or_else(|_| {
            NaiveDate::parse_from_str(text, "%Y-%m-%d")
                .map(|day| day.and_time(NaiveTime::MIN).and_utc().timestamp_millis())
        })
        .ok()?;
    Some(Timestamp::from_millis(millis))
}
