//! What a name and a value make together (RFC 9113 8.2, 8.3). Decided here, once: what is in the table was decided.

use super::Line;
use bytes::Bytes;
use http::Method;
use http::header::{HeaderName, HeaderValue, TE};
use http::uri::{Authority, PathAndQuery, Scheme};

/// What stands before a value.
#[derive(Debug, Clone)]
pub enum Name {
    Method,
    Scheme,
    Authority,
    Path,
    Field(HeaderName),
    /// Whatever follows it is wrong; why.
    Wrong(&'static str),
}

pub const NO_PSEUDO: &str = "a pseudo-header that requests do not have";
pub const NO_AUTHORITY: &str = "the :authority is no authority";
pub const OF_CONNECTIONS: &str = "a field of HTTP/1 connections";

impl Name {
    /// Reads a name: a pseudo-header's, or a token without upper case.
    pub fn read(text: &[u8]) -> Name {
        match text {
            [b':', pseudo @ ..] => match pseudo {
                b"method" => Name::Method,
                b"scheme" => Name::Scheme,
                b"authority" => Name::Authority,
                b"path" => Name::Path,
                _ => Name::Wrong(NO_PSEUDO),
            },
            b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => {
                Name::Wrong(OF_CONNECTIONS)
            }
            // `http` takes a quotation mark for a part of a token.
            _ if text.contains(&b'"') => Name::Wrong(NO_TOKEN),
            _ => HeaderName::from_lowercase(text).map_or(Name::Wrong(NO_TOKEN), Name::Field),
        }
    }

    /// The line of this name and `value`, which is shown to nobody if it is `secret`.
    pub fn line(self, value: Bytes, secret: bool) -> Line {
        match self {
            Name::Field(name) => field(name, value, secret),
            Name::Path => path(value),
            Name::Authority => Authority::from_maybe_shared(value).map_or(Line::Wrong(NO_AUTHORITY), Line::Authority),
            Name::Method => Method::from_bytes(&value).map_or(Line::Wrong("the :method is no token"), Line::Method),
            Name::Scheme => scheme(&value),
            Name::Wrong(why) => Line::Wrong(why),
        }
    }
}

const NO_TOKEN: &str = "a field's name is no token without upper case";

fn field(name: HeaderName, value: Bytes, secret: bool) -> Line {
    let blank = |b: Option<&u8>| matches!(b, Some(b' ' | b'\t'));
    if blank(value.first()) || blank(value.last()) {
        return Line::Wrong("white space around a field's value");
    }
    if name == TE && &value[..] != b"trailers" {
        return Line::Wrong(OF_CONNECTIONS);
    }
    let Ok(mut value) = HeaderValue::from_maybe_shared(value) else {
        return Line::Wrong("a field's value holds a control byte");
    };
    value.set_sensitive(secret);
    Line::Field(name, value)
}

/// In origin form or `*`, of what a URI can hold unencoded: as strict as HTTP/1's request line is read.
fn path(value: Bytes) -> Line {
    if value.first() != Some(&b'/') && &value[..] != b"*" {
        return Line::Wrong("the :path does not begin with a slash");
    }
    // `http` would leave out what follows a `#`.
    let mut strange = false;
    for b in &value[..] {
        strange |= *b <= b' ' || *b >= 0x7f || *b == b'#';
    }
    if strange {
        return Line::Wrong("the :path holds a byte that a URI cannot hold unencoded");
    }
    PathAndQuery::from_maybe_shared(value).map_or(Line::Wrong("the :path is none"), Line::Path)
}

fn scheme(value: &[u8]) -> Line {
    let begins = value.first().is_some_and(u8::is_ascii_alphabetic);
    match Scheme::try_from(value) {
        // `http` has a tilde among a scheme's characters (RFC 3986 3.1 has not).
        Ok(scheme) if begins && !value.contains(&b'~') => Line::Scheme(scheme),
        _ => Line::Wrong("the :scheme is none"),
    }
}
