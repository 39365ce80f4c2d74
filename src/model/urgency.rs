//! How near an end is: of certificates, of connections' secrets, of keys. Told 30, 7 and 1 days ahead, and afterwards.

pub(super) const DAY_MS: i64 = 86_400_000;

/// How near the end is, once it is worth a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    Month,
    Week,
    Day,
    Past,
}

impl Urgency {
    /// `None` as long as there are more than 30 days left. Both in Unix milliseconds.
    pub fn of(end: i64, now: i64) -> Option<Urgency> {
        match end.saturating_sub(now) {
            ..=0 => Some(Urgency::Past),
            left if left <= DAY_MS => Some(Urgency::Day),
            left if left <= 7 * DAY_MS => Some(Urgency::Week),
            left if left <= 30 * DAY_MS => Some(Urgency::Month),
            _ => None,
        }
    }

    /// For rules that watch the log.
    pub fn name(self) -> &'static str {
        match self {
            Urgency::Month => "30d",
            Urgency::Week => "7d",
            Urgency::Day => "1d",
            Urgency::Past => "past",
        }
    }

    /// The same in words.
    pub fn told(end: i64, now: i64) -> Option<String> {
        let days = end.saturating_sub(now).unsigned_abs() / DAY_MS.unsigned_abs();
        Some(match Urgency::of(end, now)? {
            Urgency::Past if days == 0 => "has expired within the last day".to_owned(),
            Urgency::Past => format!("has expired {days} days ago"),
            Urgency::Day => "expires within a day".to_owned(),
            Urgency::Week | Urgency::Month => format!("expires in {days} days"),
        })
    }
}
