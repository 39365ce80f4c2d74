//! The places that connections inject into, as callers fill them: an SDK puts what it holds for its API key exactly
//! where the provider wants it, and so do we (C4).

use crate::model::Connection;
use crate::model::Fields;
use crate::model::connection::InjectRule;
use crate::model::token::{self, Shape};
use crate::policy::headers::basic_pair;
use crate::policy::identify::token_of;
use crate::policy::path::percent_decode;
use crate::policy::query;
use http::header::AUTHORIZATION;
use smallvec::SmallVec;
use std::borrow::Cow;

/// A request, as far as slots may stand in it.
#[derive(Clone, Copy)]
pub struct Filled<'a> {
    pub headers: &'a Fields,
    pub query: Option<&'a str>,
    /// The path behind the connection's name.
    pub rest: &'a str,
}

pub type Values<'a> = SmallVec<[Cow<'a, [u8]>; 2]>;

/// What stands in the slots of `rules`; empty values say nothing.
pub fn values<'a>(filled: Filled<'a>, rules: &[InjectRule]) -> Values<'a> {
    let mut found = Values::new();
    for rule in rules {
        match rule {
            InjectRule::Header { name, value } if name != AUTHORIZATION => {
                let lines = filled.headers.get_all(name);
                found.extend(lines.map(|line| Cow::Borrowed(bare(line.as_bytes(), value))));
            }
            InjectRule::Header { value, .. } => {
                found.extend(filled.headers.get_all(AUTHORIZATION).filter_map(|l| of_scheme(l.as_bytes(), value)));
            }
            InjectRule::Basic { .. } => {
                found.extend(filled.headers.get_all(AUTHORIZATION).filter_map(|l| of_scheme(l.as_bytes(), "")));
            }
            InjectRule::Query { name, .. } => {
                let pairs = filled.query.into_iter().flat_map(query::pairs).filter(|p| p.is(name));
                found.extend(pairs.map(|p| p.decoded_value()));
            }
            InjectRule::Path { prefix } => found.extend(path_slot(filled.rest, prefix).map(|slot| slot.value)),
            // Its callers have no path of their own.
            InjectRule::WholePath => {}
        }
    }
    found.retain(|value| !value.is_empty());
    found
}

/// A line of `Authorization` in a scheme that carries keys, or in the one that the template writes; others are foreign
/// and say nothing (K4).
fn of_scheme<'a>(line: &'a [u8], template: &str) -> Option<Cow<'a, [u8]>> {
    if let Some((token, _)) = token_of(line) {
        return Some(Cow::Borrowed(token));
    }
    if let Some(pair) = basic_pair(line) {
        let colon = pair.iter().position(|b| *b == b':')?;
        let (user, password) = (&pair[..colon], &pair[colon + 1..]);
        // `curl -u KEY:` has it for the user.
        return Some(Cow::Owned(if password.is_empty() { user.to_vec() } else { password.to_vec() }));
    }
    let inside = bare(line, template);
    if inside.len() < line.trim_ascii().len() {
        return Some(Cow::Borrowed(inside));
    }
    // How GitHub's libraries say Bearer.
    if let Some((scheme, value)) = line.trim_ascii().split_at_checked(6)
        && scheme.eq_ignore_ascii_case(b"token ")
    {
        return Some(Cow::Borrowed(value.trim_ascii()));
    }
    // A token of ours is one behind any scheme.
    let word = line.trim_ascii().rsplit(|b| *b == b' ').next()?;
    (token::shape(word) == Shape::WellFormed).then_some(Cow::Borrowed(word))
}

/// A value without what the template writes around the secret.
fn bare<'a>(value: &'a [u8], template: &str) -> &'a [u8] {
    let value = value.trim_ascii();
    let Some((before, after)) = template.split_once("{secret}") else { return value };
    let inside = || {
        let (head, rest) = value.split_at_checked(before.len())?;
        let (inside, tail) = rest.split_at_checked(rest.len().checked_sub(after.len())?)?;
        (head.eq_ignore_ascii_case(before.as_bytes()) && tail == after.as_bytes()).then_some(inside.trim_ascii())
    };
    inside().unwrap_or(value)
}

/// What a caller put where a path holds the secret.
pub struct PathSlot<'a> {
    pub value: Cow<'a, [u8]>,
    /// Bytes of the path that the whole prefix takes.
    pub length: usize,
}

