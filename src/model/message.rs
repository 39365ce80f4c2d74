//! Heads of messages, as every protocol's are once they were read.

use super::{Denial, Fields};
use http::header::HeaderMap;
use http::{Method, StatusCode, Uri, Version};

/// A request's head.
#[derive(Debug, Clone, Default)]
pub struct RequestHead {
    pub method: Method,
    pub uri: Uri,
    pub version: Version,
    pub headers: Fields,
    /// It could not be read, or its body's end cannot be told: it is refused with this.
    pub flaw: Option<Box<Denial>>,
}

impl From<http::request::Parts> for RequestHead {
    fn from(parts: http::request::Parts) -> RequestHead {
        let http::request::Parts { method, uri, version, headers, .. } = parts;
        RequestHead { method, uri, version, headers: headers.into(), flaw: None }
    }
}

/// The words behind a reply's status, which can be written into its first line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(Box<[u8]>);

impl Reason {
    /// `None`: there is a byte in it that a line cannot hold (RFC 9112, section 4).
    pub fn new(words: &[u8]) -> Option<Reason> {
        let fits = words.iter().all(|b| matches!(b, b'\t' | b' '..=b'~' | 0x80..));
        fits.then(|| Reason(words.into()))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// A reply: its head, and whatever stands for its body.
#[derive(Debug)]
pub struct Reply<B> {
    pub status: StatusCode,
    pub headers: Fields,
    /// The words behind the status, where they are not the usual ones.
    pub reason: Option<Reason>,
    pub body: B,
}

impl<B> Reply<B> {
    /// 200, without fields.
    pub fn new(body: B) -> Reply<B> {
        Reply { status: StatusCode::OK, headers: Fields::with_room(), reason: None, body }
    }

    /// The same head with another body.
    pub fn map<C>(self, body: impl FnOnce(B) -> C) -> Reply<C> {
        let Reply { status, headers, reason, body: old } = self;
        Reply { status, headers, reason, body: body(old) }
    }

    /// As others take it. The reason is lost: only HTTP/1 has one.
    pub fn into_response(self) -> http::Response<B> {
        let mut response = http::Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = HeaderMap::from(self.headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_holds_no_end_of_its_line() {
        for words in [&b""[..], b"OK", b"Not\tFound", b"caf\xc3\xa9"] {
            assert_eq!(Reason::new(words).unwrap().as_bytes(), words);
        }
        for words in [&b"a\r\nx: y"[..], b"a\n", b"\0", b"\x7f", b"\x1b[0m"] {
            assert_eq!(Reason::new(words), None);
        }
    }
}
