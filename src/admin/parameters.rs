//! Query parameters: declared beside the routes that take them, and refused by name elsewhere. A parameter that is
//! misspelt and ignored would turn `?dry_rum=true` into the real thing.

use super::problem::Problem;
use crate::config::mistake::nearest;
use crate::config::scalar;
use crate::policy::path::percent_decode;
use crate::policy::query;
use std::borrow::Cow;

/// A query parameter.
#[derive(Debug)]
pub struct Parameter {
    pub name: &'static str,
    pub doc: &'static str,
    pub kind: Kind,
    pub example: Option<&'static str>,
}

/// What may stand in one.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// `true` or `false`; what counts without it.
    Flag(bool),
    Text,
    Words(&'static [&'static str]),
    Number {
        least: u64,
        most: u64,
        default: Option<u64>,
    },
    /// RFC 3339.
    Moment,
}

/// The longest value: names are shorter, and cursors are ours.
const LONGEST: usize = 1024;

/// What a request says, checked.
#[derive(Debug, Default)]
pub struct Query {
    given: Vec<(&'static str, String)>,
}

impl Query {
    /// Reads a query string; nothing but `allowed` may stand in it, and that once.
    pub fn read(raw: Option<&str>, allowed: &[&'static Parameter]) -> Result<Query, Problem> {
        let mut query = Query::default();
        for pair in query::pairs(raw.unwrap_or_default()).filter(|pair| !pair.raw.is_empty()) {
            let (name, value) = (decode(pair.name)?, decode(pair.value)?);
            let Some(parameter) = allowed.iter().find(|p| p.name == name) else { return Err(unknown(&name, allowed)) };
            if query.text(parameter).is_some() {
                let detail = format!("`{name}` is there more than once");
                return Err(Problem::bad_request("repeated_parameter", detail, "say it once"));
            }
            parameter.kind.check(&value).map_err(|wants| {
                let hint = format!("write {wants}");
                Problem::bad_request("invalid_parameter", format!("the value of `{name}` is not {wants}"), hint)
            })?;
            query.given.push((parameter.name, value.into_owned()));
        }
        Ok(query)
    }

    pub fn text(&self, parameter: &Parameter) -> Option<&str> {
        self.given.iter().find(|(name, _)| *name == parameter.name).map(|(_, value)| &**value)
    }

    pub fn owned(&self, parameter: &Parameter) -> Option<String> {
        self.text(parameter).map(str::to_owned)
    }

    pub fn flag(&self, parameter: &Parameter) -> bool {
        match self.text(parameter) {
            Some(word) => word == "true",
            None => matches!(parameter.kind, Kind::Flag(true)),
        }
    }

    pub fn number(&self, parameter: &Parameter) -> Option<u64> {
        let default = match parameter.kind {
            Kind::Number { default, .. } => default,
            _ => None,
        };
        self.text(parameter).and_then(|digits| digits.parse().ok()).or(default)
    }

    /// Unix milliseconds.
    pub fn moment(&self, parameter: &Parameter) -> Option<i64> {
        scalar::timestamp(self.text(parameter)?).ok()
    }
}

impl Kind {
    /// `Err` says what is wanted.
    fn check(self, value: &str) -> Result<(), String> {
        let fits = match self {
            Kind::Flag(_) => matches!(value, "true" | "false"),
            Kind::Text => !value.is_empty() && value.len() <= LONGEST && !value.chars().any(char::is_control),
            Kind::Words(words) => words.contains(&value),
            Kind::Number { least, most, .. } => {
                let digits = value.bytes().all(|b| b.is_ascii_digit());
                digits && value.parse().is_ok_and(|number| (least..=most).contains(&number))
            }
            Kind::Moment => scalar::timestamp(value).is_ok(),
        };
        if fits { Ok(()) } else { Err(self.describe()) }
    }