/// `/bot123:abc` of `/bot123:abc/getMe`, by the prefix `/bot{secret}`. Where the prefix has no words of its own, every
/// path would begin with a value: then only a token of ours is one.
pub fn path_slot<'a>(rest: &'a str, prefix: &str) -> Option<PathSlot<'a>> {
    let (mut left, mut found) = (rest, None);
    for wanted in prefix.strip_prefix('/')?.split('/') {
        let inside = left.strip_prefix('/')?;
        let (segment, beyond) = inside.split_at(inside.find('/').unwrap_or(inside.len()));
        left = beyond;
        // Decoded, as the provider reads it: `/%62ot…` is no way around.
        let segment = decoded(segment)?;
        match wanted.split_once("{secret}") {
            Some((before, after)) => {
                let value = segment.strip_prefix(before.as_bytes())?.strip_suffix(after.as_bytes())?;
                let worded = prefix.find("{secret}") > Some(1) || !after.is_empty();
                let counts = !value.is_empty() && (worded || token::shape(value) == Shape::WellFormed);
                found = Some(counts.then(|| Cow::Owned(value.to_vec()))?);
            }
            None if segment == decoded(wanted)? => {}
            None => return None,
        }
    }
    found.map(|value| PathSlot { value, length: rest.len() - left.len() })
}

fn decoded(segment: &str) -> Option<Cow<'_, [u8]>> {
    match segment.contains('%') {
        true => percent_decode(segment.as_bytes()).map(Cow::Owned),
        false => Some(Cow::Borrowed(segment.as_bytes())),
    }
}

/// The path without what stands in the slots of `rules`.
fn without_slot<'a>(rest: &'a str, rules: &[InjectRule]) -> &'a str {
    let slot = rules.iter().find_map(|rule| match rule {
        InjectRule::Path { prefix } => path_slot(rest, prefix),
        _ => None,
    });
    slot.map_or(rest, |slot| &rest[slot.length..])
}

/// The path that follows the base path: without the slot, and without the base path where callers may have written it.
pub fn behind_base<'a>(rest: &'a str, connection: &Connection) -> &'a str {
    let path = without_slot(rest, &connection.injection.rules);
    let (base, once) = (&connection.destination.base_path, connection.destination.base_path_once);
    let behind = path.strip_prefix(base.as_str()).filter(|left| once && (left.is_empty() || left.starts_with('/')));
    behind.unwrap_or(path)
}

/// The path as it may be logged: with the template where a caller's value stands, which may be anybody's secret. `None`:
/// as it came.
pub fn shown(rest: &str, rules: &[InjectRule]) -> Option<String> {
    rules.iter().find_map(|rule| match rule {
        InjectRule::Path { prefix } => match path_slot(rest, prefix) {
            Some(slot) => Some(format!("{prefix}{}", &rest[slot.length..])),
            None => without_words(rest, prefix),
        },
        // Somebody may have pasted the whole URL.
        InjectRule::WholePath => (rest.len() > 1).then(|| "/…".to_owned()),
        _ => None,
    })
}

