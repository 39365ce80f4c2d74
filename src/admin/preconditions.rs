//! `If-Match`, `If-None-Match` (RFC 9110, section 13) and `Idempotency-Key`. A condition that is misread would let one
//! operator overwrite another's change, so what is malformed, or means nothing here, is refused.

use super::problem::Problem;
use crate::control::Precondition;
use http::header::{HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};

pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// `ETag` of a version: strong, since equal versions are equal to the byte.
pub fn etag(version: u64) -> HeaderValue {
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// `If-Match`, where a call takes it. Weak tags and tags that we never gave out are valid and never match.
pub fn if_match(fields: &HeaderMap, taken: bool) -> Result<Option<Precondition>, Problem> {
    let Some(tags) = tags(fields, &IF_MATCH)? else { return Ok(None) };
    if !taken {
        return Err(invalid(&IF_MATCH, "this call takes no condition", "leave it out"));
    }
    Ok(Some(match tags {
        Tags::Any => Precondition::Any,
        Tags::These(tags) => {
            Precondition::Versions(tags.iter().filter(|tag| !tag.weak).filter_map(|tag| tag.version()).collect())
        }
    }))
}

/// Whether `If-None-Match` says that the caller has this version already. Compared weakly, as the RFC wants it.
pub fn none_match(fields: &HeaderMap, version: Option<u64>) -> Result<bool, Problem> {
    let Some(tags) = tags(fields, &IF_NONE_MATCH)? else { return Ok(false) };
    Ok(match tags {
        Tags::Any => version.is_some(),
        Tags::These(tags) => version.is_some() && tags.iter().any(|tag| tag.version() == version),
    })
}

/// `Idempotency-Key`, on creates. Ignored elsewhere, it would promise what nobody keeps.
pub fn idempotency_key(fields: &HeaderMap, taken: bool) -> Result<Option<&str>, Problem> {
    let mut lines = fields.get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = lines.next() else { return Ok(None) };
    if !taken {
        return Err(invalid(&IDEMPOTENCY_KEY, "only creates take it", "leave it out"));
    }
    let printable = |b: &u8| (b' '..=b'~').contains(b);
    let key = key.as_bytes();
    let fits = (1..=255).contains(&key.len()) && key.iter().all(printable) && lines.next().is_none();
    let text = std::str::from_utf8(key).ok().filter(|_| fits);
    let hint = "send it once, with 1 to 255 printable ASCII characters";
    text.map(Some).ok_or_else(|| invalid(&IDEMPOTENCY_KEY, "it is not a key", hint))
}

enum Tags<'a> {
    Any,
    These(Vec<Tag<'a>>),
}

struct Tag<'a> {
    weak: bool,
    opaque: &'a str,
}

impl Tag<'_> {
    /// The version, if it is spelt as [`etag`] spells it.
    fn version(&self) -> Option<u64> {
        self.opaque.parse().ok().filter(|version: &u64| version.to_string() == self.opaque)
    }
}

/// Every line of the field together; `None` if there is none.
fn tags<'a>(fields: &'a HeaderMap, name: &HeaderName) -> Result<Option<Tags<'a>>, Problem> {
    let malformed = || invalid(name, "it is malformed", "write the ETag as it was answered, quotes included: \"7\"");
    let mut found = Vec::new();
    let (mut any, mut lines) = (false, 0);
    for line in fields.get_all(name) {
        lines += 1;
        let line = line.to_str().map_err(|_| malformed())?;
        if line.trim() == "*" {
            any = true;
        } else {
            read_list(line, &mut found).ok_or_else(malformed)?;
        }
    }
    match (lines, any, found.is_empty()) {
        (0, ..) => Ok(None),
        (1, true, true) => Ok(Some(Tags::Any)),
        (_, false, false) => Ok(Some(Tags::These(found))),
        _ => Err(malformed()),
    }
}

