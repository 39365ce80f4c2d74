//! Heads, read strictly: every line ends in CRLF, every field has a name, a colon and a value that a field can hold, and
//! nothing is folded, guessed or mended (hazard 10).

use super::feeds::Feeds;
use crate::model::{Denial, Fields, Reason, RequestHead};
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, StatusCode, Uri, Version};

/// How long a head may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the whole head.
    pub head: usize,
    /// Bytes of the request's target.
    pub uri: usize,
}

/// Beyond the configured sizes, so that what is only a little too long is refused with everything that is known of it.
const BEYOND: usize = 1024;

/// Looks for the end of a head as its bytes arrive, each of them once.
#[derive(Debug, Default)]
pub struct Scanner {
    /// What was looked at.
    seen: usize,
    /// Where the line begins that is being read.
    line: usize,
}

/// A head that can never be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    BareLineFeed,
    LineTooLong,
    TooLong,
}

impl Scanner {
    /// Where the head ends, once that is known. `bytes` are all that came so far, from the head's first; `feeds` are kept
    /// from one look to the next.
    pub fn scan(&mut self, bytes: &[u8], limits: Limits, feeds: &mut Feeds) -> Result<Option<usize>, Flaw> {
        let (longest_line, longest) = (limits.uri.min(limits.head) + BEYOND, limits.head + BEYOND);
        let seen = self.seen.min(bytes.len());
        if seen == bytes.len() {
            // Who waits holds no room.
            return Ok(None);
        }
        let feeds = feeds.room();
        for found in memchr::memchr_iter(b'\n', &bytes[seen..]) {
            let feed = seen + found;
            // As if the bytes had come one by one.
            if self.line == 0 && feed > longest_line {
                return Err(Flaw::LineTooLong);
            }
            if feed >= longest {
                return Err(Flaw::TooLong);
            }
            if feed == self.line || bytes[feed - 1] != b'\r' {
                return Err(Flaw::BareLineFeed);
            }
            let empty = feed - 1 == self.line;
            (self.seen, self.line) = (feed + 1, feed + 1);
            feeds.push(feed as u32);
            if empty {
                return Ok(Some(feed + 1));
            }
        }
        self.seen = bytes.len();
        if self.line == 0 && bytes.len() > longest_line {
            return Err(Flaw::LineTooLong);
        }
        if bytes.len() > longest { Err(Flaw::TooLong) } else { Ok(None) }
    }
}

/// Reads a request's head, from its first byte to its empty line; `feeds` are all of its line feeds. Of a wrong one `into`
/// holds as much as could be read.
pub fn read(head: &Bytes, feeds: &[u32], into: &mut RequestHead) -> Result<(), Denial> {
    *into = RequestHead { headers: Fields::with_room(), ..RequestHead::default() };
    let (first, rest) = first_line(head, feeds).map_err(Denial::BadRequest)?;
    request_line(head, first, into)?;
    fields(head, first + 2, rest, &mut into.headers).map_err(Denial::BadRequest)
}

/// The same, into a new one.
pub fn request(head: &Bytes) -> Result<RequestHead, Denial> {
    let mut parts = RequestHead::default();
    read(head, &Feeds::of(head), &mut parts).map(|()| parts)
}

/// What is recorded of a head of which nothing could be read.
pub fn unreadable(into: &mut RequestHead) {
    *into = RequestHead { method: no_method(), ..RequestHead::default() };
}

/// A method that no request has, for the log.
pub fn no_method() -> Method {
    Method::from_bytes(b"-").unwrap_or_default()
}

/// Fills `parts` from the first line, which ends at `end`.
fn request_line(head: &Bytes, end: usize, parts: &mut RequestHead) -> Result<(), Denial> {
    parts.method = no_method();
    let line = &head[..end];
    let (method, rest) = split_at(line, b' ').ok_or(Denial::BadRequest("the request line has no target"))?;
    let (target, version) = split_last(rest).ok_or(Denial::BadRequest("the request line has no version"))?;
    parts.method = Method::from_bytes(method).map_err(|_| Denial::BadRequest("the method is no token"))?;
    parts.version = version_of(version)?;
    let start = method.len() + 1;
    parts.uri = target_of(head.slice(start..start + target.len()), &parts.method)?;
    Ok(())
}

