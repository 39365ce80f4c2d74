//! Moments, as people write and read them.

use crate::config::scalar;
use crate::telemetry::timestamp::now_ms;
use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::Value;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// `--expires`: RFC 3339, a date (its first moment in UTC), or from now: `90d`, `12h`.
pub fn ahead(text: &str) -> Result<String, String> {
    moment(text, now_ms(), 1)
}

/// `--since`: RFC 3339, a date, or back from now: `7d`.
pub fn back(text: &str) -> Result<String, String> {
    moment(text, now_ms(), -1)
}

fn moment(text: &str, now: i64, direction: i64) -> Result<String, String> {
    let relative = scalar::duration(text).ok().and_then(|d| i64::try_from(d.as_millis()).ok());
    let moment = match (relative, text.parse::<Date>()) {
        (Some(millis), _) => Some(now.saturating_add(direction * millis)),
        (None, Ok(date)) if text.len() == 10 => {
            date.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|z| z.timestamp().as_millisecond())
        }
        _ => scalar::timestamp(text).ok(),
    };
    let wrong = || "write a moment (2027-06-30T00:00:00Z), a date (2027-06-30) or a duration (90d, 12h)".to_owned();
    moment.and_then(rfc3339).ok_or_else(wrong)
}

/// `--grace`: a duration, as the configuration writes it.
pub fn duration(text: &str) -> Result<String, String> {
    scalar::duration(text).map(|_| text.to_owned()).map_err(|wrong| format!("{}; {}", wrong.reason, wrong.remedy))
}

fn rfc3339(millis: i64) -> Option<String> {
    Timestamp::from_millisecond(millis).ok().map(|t| t.to_string())
}

/// A moment of the API as RFC 3339: it may be a text or Unix milliseconds.
pub fn written(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(millis) => rfc3339(millis.as_i64()?),
        _ => None,
    }
}

/// `3 hours ago`, `in 2 days`; the text itself if it is no moment.
pub fn ago(text: &str) -> String {
    relative(text, now_ms()).unwrap_or_else(|| super::table::printable(text))
}

fn relative(text: &str, now: i64) -> Option<String> {
    let moment = scalar::timestamp(text).ok()?;
    let seconds = moment.saturating_sub(now) / 1_000;
    let (count, unit) = match seconds.unsigned_abs() as i64 {
        0..10 => return Some("just now".to_owned()),
        s @ 10..MINUTE => (s, "second"),
        s @ MINUTE..HOUR => (s / MINUTE, "minute"),
        s @ HOUR..DAY => (s / HOUR, "hour"),
        s if s < 60 * DAY => (s / DAY, "day"),
        s if s < 730 * DAY => (s / (30 * DAY), "month"),
        s => (s / (365 * DAY), "year"),
    };
    let plural = if count == 1 { "" } else { "s" };
    Some(if seconds < 0 { format!("{count} {unit}{plural} ago") } else { format!("in {count} {unit}{plural}") })
}

/// Whole days from this moment until now; none if it is no moment.
pub fn days_since(text: &str) -> Option<u64> {
    let seconds = now_ms().saturating_sub(scalar::timestamp(text).ok()?) / 1_000;
    u64::try_from(seconds / DAY).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_767_225_600_000;

    #[test]
    fn moments_are_written_in_three_ways() {
        let ahead = |text: &str| moment(text, NOW, 1);
        assert_eq!(ahead("90d").unwrap(), "2026-04-01T00:00:00Z");
        assert_eq!(ahead("12h").unwrap(), "2026-01-01T12:00:00Z");
        assert_eq!(moment("7d", NOW, -1).unwrap(), "2025-12-25T00:00:00Z");
        assert_eq!(ahead("2027-06-30").unwrap(), "2027-06-30T00:00:00Z");
        assert_eq!(ahead("2027-06-30T02:00:00+02:00").unwrap(), "2027-06-30T00:00:00Z");
        for bad in ["", "tomorrow", "90", "2027-06", "2027-13-01", "2027-06-30 00:00", "20270630"] {
            assert!(ahead(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn moments_are_told_as_people_tell_them() {
        let told = |text: &str| relative(text, NOW).unwrap();
        assert_eq!(told("2026-01-01T00:00:03Z"), "just now");
        assert_eq!(told("2025-12-31T23:59:00Z"), "1 minute ago");
        assert_eq!(told("2025-12-31T21:00:00Z"), "3 hours ago");
        assert_eq!(told("2026-01-03T00:00:00Z"), "in 2 days");
        assert_eq!(told("2025-06-01T00:00:00Z"), "7 months ago");
        assert_eq!(told("2029-06-01T00:00:00Z"), "in 3 years");
        assert_eq!(relative("soon", NOW), None);
    }
}
