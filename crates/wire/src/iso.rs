//! Times as JavaScript writes and reads them.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat};
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

/// Reads what `new Date(text)` reads alike in every JavaScript engine: the forms of ECMA-262, and what `toString` and
/// `toUTCString` write. Times without a zone are UTC, because nobody here knows the client's.
///
/// A `+` that was not encoded for a query arrives as a space, and is taken for what it was.
pub(crate) fn parse_as_javascript(text: &str) -> Option<Timestamp> {
    parse(text)
        .or_else(|| parse(&with_plus(text)?))
        .or_else(|| short(text))
        .or_else(|| of_to_string(text))
        .or_else(|| {
            DateTime::parse_from_rfc2822(text).ok().map(|at| Timestamp::from_millis(at.timestamp_millis()))
        })
}

/// `2025-08-08T10:30:00 02:00`, as it was before it was decoded.
fn with_plus(text: &str) -> Option<String> {
    let (moment, zone) = text.rsplit_once(' ')?;
    (moment.contains('T') && zone.len() == 5).then(|| format!("{moment}+{zone}"))
}

/// A year, a month, or a day with a time but no zone or no seconds.
fn short(text: &str) -> Option<Timestamp> {
    let (text, zone) = match text.strip_suffix('Z') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let day = match text.len() {
        4 => format!("{text}-01-01"),
        7 => format!("{text}-01"),
        _ => String::new(),
    };
    if !zone && !day.is_empty() {
        return parse(&day);
    }
    let mut forms =
        ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S%.f"].into_iter();
    let at = forms.find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())?;
    Some(Timestamp::from_millis(at.and_utc().timestamp_millis()))
}

/// `Fri Aug 08 2025 10:30:00 GMT+0000 (Coordinated Universal Time)`.
fn of_to_string(text: &str) -> Option<Timestamp> {
    let text = text.split_once(" (").map_or(text, |(text, _)| text).replacen("GMT ", "GMT+", 1);
    let at = DateTime::parse_from_str(&text, "%a %b %d %Y %H:%M:%S GMT%z").ok()?;
    Some(Timestamp::from_millis(at.timestamp_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_javascript_writes_is_read() {
        let at = |text: &str| parse_as_javascript(text).map(format);
        for text in [
            "2025-08-08T10:30:00.000Z",
            "2025-08-08T10:30:00Z",
            "2025-08-08T10:30Z",
            "2025-08-08T10:30",
            "2025-08-08T10:30:00.000",
            "2025-08-08 10:30:00",
            "2025-08-08 10:30",
            "2025-08-08T12:30:00+02:00",
            "2025-08-08T12:30:00 02:00",
            "2025-08-08T10:30:00.000000+00:00",
            "Fri, 08 Aug 2025 10:30:00 GMT",
            "Fri, 08 Aug 2025 12:30:00 +0200",
            "Fri Aug 08 2025 10:30:00 GMT+0000 (Coordinated Universal Time)",
            "Fri Aug 08 2025 12:30:00 GMT+0200 (CEST)",
            "Fri Aug 08 2025 12:30:00 GMT 0200 (CEST)",
            "Fri Aug 08 2025 06:30:00 GMT-0400",
        ] {
            assert_eq!(at(text).as_deref(), Some("2025-08-08T10:30:00.000Z"), "{text}");
        }
        assert_eq!(at("2025-08-08").as_deref(), Some("2025-08-08T00:00:00.000Z"));
        assert_eq!(at("2025-08").as_deref(), Some("2025-08-01T00:00:00.000Z"));
        assert_eq!(at("2025").as_deref(), Some("2025-01-01T00:00:00.000Z"));
        assert_eq!(at("2025-08-08T10:30:00.123456Z").as_deref(), Some("2025-08-08T10:30:00.123Z"));
        for text in [
            "",
            "yesterday",
            "1754649000000",
            "-1",
            "1e9",
            "08/08/2025",
            "2025-13-45",
            "2025-02-30",
            "2025-02-30T00:00:00Z",
            "2025-01-01T25:00:00Z",
            "2025Z",
            "2025-08Z",
            "Mon Aug 08 2025 10:30:00 GMT+0000",
            "Fri, 08 Aug",
            "NaN",
            "2025-08-08T10:30:00Z trailing",
            "999999-01-01",
            "\u{0}",
            "20é5",
        ] {
            assert_eq!(at(text), None, "{text}");
        }
    }
}
