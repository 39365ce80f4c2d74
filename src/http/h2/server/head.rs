//! From the lines of a header block to a request's head, or its trailers (RFC 9113, sections 8.1 to 8.3).

use crate::http::h1::framing::{Framing, of_request};
use crate::http::h1::head::no_method;
use crate::http::h2::hpack::{Fits, Line};
use crate::model::{Denial, Fields, RequestHead};
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Uri, Version};

/// More lines than anybody has trailers, and fewer than a `HeaderMap` can hold.
const MOST_TRAILERS: usize = 4096;

/// A head in the making.
#[derive(Default)]
pub struct Heading {
    method: Option<Method>,
    scheme: Option<Scheme>,
    authority: Option<Authority>,
    path: Option<PathAndQuery>,
    fields: Option<Fields>,
    wrong: Option<&'static str>,
}

impl Heading {
    /// One line more.
    pub fn take(&mut self, line: Line) {
        let again = match line {
            Line::Field(name, value) => {
                return self.fields.get_or_insert_with(Fields::with_room).append(name, value);
            }
            Line::Wrong(why) => return self.is_wrong(why),
            Line::Method(method) => self.method.replace(method).is_some(),
            Line::Scheme(scheme) => self.scheme.replace(scheme).is_some(),
            Line::Authority(authority) => self.authority.replace(authority).is_some(),
            Line::Path(path) => self.path.replace(path).is_some(),
        };
        if again {
            self.is_wrong("a pseudo-header is repeated");
        }
        if self.fields.is_some() {
            self.is_wrong("a pseudo-header after the fields");
        }
    }

    fn is_wrong(&mut self, why: &'static str) {
        self.wrong.get_or_insert(why);
    }

    /// The whole head, and how many bytes its body will have, if that was said. What is wrong with it is its flaw; as
    /// much as could be read stands there for the record.
    pub fn finish(&mut self, fits: Fits, ends: bool) -> (Box<RequestHead>, Option<u64>) {
        if self.method.is_none() {
            self.is_wrong("no :method");
        }
        let uri = self.uri();
        let headers = self.fields.take().unwrap_or_default();
        let mut flaw = match fits {
            Fits::No => Some(Denial::HeadTooLarge("more bytes than max_head")),
            Fits::Yes => self.wrong.map(Denial::BadRequest),
        };
        let expected = match of_request(Version::HTTP_2, &headers) {
            Ok(Framing::Length(bytes)) => Some(bytes),
            Ok(_) => None,
            Err(denial) => {
                flaw.get_or_insert(denial);
                None
            }
        };
        if ends && expected.is_some_and(|bytes| bytes > 0) {
            flaw.get_or_insert(Denial::BadRequest("a Content-Length, but no body"));
        }
        let method = self.method.take().unwrap_or_else(no_method);
        (Box::new(RequestHead { method, uri, version: Version::HTTP_2, headers, flaw: flaw.map(Box::new) }), expected)
    }

    /// The target. All but CONNECT have a scheme and a path (section 8.3.1).
    fn uri(&mut self) -> Uri {
        let (scheme, authority, path) = (self.scheme.take(), self.authority.take(), self.path.take());
        if self.method == Some(Method::CONNECT) {
            if scheme.is_some() || path.is_some() {
                self.is_wrong("CONNECT with a scheme or a path");
            }
            return authority.and_then(|a| Uri::try_from(a.as_str()).ok()).unwrap_or_default();
        }
        if scheme.is_none() {
            self.is_wrong("no :scheme");
        }
        let Some(path) = path else {
            self.is_wrong("no :path");
            return Uri::default();
        };
        let mut parts = Parts::default();
        // Without an authority the target is no more than its path.
        parts.scheme = scheme.filter(|_| authority.is_some());
        parts.authority = authority.filter(|_| parts.scheme.is_some());
        parts.path_and_query = Some(path);
        Uri::from_parts(parts).unwrap_or_else(|_| {
            self.is_wrong("the target is no URI");
            Uri::default()
        })
    }

    /// What came after a body: fields alone.
    pub fn trailers(&mut self, fits: Fits) -> Option<HeaderMap> {
        let pseudo = self.method.is_some() || self.scheme.is_some() || self.authority.is_some() || self.path.is_some();
        if pseudo || self.wrong.is_some() || matches!(fits, Fits::No) {
            return None;
        }
        let fields = self.fields.take().unwrap_or_default();
        (fields.len() <= MOST_TRAILERS).then(|| HeaderMap::from(fields))
    }
}
