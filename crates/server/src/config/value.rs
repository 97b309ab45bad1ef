//! The parsers of values. What came as text, from a flag or the environment, is a TOML string to them.

use std::time::Duration;

use toml::Value;

/// Why a value is not taken, beyond not being what was expected; often nothing more is to be said.
pub(crate) type Wrong = Option<String>;

/// A text that is not empty.
pub(crate) fn text(value: &Value) -> Result<String, Wrong> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).ok_or(None)
}

/// Any of these words.
pub(crate) fn one_of<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&Value) -> Result<T, Wrong> {
    move |value| {
        let text = text(value)?;
        words.iter().find(|(word, _)| word.eq_ignore_ascii_case(&text)).map(|(_, meant)| *meant).ok_or(None)
    }
}

pub(crate) fn boolean(value: &Value) -> Result<bool, Wrong> {
    value.as_bool().or_else(|| value.as_str()?.trim().parse().ok()).ok_or(None)
}

/// A whole number from 1 on.
pub(crate) fn count(value: &Value) -> Result<usize, Wrong> {
    let number = value.as_integer().and_then(|number| usize::try_from(number).ok());
    let number = number.or_else(|| value.as_str()?.trim().parse().ok());
    number.filter(|number| *number > 0).ok_or(None)
}

/// Texts: an array, or one text with commas.
pub(crate) fn list(value: &Value) -> Result<Vec<String>, Wrong> {
    if let Some(values) = value.as_array() {
        return values.iter().map(text).collect();
    }
    let parts = value.as_str().ok_or(None)?.split(',').map(str::trim);
    Ok(parts.filter(|part| !part.is_empty()).map(str::to_owned).collect())
}

/// A time with a unit, more than none.
pub(crate) fn duration(value: &Value) -> Result<Duration, Wrong> {
    duration_of(&text(value)?).filter(|duration| !duration.is_zero()).ok_or(None)
}

/// A time with a unit: `200ms`, `90s`, `15m`, `1h`, `7d`.
pub(crate) fn duration_of(text: &str) -> Option<Duration> {
    let units = [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
    number_with_unit(text, &units).map(Duration::from_millis)
}

/// A number of bytes with a unit: `64KiB`, more than none.
pub(crate) fn size(value: &Value) -> Result<usize, Wrong> {
    let units = [
        ("B", 1),
        ("kB", 1_000),
        ("KiB", 1 << 10),
        ("MB", 1_000_000),
        ("MiB", 1 << 20),
        ("GB", 1_000_000_000),
        ("GiB", 1 << 30),
    ];
    let bytes = number_with_unit(&text(value)?, &units);
    bytes.and_then(|bytes| usize::try_from(bytes).ok()).filter(|bytes| *bytes > 0).ok_or(None)
}

fn number_with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| unit.trim_start() == *name)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration_of("90s"), Some(Duration::from_secs(90)));
        assert_eq!(duration_of("200 ms"), Some(Duration::from_millis(200)));
        assert_eq!(duration_of("7d"), Some(Duration::from_hours(168)));
        for wrong in ["", "s", "10", "1w", "-1h", "1.5h", "99999999999999999999d", "18446744073709551615d"] {
            assert_eq!(duration_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn sizes_have_a_unit() {
        assert_eq!(size(&Value::from("64KiB")), Ok(65_536));
        assert_eq!(size(&Value::from("1 MiB")), Ok(1_048_576));
        assert_eq!(size(&Value::from("1MB")), Ok(1_000_000));
        assert_eq!(size(&Value::from("2kB")), Ok(2_000));
        for wrong in [Value::from(65_536), Value::from("64"), Value::from("64kb"), Value::from("0B")] {
            assert_eq!(size(&wrong), Err(None), "{wrong}");
        }
    }

    #[test]
    fn lists_are_arrays_or_have_commas() {
        assert_eq!(list(&Value::from("a, b,,")), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(list(&Value::from(vec!["a", "b"])), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(list(&Value::from(1)), Err(None));
    }

    #[test]
    fn counts_begin_at_one() {
        assert_eq!((count(&Value::from(3)), count(&Value::from("3"))), (Ok(3), Ok(3)));
        for wrong in [Value::from(0), Value::from(-1), Value::from(1.5), Value::from("many")] {
            assert_eq!(count(&wrong), Err(None), "{wrong}");
        }
    }
}
