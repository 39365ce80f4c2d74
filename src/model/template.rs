//! `POST /orders/{id}`: what a workflow is bound to.

use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::fmt;

/// A method and a path with placeholders: `{name}` stands for one segment, `{name...}` (last only) for the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub method: Method,
    pub segments: Vec<Segment>,
}

/// One part between slashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// Decoded bytes, compared exactly. Empty only as the last one: the template ends in a slash.
    Literal(String),
    One(String),
    Rest(String),
}

/// Why a template was not understood; the text says what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadTemplate(pub String);

impl Template {
    /// Reads `METHOD /path/{name}/{rest...}`.
    pub fn parse(text: &str) -> Result<Template, BadTemplate> {
        let bad = |reason: &str| Err(BadTemplate(reason.to_owned()));
        let Some((method, path)) = text.trim().split_once(' ') else {
            return bad("a template is a method and a path, such as `GET /orders/{id}`");
        };
        let Ok(method) = method.parse::<Method>() else { return bad("the method is not valid") };
        if method.as_str().bytes().any(|b| b.is_ascii_lowercase()) {
            return Err(BadTemplate(format!("methods are case-sensitive: write {}", method.as_str().to_uppercase())));
        }
        if matches!(method.as_str(), "CONNECT" | "TRACE" | "TRACK") {
            return bad("CONNECT, TRACE and TRACK are never forwarded");
        }
        let Some(rest) = path.strip_prefix('/') else { return bad("the path begins with `/`") };
        let parts: Vec<&str> = rest.split('/').collect();
        let mut segments = Vec::with_capacity(parts.len());
        for (at, part) in parts.iter().enumerate() {
            let segment = Segment::parse(part, at + 1 == parts.len())?;
            if let Segment::One(name) | Segment::Rest(name) = &segment
                && segments.iter().any(|s| matches!(s, Segment::One(n) if n == name))
            {
                return Err(BadTemplate(format!("`{{{name}}}` stands twice: give each placeholder its own name")));
            }
            segments.push(segment);
        }
        Ok(Template { method, segments })
    }
}

/// What stands in a path as it is: RFC 3986's unreserved characters, and in literals the others that a segment may hold.
const VALUE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const LITERAL: &AsciiSet = &VALUE
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

impl Template {
    /// The names of its placeholders.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().filter_map(|segment| match segment {
            Segment::One(name) | Segment::Rest(name) => Some(&**name),
            Segment::Literal(_) => None,
        })
    }

    /// A path that it matches, encoded; `{name...}` may stand for several segments. `Err`: the placeholders without a value.
    pub fn path<'v>(&self, value: impl Fn(&str) -> Option<&'v str>) -> Result<String, Vec<String>> {
        let missing: Vec<String> =
            self.placeholders().filter(|name| value(name).is_none()).map(str::to_owned).collect();
        if !missing.is_empty() {
            return Err(missing);
        }
        let mut path = String::new();
        for segment in &self.segments {
            let (text, set) = match segment {
                Segment::Literal(text) => (&**text, LITERAL),
                Segment::One(name) | Segment::Rest(name) => (value(name).unwrap_or_default(), VALUE),
            };
            match segment {
                Segment::Rest(_) => text.split('/').for_each(|part| {
                    path.push('/');
                    path.extend(utf8_percent_encode(part, set));
                }),
                _ => {
                    path.push('/');
                    path.extend(utf8_percent_encode(text, set));
                }
            }
        }
        Ok(path)
    }

    /// The segments of a path that it matches, with what no path holds in the place of every placeholder.
    pub fn sample<'t>(&'t self) -> Vec<&'t str> {
        let text = |segment: &'t Segment| match segment {
            Segment::Literal(text) => text.as_str(),
            Segment::One(_) | Segment::Rest(_) => "\0",
        };
        self.segments.iter().map(text).collect()
    }
}

impl Segment {
    fn parse(part: &str, last: bool) -> Result<Segment, BadTemplate> {
        let bad = |reason: String| Err(BadTemplate(reason));
        if let Some(name) = part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
            let (name, rest) = match name.strip_suffix("...") {
                Some(name) => (name, true),
                None => (name, false),
            };
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
                return bad(format!("`{{{name}}}`: a placeholder's name is made of letters, digits, `_` and `-`"));
            }
            if rest && !last {
                return bad(format!("`{{{name}...}}` stands for the rest and can only come last"));
            }
            return Ok(if rest { Segment::Rest(name.to_owned()) } else { Segment::One(name.to_owned()) });
        }
        if part.is_empty() && !last {
            return bad("`//`: an empty segment is never matched".to_owned());
        }
        if matches!(part, "." | "..") {
            return bad(format!("`{part}` is never matched: dot segments are refused"));
        }
        if let Some(b) = part.bytes().find(|b| !is_literal(*b)) {
            return bad(match b {
                b'{' | b'}' => format!("`{part}`: a placeholder is a whole segment"),
                b'%' => format!("`{part}`: write the character itself; requests are compared decoded"),
                b'*' => format!("`{part}`: write `{{name}}` for one segment, `{{name...}}` for the rest"),
                b'?' | b'#' => format!("`{part}`: a template is a path without query or fragment"),
                _ => format!("`{part}`: this character does not occur in a path"),
            });
        }
        Ok(Segment::Literal(part.to_owned()))
    }
}

/// Bytes a literal segment may hold: what RFC 3986 allows in one, and UTF-8, which callers send encoded.
fn is_literal(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b >= 0x80 || b"-._~!$&'()+,;=:@".contains(&b)
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.method)?;
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => write!(f, "/{text}")?,
                Segment::One(name) => write!(f, "/{{{name}}}")?,
                Segment::Rest(name) => write!(f, "/{{{name}...}}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn w4_what_a_template_may_be() {
        for good in ["GET /", "GET /a", "POST /a/{id}", "PURGE /a/{rest...}", "GET /a/", "GET /v1.0/a;b/ü"] {
            assert_eq!(Template::parse(good).unwrap().to_string(), good);
        }
        for bad in [
            "",
            "GET",
            "/a",
            "get /a",
            "GET a",
            "GET //a",
            "GET /a//b",
            "GET /{a...}/b",
            "GET /{}",
            "GET /a{b}",
            "GET /../a",
            "GET /a?b",
            "GET /a%20b",
            "GET /*",
            "CONNECT /a",
            "TRACE /",
            "GET /a b",
            "G(T /a",
            "GET /{a}/{a}",
        ] {
            assert!(Template::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn parse_display_round_trip(text in "(GET|POST|DELETE) (/[a-z0-9.]{1,6}x){1,6}(/\\{[a-z]{1,5}\\})?(/\\{r\\.\\.\\.\\})?") {
            match Template::parse(&text) {
                Ok(template) => prop_assert_eq!(template.to_string(), text),
                Err(bad) => prop_assert!(bad.0.contains("stands twice"), "{text}: {bad}"),
            }
        }

        #[test]
        fn parse_never_panics(text in "\\PC*") {
            let _ = Template::parse(&text);
        }
    }
}