fn split_at(line: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let found = memchr::memchr(at, line)?;
    Some((&line[..found], &line[found + 1..]))
}

fn split_last(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let found = memchr::memrchr(b' ', line)?;
    Some((&line[..found], &line[found + 1..]))
}

fn version_of(text: &[u8]) -> Result<Version, Denial> {
    match text {
        b"HTTP/1.1" => Ok(Version::HTTP_11),
        b"HTTP/1.0" => Ok(Version::HTTP_10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Err(Denial::VersionNotSupported)
        }
        _ => Err(Denial::BadRequest("the request line does not end in HTTP/1.1")),
    }
}

/// A target is what a URI can hold, unencoded: no white space, no control byte, no `#`, nothing beyond ASCII.
fn target_of(target: Bytes, method: &Method) -> Result<Uri, Denial> {
    if target.iter().any(|b| *b <= b' ' || *b >= 0x7f || *b == b'#') {
        return Err(Denial::BadRequest("the target holds a byte that a URI cannot hold unencoded"));
    }
    let origin = target.first() == Some(&b'/') || &target[..] == b"*" || *method == Method::CONNECT;
    let uri = Uri::from_maybe_shared(target).map_err(|_| Denial::BadRequest("the target is no URI"))?;
    if !origin && uri.scheme().is_none() {
        return Err(Denial::BadRequest("the target begins with neither a slash nor a scheme"));
    }
    Ok(uri)
}

/// Reads the fields that begin at `at`, each of which ends at one of `feeds`. A field's value keeps its bytes; blanks
/// around it go.
pub fn fields(head: &Bytes, at: usize, feeds: &[u32], into: &mut Fields) -> Result<(), &'static str> {
    let mut start = at;
    for feed in feeds {
        let end = line_end(head, start, *feed)?;
        if end == start {
            return Ok(());
        }
        let (name, value) = field(head, start, end)?;
        into.append(name, value);
        start = end + 2;
    }
    if start == head.len() { Ok(()) } else { Err(NO_CRLF) }
}

const NO_TOKEN: &str = "a field's name is no token";
const NO_CRLF: &str = "a line of the head does not end in CRLF";

/// Where the first line ends, and the line feeds of the others.
fn first_line<'f>(head: &[u8], feeds: &'f [u32]) -> Result<(usize, &'f [u32]), &'static str> {
    let (feed, rest) = feeds.split_first().ok_or(NO_CRLF)?;
    let end = line_end(head, 0, *feed)?;
    // Nothing folds into it, and no line hides in it.
    if memchr::memchr(b'\r', &head[..end]).is_some() {
        return Err("a carriage return without its line feed");
    }
    Ok((end, rest))
}

/// Where the line from `start` to its line feed has its CRLF.
fn line_end(head: &[u8], start: usize, feed: u32) -> Result<usize, &'static str> {
    let end = (feed as usize).checked_sub(1).filter(|end| *end >= start && head.get(*end) == Some(&b'\r'));
    debug_assert!(head.get(feed as usize) == Some(&b'\n') && !head[start..feed as usize].contains(&b'\n'));
    end.ok_or(NO_CRLF)
}