    pub fn describe(self) -> String {
        match self {
            Kind::Flag(_) => "true or false".to_owned(),
            Kind::Text => format!("1 to {LONGEST} characters"),
            Kind::Words(words) => words.join(" or "),
            Kind::Number { least, most, .. } => format!("a whole number from {least} to {most}"),
            Kind::Moment => "a moment such as 2027-06-30T00:00:00Z".to_owned(),
        }
    }
}

/// Percent-decoded, with `+` for a blank as forms and most clients write it.
fn decode(text: &str) -> Result<Cow<'_, str>, Problem> {
    if !text.contains(['%', '+']) {
        return Ok(Cow::Borrowed(text));
    }
    let blanks = text.replace('+', " ");
    let decoded = percent_decode(blanks.as_bytes()).and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.map(Cow::Owned).ok_or_else(|| {
        let hint = "percent-encode UTF-8: é is %C3%A9, + is %2B";
        Problem::bad_request("invalid_parameter", "the query string is not percent-encoded UTF-8", hint)
    })
}

fn unknown(name: &str, allowed: &[&'static Parameter]) -> Problem {
    let names = allowed.iter().map(|p| p.name);
    let hint = match (nearest(name, names.clone()), allowed.is_empty()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, true) => "this call takes no parameters".to_owned(),
        (None, false) => format!("this call takes {}", names.collect::<Vec<_>>().join(", ")),
    };
    let detail = format!("there is no parameter {}", scalar::quoted(name));
    Problem::bad_request("unknown_parameter", detail, hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    static Q: Parameter = Parameter { name: "q", doc: "", kind: Kind::Text, example: None };
    static FORCE: Parameter = Parameter { name: "force", doc: "", kind: Kind::Flag(false), example: None };
    static VERIFY: Parameter = Parameter { name: "verify", doc: "", kind: Kind::Flag(true), example: None };
    static LIMIT: Parameter = Parameter {
        name: "limit",
        doc: "",
        kind: Kind::Number { least: 1, most: 1000, default: Some(100) },
        example: None,
    };
    static SINCE: Parameter = Parameter { name: "since", doc: "", kind: Kind::Moment, example: None };
    static ALL: [&Parameter; 5] = [&Q, &FORCE, &VERIFY, &LIMIT, &SINCE];

    fn refused(raw: &str) -> &'static str {
        Query::read(Some(raw), &ALL).unwrap_err().code()
    }

    #[test]
    fn what_is_said_counts_and_what_is_not_has_its_default() {
        let query = Query::read(Some("q=a+b%2Bc&force=true&since=2027-06-30T00:00:00Z"), &ALL).unwrap();
        assert_eq!(query.text(&Q), Some("a b+c"));
        assert!(query.flag(&FORCE) && query.flag(&VERIFY));
        assert_eq!(query.number(&LIMIT), Some(100));
        assert_eq!(query.moment(&SINCE), Some(1_814_313_600_000));
        let query = Query::read(Some("verify=false&limit=1000"), &ALL).unwrap();
        assert!(!query.flag(&FORCE) && !query.flag(&VERIFY));
        assert_eq!((query.number(&LIMIT), query.text(&Q)), (Some(1000), None));
    }

    #[test]
    fn nothing_is_ignored() {
        for unknown in ["forse=true", "Force=true", "q[]=a", "limit=1&x", "q=a;force=true&y="] {
            assert_eq!(refused(unknown), "unknown_parameter", "{unknown}");
        }
        assert_eq!(refused("q=a&%71=b"), "repeated_parameter");
        let invalid = [
            "force=yes",
            "force",
            "limit=0",
            "limit=1001",
            "limit=+1",
            "limit=",
            "q=",
            "q=%00",
            "q=%ff",
            "q=%2",
            "since=now",
        ];
        for invalid in invalid {
            assert_eq!(refused(invalid), "invalid_parameter", "{invalid}");
        }
        assert!(Query::read(None, &ALL).is_ok() && Query::read(Some(""), &ALL).is_ok());
    }

    proptest! {
        #[test]
        fn any_query_string_is_read_or_refused(raw in ".{0,60}") {
            let _ = Query::read(Some(&raw), &ALL);
        }
    }
}
