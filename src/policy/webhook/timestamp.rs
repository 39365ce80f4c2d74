//! When a delivery was signed, as its sender's clock says, and whether that is near enough to ours.

use crate::model::denial::BadTime;
use crate::model::webhook::Clock;
use std::time::Duration;

/// More digits than any clock shows; fewer than a number could overflow with.
const DIGITS: usize = 18;
/// `2026-11-21T19:04:09.123456789+01:00` and some.
const RFC3339: usize = 40;

/// Unix milliseconds; none of what is not written as this clock writes. Nothing overflows: what is too far away for a number
/// is as far away as a number can be.
pub(super) fn milliseconds(clock: Clock, written: &[u8]) -> Option<i64> {
    match clock {
        Clock::Seconds => digits(written).map(|seconds| seconds.saturating_mul(1000)),
        Clock::Milliseconds => digits(written),
        Clock::Rfc3339 => rfc3339(written),
    }
}

/// As this clock writes it.
pub(super) fn written(clock: Clock, milliseconds: i64) -> String {
    match clock {
        Clock::Seconds => milliseconds.div_euclid(1000).to_string(),
        Clock::Milliseconds => milliseconds.to_string(),
        Clock::Rfc3339 => jiff::Timestamp::from_millisecond(milliseconds).unwrap_or_default().to_string(),
    }
}

/// Exactly as far as the tolerance is near enough.
pub(super) fn within(signed: i64, now: i64, tolerance: Duration) -> Result<(), BadTime> {
    let ago = i128::from(now) - i128::from(signed);
    match i128::try_from(tolerance.as_millis()).unwrap_or(i128::MAX) {
        tolerance if ago > tolerance => Err(BadTime::TooOld),
        tolerance if -ago > tolerance => Err(BadTime::TooFarAhead),
        _ => Ok(()),
    }
}

/// No sign, no blanks, no fraction, and no zeros before it: with those, the same time could be written at the cost of what is
/// signed before it.
fn digits(written: &[u8]) -> Option<i64> {
    let digits = (1..=DIGITS).contains(&written.len()) && written.iter().all(u8::is_ascii_digit);
    let plain = digits && (written.len() == 1 || !written.starts_with(b"0"));
    plain.then(|| written.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0')))
}

/// The library reads more than the standard has: names of time zones, years of six digits.
fn rfc3339(written: &[u8]) -> Option<i64> {
    let known =
        |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'T' | b't' | b'Z' | b'z' | b':' | b'.' | b'+' | b'-');
    // Offsets have minutes, and no seconds: whatever is signed behind it could be shortened otherwise.
    let offset = matches!(written, [.., b'Z' | b'z'] | [.., b'+' | b'-', _, _, b':', _, _]);
    let plain = offset && written.len() <= RFC3339 && written.first()?.is_ascii_digit() && written.iter().all(known);
    let text = std::str::from_utf8(written).ok().filter(|_| plain)?;
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn h3_unix_time_is_plain_digits() {
        let seconds = |text: &str| milliseconds(Clock::Seconds, text.as_bytes());
        assert_eq!(seconds("1614265330"), Some(1_614_265_330_000));
        assert_eq!(seconds("999999999999999999"), Some(i64::MAX), "absurd, but no panic");
        assert_eq!(seconds("0"), Some(0));
        let wrong =
            ["", "-1", "+1", "01614265330", "00", " 1", "1 ", "1.0", "1e9", "0x1", "１", "1614265330000000000", "now"];
        wrong.iter().for_each(|wrong| assert_eq!(seconds(wrong), None, "{wrong}"));
        assert_eq!(milliseconds(Clock::Milliseconds, b"1614265330123"), Some(1_614_265_330_123));
    }

    #[test]
    fn h3_rfc_3339_has_any_offset() {
        let read = |text: &str| milliseconds(Clock::Rfc3339, text.as_bytes());
        for same in [
            "2021-02-25T15:02:10Z",
            "2021-02-25t15:02:10.000z",
            "2021-02-25T16:02:10+01:00",
            "2021-02-25T04:32:10.0-10:30",
            "2021-02-26T05:02:10+14:00",
        ] {
            assert_eq!(read(same), Some(1_614_265_330_000), "{same}");
        }
        assert_eq!(read("2021-02-25T15:02:10.123999Z"), Some(1_614_265_330_123));
        for wrong in [
            "",
            "2021-02-25",
            "2021-02-25T15:02:10",
            "2021-02-25T16:02:10+01",
            "2021-02-25T16:02:10+0100",
            "2021-02-25T16:02:10+01:00:00",
            "2021-02-25T15:02:10+01:00[Europe/Paris]",
            "+002021-02-25T15:02:10Z",
            "2021-02-30T15:02:10Z",
            "1614265330",
            " 2021-02-25T15:02:10Z",
            "Thu, 25 Feb 2021 15:02:10 GMT",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn h3_exactly_at_the_tolerance_is_near_enough() {
        let minutes = Duration::from_secs(300);
        assert_eq!(within(1_000_000, 1_300_000, minutes), Ok(()));
        assert_eq!(within(1_000_000, 1_300_001, minutes), Err(BadTime::TooOld));
        assert_eq!(within(1_300_000, 1_000_000, minutes), Ok(()));
        assert_eq!(within(1_300_001, 1_000_000, minutes), Err(BadTime::TooFarAhead));
        assert_eq!(within(0, 0, Duration::ZERO), Ok(()));
        assert_eq!(within(i64::MIN, i64::MAX, Duration::MAX), Ok(()));
        assert_eq!(within(i64::MAX, i64::MIN, minutes), Err(BadTime::TooFarAhead));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(at in 0..253_402_300_799_000i64) {
            for clock in [Clock::Seconds, Clock::Milliseconds, Clock::Rfc3339] {
                let read = milliseconds(clock, written(clock, at).as_bytes());
                prop_assert_eq!(read, Some(if clock == Clock::Seconds { at - at % 1000 } else { at }));
            }
        }

        #[test]
        fn whatever_is_written_is_no_reason_to_panic(text in "[0-9TZ:.+-]{0,30}", now: i64, tolerance: u64) {
            for clock in [Clock::Seconds, Clock::Milliseconds, Clock::Rfc3339] {
                if let Some(at) = milliseconds(clock, text.as_bytes()) {
                    let _ = within(at, now, Duration::from_secs(tolerance));
                }
            }
        }
    }
}
