//! Amounts: durations, sizes, rates, whole numbers.

use std::{fmt, time::Duration};

use super::{Wrong, digits};

/// Timers beyond this overflow somewhere in the stack, and nobody means them.
const LONGEST: Duration = Duration::from_secs(3650 * 86_400);

const DURATIONS: &[(&str, u64)] = &[("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

const SIZES: &[(&str, u64)] = &[
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
    ("", 1),
];

/// The first spelling of each unit is the one that is printed.
const PERIODS: &[(&str, u64)] = &[("s", 1), ("min", 60), ("h", 3_600), ("day", 86_400), ("sec", 1), ("hour", 3_600)];

/// `10s`, `500ms`, `2h`: one number, one unit, more than nothing.
pub fn duration(text: &str) -> Result<Duration, Wrong> {
    let wrong = || {
        let remedy = "a number and a unit (ms, s, m, h, d) from 1ms to 3650d, such as 500ms or 10s";
        Wrong::is_not(text, "a duration", remedy)
    };
    let millis = counted(text, DURATIONS).ok_or_else(wrong)?;
    let duration = Duration::from_millis(millis);
    match duration {
        Duration::ZERO => Err(wrong()),
        long if long > LONGEST => Err(wrong()),
        fine => Ok(fine),
    }
}

/// A duration as [`duration`] reads it, in its largest whole unit.
pub fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    show(millis, DURATIONS)
}

/// `16KiB`, `1MiB`, `10MB`, or bytes without a unit.
pub fn size(text: &str) -> Result<u64, Wrong> {
    counted(text, SIZES).filter(|bytes| *bytes > 0).ok_or_else(|| {
        let remedy = "bytes, or a number and a unit (KiB, MiB, GiB, kB, MB, GB), such as 16KiB or 1MiB";
        Wrong::is_not(text, "a size", remedy)
    })
}

/// A size as [`size`] reads it, in its largest whole unit.
pub fn show_size(bytes: u64) -> String {
    show(bytes, SIZES)
}

/// So many in a period, and how many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// More than 0.
    pub count: u32,
    /// More than nothing.
    pub per: Duration,
    /// More than 0; the count, unless stated.
    pub burst: u32,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let period = PERIODS.iter().find(|(_, seconds)| self.per == Duration::from_secs(*seconds));
        let period = period.map_or("s", |(unit, _)| unit);
        write!(f, "{}/{period}", self.count)?;
        if self.burst != self.count {
            write!(f, " burst {}", self.burst)?;
        }
        Ok(())
    }
}

/// `100/s`, `600/min burst 50`.
pub fn rate(text: &str) -> Result<Rate, Wrong> {
    read_rate(text).ok_or_else(|| {
        let remedy = "a count per unit (s, min, h, day), such as 100/s or 600/min burst 50";
        Wrong::is_not(text, "a rate", remedy)
    })
}

/// A whole number between two bounds.
pub fn integer(text: &str, least: u64, most: u64) -> Result<u64, Wrong> {
    digits(text).filter(|number| (least..=most).contains(number)).ok_or_else(|| {
        let what = format!("a whole number from {least} to {most}");
        Wrong::is_not(text, &what, &what)
    })
}

fn read_rate(text: &str) -> Option<Rate> {
    let (limit, burst) = match text.split_once(" burst ") {
        Some((limit, burst)) => (limit, Some(positive(burst)?)),
        None => (text, None),
    };
    let (count, period) = limit.split_once('/')?;
    let count = positive(count)?;
    let (_, seconds) = PERIODS.iter().find(|(unit, _)| *unit == period)?;
    Some(Rate { count, per: Duration::from_secs(*seconds), burst: burst.unwrap_or(count) })
}

fn positive(text: &str) -> Option<u32> {
    digits(text).and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0)
}

/// A number and one of the units, multiplied out.
fn counted(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (_, worth) = units.iter().find(|(name, _)| *name == unit)?;
    digits(number)?.checked_mul(*worth)
}

fn show(amount: u64, units: &[(&str, u64)]) -> String {
    let fits = |worth: u64| amount >= worth && amount.is_multiple_of(worth);
    let largest = units.iter().filter(|(_, worth)| fits(*worth)).max_by_key(|(_, worth)| *worth);
    match largest {
        Some((unit, worth)) => format!("{}{unit}", amount / worth),
        None => amount.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(duration("10s").unwrap(), Duration::from_secs(10));
        assert_eq!(duration("2m").unwrap(), Duration::from_secs(120));
        assert_eq!(duration("1d").unwrap(), Duration::from_secs(86_400));
        for bad in [
            "",
            "10",
            "s",
            "-1s",
            "+1s",
            "0s",
            "1.5s",
            "1h30m",
            "10 s",
            "10S",
            "4000d",
            "99999999999999999999s",
            "18446744073709551615d",
            "١s",
        ] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size("16KiB").unwrap(), 16 << 10);
        assert_eq!(size("10MB").unwrap(), 10_000_000);
        assert_eq!(size("1024").unwrap(), 1024);
        for bad in ["", "0", "0B", "MiB", "1 MiB", "-1", "1e3", "18446744073709551615GiB", "1mib"] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn rates() {
        let per_minute = rate("600/min burst 50").unwrap();
        assert_eq!((per_minute.count, per_minute.per.as_secs(), per_minute.burst), (600, 60, 50));
        assert_eq!(rate("100/s").unwrap().burst, 100);
        assert_eq!(rate("5/hour").unwrap(), rate("5/h").unwrap());
        for bad in [
            "600",
            "0/s",
            "1/s burst 0",
            "1/m",
            "1/0",
            "/s",
            "1/s burst",
            "1/s  burst 2",
            "1 / s",
            "4294967296/s",
            "-1/s",
            "1/s burst 2 burst 3",
        ] {
            assert!(rate(bad).is_err(), "{bad}");
        }
        assert_eq!(rate("600").unwrap_err().reason, r#""600" is not a rate"#);
    }

    #[test]
    fn numbers_have_bounds() {
        assert_eq!(integer("8", 1, 64).unwrap(), 8);
        assert!(integer("65", 1, 64).is_err() && integer("0", 1, 64).is_err());
    }

    proptest! {
        #[test]
        fn durations_read_back(millis in 1..=3650 * 86_400_000_u64) {
            let original = Duration::from_millis(millis);
            prop_assert_eq!(duration(&show_duration(original)).unwrap(), original);
        }

        #[test]
        fn sizes_read_back(bytes in 1_u64..) {
            prop_assert_eq!(size(&show_size(bytes)).unwrap(), bytes);
        }

        #[test]
        fn rates_read_back(count in 1_u32.., burst in 1_u32.., period in 0..PERIODS.len()) {
            let original = Rate { count, per: Duration::from_secs(PERIODS[period].1), burst };
            prop_assert_eq!(rate(&original.to_string()).unwrap(), original);
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = (duration(&text), size(&text), rate(&text));
        }
    }
}