/// A path whose slot does not stand where it should (`/file/bot123:abc/…`), without what may be somebody's secret there.
fn without_words(rest: &str, prefix: &str) -> Option<String> {
    let (before, _) = prefix.split_once("{secret}")?;
    let word = before.rsplit('/').next().filter(|word| !word.is_empty())?;
    let tells =
        |segment: &str| decoded(segment).is_some_and(|s| s.len() > word.len() && s.starts_with(word.as_bytes()));
    let shown = |segment: &str| if tells(segment) { format!("{word}…") } else { segment.to_owned() };
    rest.split('/').any(tells).then(|| rest.split('/').map(shown).collect::<Vec<_>>().join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::fixture;
    use http::{HeaderName, HeaderValue};

    fn header(name: &str, value: &str) -> InjectRule {
        InjectRule::Header { name: name.parse().unwrap(), value: value.into() }
    }

    fn read(rules: &[InjectRule], lines: &[(&str, &str)], query: Option<&str>, rest: &str) -> Vec<String> {
        let mut headers = Fields::new();
        for (name, value) in lines {
            headers.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let filled = Filled { headers: &headers, query, rest };
        values(filled, rules).iter().map(|v| String::from_utf8_lossy(v).into_owned()).collect()
    }

    #[test]
    fn c4_headers_as_sdks_fill_them() {
        let bearer = [header("authorization", "Bearer {secret}")];
        for line in ["Bearer t", "bearer  t", "Key=t", "Basic OnQ=", "Basic dDo=", "basic eDp0", "token t", "Token  t"]
        {
            assert_eq!(read(&bearer, &[("authorization", line)], None, ""), ["t"], "{line}");
        }
        for foreign in ["Digest t", "AWS4-HMAC-SHA256 x", "Basic !", "t", "token", "tokens t"] {
            assert!(read(&bearer, &[("authorization", foreign)], None, "").is_empty(), "{foreign}");
        }
        let own = crate::policy::fixture::token("crm", crate::model::Slot::Primary).to_string();
        for line in [format!("token {own}"), format!("ApiKey  {own}")] {
            assert_eq!(read(&bearer, &[("authorization", &line)], None, ""), [&*own], "{line}");
        }
        assert!(read(&bearer, &[("authorization", &format!("Digest username={own}"))], None, "").is_empty());
        let token = [header("authorization", "Token token={secret}")];
        assert_eq!(read(&token, &[("authorization", "token TOKEN=t")], None, ""), ["t"]);
        let google = [header("x-goog-api-key", "{secret}")];
        assert_eq!(read(&google, &[("X-Goog-Api-Key", " t "), ("x-goog-api-key", "u")], None, ""), ["t", "u"]);
        assert!(read(&google, &[("x-goog-api-key", ""), ("authorization", "Bearer t")], None, "").is_empty());
        assert_eq!(read(&[header("x-k", "v1 {secret}")], &[("x-k", "V1 t")], None, ""), ["t"]);
    }

    #[test]
    fn c4_queries_basic_and_paths() {
        let key = [InjectRule::Query { name: "key".into(), value: "{secret}".into() }];
        assert_eq!(read(&key, &[], Some("a=1&%6Bey=t%2B&key="), ""), ["t+"]);
        let basic = [InjectRule::Basic { username: "api".into(), password: "{secret}".into() }];
        assert_eq!(read(&basic, &[("authorization", "Basic YXBpOnQ=")], None, ""), ["t"]);
        let path = [InjectRule::Path { prefix: "/bot{secret}".into() }];
        assert_eq!(read(&path, &[], None, "/bott/getMe"), ["t"]);
        assert_eq!(read(&path, &[], None, "/bot1%3At"), ["1:t"]);
        assert_eq!(read(&path, &[], None, "/%62%6ft1:t/getMe"), ["1:t"]);
        for none in ["/bot/getMe", "/getMe", "", "/", "/x/bott"] {
            assert!(read(&path, &[], None, none).is_empty(), "{none}");
        }
    }

    #[test]
    fn c5_a_path_is_left_without_the_slot() {
        let left = |rest, prefix: &str| without_slot(rest, &[InjectRule::Path { prefix: prefix.into() }]);
        assert_eq!(left("/bott/getMe", "/bot{secret}"), "/getMe");
        assert_eq!(left("/bott", "/bot{secret}"), "");
        assert_eq!(left("/getMe", "/bot{secret}"), "/getMe");
        assert_eq!(left("/k/t/v1/x", "/k/{secret}/v1"), "/x");
        assert_eq!(left("/k/t/v2/x", "/k/{secret}/v1"), "/k/t/v2/x");
        assert_eq!(left("/k/t/v11/x", "/k/{secret}/v1"), "/k/t/v11/x");
        assert_eq!(left("/%6B/t/%76%31/x", "/k/{secret}/v1"), "/x");
        assert_eq!(left("/k/t.json/x", "/k/{secret}.json"), "/x");
        assert_eq!(left("/orders/7", "/{secret}"), "/orders/7", "no words of its own: any path would do");
        let mut connection = fixture::connection(0, 0);
        connection.destination.base_path = "/v0".into();
        assert_eq!(behind_base("/v0/meta", &connection), "/v0/meta");
        connection.destination.base_path_once = true;
        for (rest, behind) in [("/v0/meta", "/meta"), ("/meta", "/meta"), ("/v0", ""), ("/v0x", "/v0x"), ("", "")] {
            assert_eq!(behind_base(rest, &connection), behind, "{rest}");
        }
        let rules = [InjectRule::Path { prefix: "/bot{secret}".into() }];
        assert_eq!(shown("/bott/getMe", &rules).as_deref(), Some("/bot{secret}/getMe"));
        assert_eq!(shown("/%62ot1:t/getMe", &rules).as_deref(), Some("/bot{secret}/getMe"));
        assert_eq!(shown("/file/bot1:t/a.jpg", &rules).as_deref(), Some("/file/bot…/a.jpg"), "where it should not be");
        assert_eq!(shown("/getMe", &rules), None);
    }
}