/// `"7", W/"8"`; empty elements are allowed, as in every list.
fn read_list<'a>(line: &'a str, found: &mut Vec<Tag<'a>>) -> Option<()> {
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Some(());
        }
        let weak = rest.starts_with("W/");
        let (opaque, behind) = rest.strip_prefix("W/").unwrap_or(rest).strip_prefix('"')?.split_once('"')?;
        if !opaque.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x7e)) {
            return None;
        }
        found.push(Tag { weak, opaque });
        rest = behind.trim_start_matches([' ', '\t']);
        if !rest.is_empty() && !rest.starts_with(',') {
            return None;
        }
    }
}

fn invalid(name: &HeaderName, why: &str, hint: &str) -> Problem {
    Problem::bad_request("invalid_header", format!("{name}: {why}"), hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(name: &HeaderName, lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (name.clone(), line.parse().unwrap())).collect()
    }

    fn matched(lines: &[&str]) -> Result<Option<Precondition>, &'static str> {
        if_match(&fields(&IF_MATCH, lines), true).map_err(|problem| problem.code())
    }

    #[test]
    fn if_match_names_versions_or_any() {
        let versions = |list: &[u64]| Ok(Some(Precondition::Versions(list.to_vec())));
        assert_eq!(matched(&[]), Ok(None));
        assert_eq!(matched(&["*"]), Ok(Some(Precondition::Any)));
        assert_eq!(matched(&["\"7\""]), versions(&[7]));
        assert_eq!(matched(&["\"7\" , ,\"8\"", "\"9\""]), versions(&[7, 8, 9]));
    }

    #[test]
    fn weak_and_foreign_tags_never_match() {
        for never in ["W/\"7\"", "\"abc\"", "\"07\"", "\"+7\"", "\"\"", "\"99999999999999999999999\""] {
            assert_eq!(matched(&[never]), Ok(Some(Precondition::Versions(vec![]))), "{never}");
        }
    }

    #[test]
    fn what_is_malformed_is_refused_and_never_taken_for_no_condition() {
        for bad in ["", "7", "\"7", "7\"", "\"7\"8", "*, \"7\"", "\"7\" \"8\"", "w/\"7\"", "\"a b\"", ",", "**"] {
            assert_eq!(matched(&[bad]), Err("invalid_header"), "{bad}");
        }
        assert_eq!(matched(&["*", "\"7\""]), Err("invalid_header"));
        assert_eq!(matched(&["*", "*"]), Err("invalid_header"));
        assert!(if_match(&fields(&IF_MATCH, &["\"7\""]), false).is_err(), "where it means nothing");
    }

    #[test]
    fn if_none_match_tells_what_the_caller_has() {
        let has = |line: &str, version| none_match(&fields(&IF_NONE_MATCH, &[line]), version).unwrap();
        assert!(has("\"7\"", Some(7)) && has("W/\"7\"", Some(7)) && has("\"1\", \"7\"", Some(7)) && has("*", Some(7)));
        assert!(!has("\"8\"", Some(7)) && !has("\"7\"", None) && !has("*", None));
        assert!(!none_match(&HeaderMap::new(), Some(7)).unwrap());
    }

    #[test]
    fn idempotency_keys_are_printable_and_said_once() {
        let key = |lines: &[&str], taken| {
            let fields = fields(&IDEMPOTENCY_KEY, lines);
            idempotency_key(&fields, taken).map(|key| key.map(str::to_owned)).map_err(|problem| problem.code())
        };
        assert_eq!(key(&["a b-1"], true), Ok(Some("a b-1".to_owned())));
        assert_eq!(key(&[&"x".repeat(255)], true).unwrap().unwrap().len(), 255);
        assert_eq!(key(&[], false), Ok(None));
        for (lines, taken) in
            [(&[""][..], true), (&["a", "a"], true), (&["a\tb"], true), (&[&"x".repeat(256)], true), (&["a"], false)]
        {
            assert_eq!(key(lines, taken), Err("invalid_header"), "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn what_etag_writes_is_read(version: u64) {
            let mut fields = HeaderMap::new();
            fields.insert(IF_MATCH, etag(version));
            prop_assert_eq!(if_match(&fields, true).unwrap(), Some(Precondition::Versions(vec![version])));
        }

        #[test]
        fn any_field_is_read_or_refused(line in "[ -~]{0,40}") {
            let _ = matched(&[&line]);
        }
    }
}