fn field(head: &Bytes, start: usize, end: usize) -> Result<(HeaderName, HeaderValue), &'static str> {
    let line = &head[start..end];
    if matches!(line[0], b' ' | b'\t') {
        return Err("a folded line");
    }
    let colon = line.iter().position(|b| *b == b':').ok_or("a field without a colon")?;
    let name = &line[..colon];
    if name.ends_with(b" ") || name.ends_with(b"\t") {
        return Err("white space before a field's colon");
    }
    let name = match usual(name) {
        Some(name) => name,
        // The library lets a quote pass, which is none of a token's characters (RFC 9110, section 5.6.2).
        None if name.contains(&b'"') => return Err(NO_TOKEN),
        None => HeaderName::from_bytes(name).map_err(|_| NO_TOKEN)?,
    };
    let (mut from, mut to) = (start + colon + 1, end);
    while from < to && matches!(head[from], b' ' | b'\t') {
        from += 1;
    }
    while to > from && matches!(head[to - 1], b' ' | b'\t') {
        to -= 1;
    }
    let value = HeaderValue::from_maybe_shared(head.slice(from..to));
    Ok((name, value.map_err(|_| "a field's value holds a control byte")?))
}

/// The names that most messages have, as most write them: found by their length and a comparison.
fn usual(name: &[u8]) -> Option<HeaderName> {
    Some(match name {
        b"Accept" | b"accept" => header::ACCEPT,
        b"Accept-Encoding" | b"accept-encoding" => header::ACCEPT_ENCODING,
        b"Accept-Language" | b"accept-language" => header::ACCEPT_LANGUAGE,
        b"Accept-Ranges" | b"accept-ranges" => header::ACCEPT_RANGES,
        b"Authorization" | b"authorization" => header::AUTHORIZATION,
        b"Cache-Control" | b"cache-control" => header::CACHE_CONTROL,
        b"Connection" | b"connection" => header::CONNECTION,
        b"Content-Encoding" | b"content-encoding" => header::CONTENT_ENCODING,
        b"Content-Length" | b"content-length" => header::CONTENT_LENGTH,
        b"Content-Type" | b"content-type" => header::CONTENT_TYPE,
        b"Cookie" | b"cookie" => header::COOKIE,
        b"Date" | b"date" => header::DATE,
        b"ETag" | b"etag" => header::ETAG,
        b"Host" | b"host" => header::HOST,
        b"Last-Modified" | b"last-modified" => header::LAST_MODIFIED,
        b"Server" | b"server" => header::SERVER,
        b"Set-Cookie" | b"set-cookie" => header::SET_COOKIE,
        b"Transfer-Encoding" | b"transfer-encoding" => header::TRANSFER_ENCODING,
        b"User-Agent" | b"user-agent" => header::USER_AGENT,
        b"Vary" | b"vary" => header::VARY,
        _ => return None,
    })
}

/// A reply's head.
#[derive(Debug)]
pub struct ReplyHead {
    pub status: StatusCode,
    pub version: Version,
    pub fields: Fields,
    /// Where it is not the usual one.
    pub reason: Option<Reason>,
}

/// Reads a reply's head, from its first byte to its empty line; `feeds` are all of its line feeds.
pub fn reply(head: &Bytes, feeds: &[u32]) -> Result<ReplyHead, &'static str> {
    let (end, rest) = first_line(head, feeds)?;
    let version = match head.get(..9) {
        Some(b"HTTP/1.1 ") => Version::HTTP_11,
        Some(b"HTTP/1.0 ") => Version::HTTP_10,
        _ => return Err("the reply does not begin with HTTP/1.1"),
    };
    let status = head.get(9..12).and_then(|digits| StatusCode::from_bytes(digits).ok());
    let status = status.ok_or("the reply's status is no number of three digits")?;
    // The blank after the status is often forgotten where there is no reason.
    let said = match head.get(12) {
        Some(b' ') if end >= 13 => &head[13..end],
        Some(b'\r') if end == 12 => &[],
        _ => return Err("the reply's status is no number of three digits"),
    };
    let usual = status.canonical_reason().is_some_and(|usual| usual.as_bytes() == said) || said.is_empty();
    let reason = if usual { None } else { Some(Reason::new(said).ok_or("the reply's reason holds a control byte")?) };
    let mut read = Fields::with_room();
    fields(head, end + 2, rest, &mut read)?;
    Ok(ReplyHead { status, version, fields: read, reason })
}

#[cfg(test)]
#[path = "head_tests.rs"]
mod tests;
