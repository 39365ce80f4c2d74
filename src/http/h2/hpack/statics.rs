//! The static table (RFC 7541 appendix A), ready-made.

use super::OVERHEAD;
use super::line::{NO_AUTHORITY, NO_PSEUDO, Name, OF_CONNECTIONS};
use super::{Line, decoder::Entry};
use http::header::{HeaderName, HeaderValue};
use http::uri::{PathAndQuery, Scheme};
use http::{Method, StatusCode};

/// How many lines it has.
pub const LENGTH: usize = 61;

/// How many of them are pseudo-headers, which come first.
const PSEUDO: usize = 14;

/// The line at `index`, which counts from one.
pub fn get(index: usize) -> Option<&'static (usize, Entry)> {
    ENTRIES.get(index.wrapping_sub(1))
}

const fn pseudo(name: Name, name_length: usize, value_length: usize, line: Line) -> (usize, Entry) {
    (name_length + value_length + OVERHEAD, Entry { name, name_length, line })
}

const fn status() -> (usize, Entry) {
    pseudo(Name::Wrong(NO_PSEUDO), ":status".len(), 3, Line::Wrong(NO_PSEUDO))
}

const fn field(name: &'static str, value: &'static str) -> (usize, Entry) {
    let line = Line::Field(HeaderName::from_static(name), HeaderValue::from_static(value));
    pseudo(Name::Field(HeaderName::from_static(name)), name.len(), value.len(), line)
}

macro_rules! table {
    ($($name:literal $value:literal)*; $forbidden:literal; $($more:literal)*) => {
        static ENTRIES: [(usize, Entry); LENGTH] = [
            pseudo(Name::Authority, 10, 0, Line::Wrong(NO_AUTHORITY)),
            pseudo(Name::Method, 7, 3, Line::Method(Method::GET)),
            pseudo(Name::Method, 7, 4, Line::Method(Method::POST)),
            pseudo(Name::Path, 5, 1, Line::Path(PathAndQuery::from_static("/"))),
            pseudo(Name::Path, 5, 11, Line::Path(PathAndQuery::from_static("/index.html"))),
            pseudo(Name::Scheme, 7, 4, Line::Scheme(Scheme::HTTP)),
            pseudo(Name::Scheme, 7, 5, Line::Scheme(Scheme::HTTPS)),
            status(), status(), status(), status(), status(), status(), status(),
            $(field($name, $value),)*
            pseudo(Name::Wrong(OF_CONNECTIONS), $forbidden.len(), 0, Line::Wrong(OF_CONNECTIONS)),
            $(field($more, ""),)*
        ];

        /// The fields' names, from the first field on.
        const NAMES: [&str; LENGTH - PSEUDO] = [$($name,)* $forbidden, $($more,)*];
    };
}

table! {
    "accept-charset" ""
    "accept-encoding" "gzip, deflate"
    "accept-language" ""
    "accept-ranges" ""
    "accept" ""
    "access-control-allow-origin" ""
    "age" ""
    "allow" ""
    "authorization" ""
    "cache-control" ""
    "content-disposition" ""
    "content-encoding" ""
    "content-language" ""
    "content-length" ""
    "content-location" ""
    "content-range" ""
    "content-type" ""
    "cookie" ""
    "date" ""
    "etag" ""
    "expect" ""
    "expires" ""
    "from" ""
    "host" ""
    "if-match" ""
    "if-modified-since" ""
    "if-none-match" ""
    "if-range" ""
    "if-unmodified-since" ""
    "last-modified" ""
    "link" ""
    "location" ""
    "max-forwards" ""
    "proxy-authenticate" ""
    "proxy-authorization" ""
    "range" ""
    "referer" ""
    "refresh" ""
    "retry-after" ""
    "server" ""
    "set-cookie" ""
    "strict-transport-security" "";
    "transfer-encoding";
    "user-agent" "vary" "via" "www-authenticate"
}

/// The index of `:status` with this status, or of one with another.
pub fn of_status(status: StatusCode) -> Result<usize, usize> {
    match status.as_u16() {
        200 => Ok(8),
        204 => Ok(9),
        206 => Ok(10),
        304 => Ok(11),
        400 => Ok(12),
        404 => Ok(13),
        500 => Ok(14),
        _ => Err(8),
    }
}

/// The index of a field with this name: one comparison, with the only name that has its place in [`PLACES`].
pub fn named(name: &[u8]) -> Option<usize> {
    let at = usize::from(PLACES[place(name)]);
    (NAMES[at].as_bytes() == name).then_some(PSEUDO + 1 + at)
}

/// Whether only its name, with no value, stands at `index`.
pub fn is_bare(index: usize) -> bool {
    index > PSEUDO && index != 16
}

/// Whether what follows the name at `index` is a secret, which is in no table (RFC 7541 7.1.3).
pub fn is_secret(index: usize) -> bool {
    matches!(index, 23 | 32 | 49 | 55)
}

/// Where a name is looked for. The factor was searched for: with it, no two names meet.
const fn place(name: &[u8]) -> usize {
    if name.is_empty() {
        return 0;
    }
    let (first, middle, last) = (name[0], name[name.len() / 2], name[name.len() - 1]);
    let bits = name.len() as u32 | (first as u32) << 8 | (middle as u32) << 16 | (last as u32) << 24;
    (bits.wrapping_mul(FACTOR) >> 25) as usize
}

const FACTOR: u32 = 0xf0f7_7331;

/// By place, which of [`NAMES`] it may be.
const PLACES: [u8; 128] = {
    let mut places = [u8::MAX; 128];
    let mut at = 0;
    while at < NAMES.len() {
        let place = place(NAMES[at].as_bytes());
        assert!(places[place] == u8::MAX, "two names have one place");
        places[place] = at as u8;
        at += 1;
    }
    // Where there is none, any will do: it is compared.
    at = 0;
    while at < places.len() {
        if places[at] == u8::MAX {
            places[at] = 0;
        }
        at += 1;
    }
    places
};
