//! RFC 3339 in UTC with milliseconds, written without an allocation and without a time zone in sight.

use std::cell::Cell;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const SECOND: i64 = 1_000;
const DAY: i64 = 86_400 * SECOND;
/// 0000-01-01 and the last millisecond of 9999: RFC 3339 has four digits for a year, so a clock gone mad is clamped.
const EARLIEST: i64 = -719_528 * DAY;
const LATEST: i64 = 2_932_897 * DAY - 1;

/// `2026-01-31T08:05:09.042Z`
pub(super) fn rfc3339(unix_ms: i64) -> [u8; 24] {
    thread_local! {
        /// Most times are of the second that was put into words last.
        static LAST: Cell<(i64, [u8; 24])> = const { Cell::new((0, [0; 24])) };
    }
    // The first second is what an unused one holds.
    if !(SECOND..=LATEST).contains(&unix_ms) {
        return in_words(unix_ms);
    }
    let (second, millis) = (unix_ms / SECOND, unix_ms % SECOND);
    let (last, mut text) = LAST.get();
    if last == second {
        put(&mut text[20..23], millis);
    } else {
        text = in_words(unix_ms);
        LAST.set((second, text));
    }
    text
}

fn in_words(unix_ms: i64) -> [u8; 24] {
    let unix_ms = unix_ms.clamp(EARLIEST, LATEST);
    let (year, month, day) = civil(unix_ms.div_euclid(DAY));
    let in_day = unix_ms.rem_euclid(DAY);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    for (at, width, number) in [
        (0, 4, year),
        (5, 2, month),
        (8, 2, day),
        (11, 2, in_day / (3_600 * SECOND)),
        (14, 2, in_day / (60 * SECOND) % 60),
        (17, 2, in_day / SECOND % 60),
        (20, 3, in_day % SECOND),
    ] {
        put(&mut text[at..at + width], number);
    }
    text
}

/// The same as text.
pub fn text(unix_ms: i64) -> String {
    rfc3339(unix_ms).iter().map(|byte| char::from(*byte)).collect()
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
        Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
    }
}

/// Milliseconds since 1970 at a moment that was just looked at. The clock on the wall is looked at ten times a second and
/// counted on from there: whoever sets it is followed within a tenth of a second.
pub fn unix_ms(at: Instant) -> i64 {
    const TRUSTED: Duration = Duration::from_millis(100);
    thread_local! {
        static SEEN: Cell<Option<(Instant, i64)>> = const { Cell::new(None) };
    }
    match SEEN.get() {
        Some((seen, ms)) if at.duration_since(seen) < TRUSTED => ms + at.duration_since(seen).as_millis() as i64,
        _ => {
            let ms = now_ms();
            SEEN.set(Some((at, ms)));
            ms
        }
    }
}

fn put(place: &mut [u8], mut number: i64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Days since 1970-01-01 to a Gregorian date. Years are counted from March, so that the leap day comes last, and in
/// eras of 400 years, which are all of one length (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097;
    let days = days + 719_468;
    let era = days.div_euclid(ERA);
    let in_era = days.rem_euclid(ERA);
    let year_in_era = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year_in_era + year_in_era / 4 - year_in_era / 100);
    let month_from_march = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, carry) = match month_from_march {
        early @ 0..=9 => (early + 3, 0),
        late => (late - 9, 1),
    };
    (era * 400 + year_in_era + carry, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(unix_ms: i64) -> String {
        String::from_utf8_lossy(&rfc3339(unix_ms)).into_owned()
    }

    #[test]
    fn times_are_utc_with_milliseconds() {
        assert_eq!(text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(-1), "1969-12-31T23:59:59.999Z");
        assert_eq!(text(1_709_210_096_042), "2024-02-29T12:34:56.042Z");
        assert_eq!(text(1_767_225_599_999), "2025-12-31T23:59:59.999Z");
    }

    #[test]
    fn a_mad_clock_stays_within_four_digits() {
        assert_eq!(text(i64::MIN), "0000-01-01T00:00:00.000Z");
        assert_eq!(text(i64::MAX), "9999-12-31T23:59:59.999Z");
    }

    proptest! {
        #[test]
        fn every_time_agrees_with_jiff(unix_ms in EARLIEST..=LATEST - DAY) {
            let expected = jiff::Timestamp::from_millisecond(unix_ms).unwrap();
            prop_assert_eq!(text(unix_ms), format!("{expected:.3}"));
            // Of the same second, and the next one.
            for near in [unix_ms - unix_ms.rem_euclid(SECOND), unix_ms, unix_ms + SECOND] {
                let expected = jiff::Timestamp::from_millisecond(near).unwrap();
                prop_assert_eq!(text(near), format!("{expected:.3}"));
            }
        }
    }

    #[test]
    fn a_moments_time_is_that_of_the_clock_on_the_wall() {
        for _ in 0..30 {
            let (before, told, after) = (now_ms(), unix_ms(Instant::now()), now_ms());
            // Counted on in whole milliseconds from one that was cut off.
            assert!((before - 1..=after + 1).contains(&told), "{before} {told} {after}");
            std::thread::sleep(Duration::from_millis(7));
        }
    }
}
