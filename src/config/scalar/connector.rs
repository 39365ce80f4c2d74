//! What only connectors' files hold.

use regex_lite::Regex;

use super::{Wrong, place};

/// `https://{store}.example.com`: a base URL with the names of fields in it. Each is read as if it were a plain word;
/// the URL that comes of it is read again.
pub fn url_template(text: &str) -> Result<&str, Wrong> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else {
            return Err(Wrong::is_not(text, "a base URL: a { is not closed", "{field} where a field goes"));
        };
        field_name(name)?;
        plain.push_str(before);
        plain.push('x');
        rest = behind;
    }
    plain.push_str(rest);
    place::url(&plain).map(|_| text)
}

/// The name of a field of a connector. `secret` is none: it stands for the secret.
pub fn field_name(text: &str) -> Result<&str, Wrong> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    let sound = text.starts_with(|c: char| c.is_ascii_lowercase()) && text.len() <= 32 && text.bytes().all(plain);
    if sound && text != "secret" {
        return Ok(text);
    }
    let remedy = "small letters, digits and underscores, such as account; `secret` is taken";
    Err(Wrong::is_not(text, "the name of a field", remedy))
}

/// A regular expression, as one for whole values.
pub fn pattern(text: &str) -> Result<Regex, Wrong> {
    let whole = format!("^(?:{text})$");
    let short = text.len() <= 1024 && !text.is_empty();
    Regex::new(&whole).ok().filter(|_| short).ok_or_else(|| {
        let remedy = "a regular expression of the whole value, such as 'acme_[A-Za-z0-9]{32}', in single quotes";
        Wrong::is_not(text, "a regular expression", remedy)
    })
}

/// Statuses of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statuses {
    pub first: u16,
    pub last: u16,
}

/// `401`, or `4xx` for any of them.
pub fn status(text: &str) -> Result<Statuses, Wrong> {
    let class = text.strip_suffix("xx").filter(|c| c.len() == 1).and_then(|c| c.parse::<u16>().ok());
    let statuses = match (class, text.parse::<u16>()) {
        (Some(class), _) => Statuses { first: class * 100, last: class * 100 + 99 },
        (None, Ok(one)) if text.len() == 3 => Statuses { first: one, last: one },
        _ => return Err(Wrong::is_not(text, "a status", "a status such as 401 or 4xx")),
    };
    if (100..600).contains(&statuses.first) {
        return Ok(statuses);
    }
    Err(Wrong::is_not(text, "a status", "a status such as 401 or 4xx"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_with_fields() {
        for good in ["https://api.example.com/v1", "https://{store}.example.com", "https://{host}/api/v3"] {
            assert_eq!(url_template(good), Ok(good));
        }
        for bad in ["https://{store.example.com", "https://{Store}.example.com", "https://{secret}.example.com", "{a}"]
        {
            assert!(url_template(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn patterns_fit_whole_values() {
        let pattern = pattern("a|b").unwrap();
        assert!(pattern.is_match("a") && pattern.is_match("b") && !pattern.is_match("ab") && !pattern.is_match("b\n"));
        assert!(super::pattern("(").is_err() && super::pattern("").is_err());
    }

    #[test]
    fn statuses() {
        assert_eq!(status("401"), Ok(Statuses { first: 401, last: 401 }));
        assert_eq!(status("5xx"), Ok(Statuses { first: 500, last: 599 }));
        for bad in ["", "xx", "4x", "0xx", "099", "600", "9xx", "+40", "éxx"] {
            assert!(status(bad).is_err(), "{bad}");
        }
    }
}
