//! Heads of messages, as every protocol's are once they were read.

use super::{Denial, Fields};
use http::header::HeaderMap;
use http::{Method, StatusCode, Uri, Version};
use hyper::ext::ReasonPhrase;

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

impl RequestHead {
    /// Makes room for the next one. Nothing of this one stays, but the room its fields had.
    pub fn clear(&mut self) {
        self.headers.clear();
        let headers = std::mem::take(&mut self.headers);
        *self = RequestHead { headers, ..RequestHead::default() };
    }
}

impl From<http::request::Parts> for RequestHead {
    fn from(parts: http::request::Parts) -> RequestHead {
        let http::request::Parts { method, uri, version, headers, .. } = parts;
        RequestHead { method, uri, version, headers: headers.into(), flaw: None }
    }
}

/// A reply: its head, and whatever stands for its body.
#[derive(Debug)]
pub struct Reply<B> {
    pub status: StatusCode,
    pub headers: Fields,
    /// The words behind the status, where they are not the usual ones.
    pub reason: Option<ReasonPhrase>,
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
