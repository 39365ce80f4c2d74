//! Replies as bytes: their heads, and the framing of their bodies.

use crate::http::date;
use crate::http::outbox::Outbox;
use crate::model::{Fields, Reason, Reply, RequestHead};
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING};
use http::{Method, StatusCode, Version};
use http_body::SizeHint;

/// What a reply needs to know of its request.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    pub version: Version,
    pub head: bool,
    /// The caller would go on with this connection.
    pub keep: bool,
    /// The caller said `TE: trailers`.
    pub trailers: bool,
}

impl Asked {
    pub fn of(parts: &RequestHead) -> Asked {
        let said = |token: &str| names(&parts.headers, &CONNECTION, token);
        let keep = match parts.version {
            Version::HTTP_10 => said("keep-alive") && !said("close"),
            _ => !said("close"),
        };
        Asked {
            version: parts.version,
            head: parts.method == Method::HEAD,
            keep,
            trailers: names(&parts.headers, &TE, "trailers"),
        }
    }
}

/// Whether the list in the fields called `name` holds `token`.
pub fn names(fields: &Fields, name: &HeaderName, token: &str) -> bool {
    fields.get_all(name).any(|line| lists(line, token))
}

fn lists(line: &HeaderValue, token: &str) -> bool {
    let mut items = line.as_bytes().split(|b| *b == b',');
    items.any(|item| item.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// How a body is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    Nothing,
    /// So many bytes are still to be sent.
    Length(u64),
    Chunked {
        trailers: bool,
    },
    UntilClose,
}

/// A body that is not what its head said. The connection must end without a clean end of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch;

impl Sending {
    /// Puts a part of the body into the outbox.
    pub fn part(&mut self, outbox: &mut Outbox, part: Bytes) -> Result<(), Mismatch> {
        match self {
            _ if part.is_empty() => {}
            Sending::Nothing => {}
            Sending::Length(left) => {
                *left = left.checked_sub(part.len() as u64).ok_or(Mismatch)?;
                outbox.push(part, b"");
            }
            Sending::Chunked { .. } => {
                push_hex(outbox.gather(), part.len());
                outbox.push(part, b"\r\n");
            }
            Sending::UntilClose => outbox.push(part, b""),
        }
        Ok(())
    }

    /// Ends the body, with its trailers where they can be sent.
    pub fn end(&mut self, outbox: &mut Outbox, trailers: Option<&HeaderMap>) -> Result<(), Mismatch> {
        match self {
            Sending::Length(1..) => return Err(Mismatch),
            Sending::Chunked { trailers: wanted } => {
                let out = outbox.gather();
                out.extend_from_slice(b"0\r\n");
                for (name, value) in trailers.filter(|_| *wanted).into_iter().flatten() {
                    line(out, name.as_str(), value.as_bytes());
                }
                out.extend_from_slice(b"\r\n");
            }
            _ => {}
        }
        Ok(())
    }
}

/// Writes a reply's head; says how its body is sent. `keep`: the connection stays open after it, which a body without
/// a stated end can prevent.
pub fn head<B>(out: &mut Vec<u8>, head: &Reply<B>, body: &SizeHint, asked: &Asked, keep: &mut bool) -> Sending {
    let switched = head.status == StatusCode::SWITCHING_PROTOCOLS;
    let (mut stated, mut dated) = (None, false);
    status_line(out, head.status, head.reason.as_ref());
    for (name, value) in &head.headers {
        let ours = match *name {
            TRANSFER_ENCODING => true,
            CONNECTION => {
                *keep = *keep && !lists(value, "close");
                !switched
            }
            CONTENT_LENGTH => {
                stated = stated.or(Some(value));
                head.status == StatusCode::NO_CONTENT || switched
            }
            DATE => {
                dated = true;
                false
            }
            _ => false,
        };
        if !ours {
            line(out, name.as_str(), value.as_bytes());
        }
    }
    let sending = sending(head.status, stated, body, asked);
    *keep = *keep && sending != Sending::UntilClose;
    match sending {
        Sending::Chunked { .. } => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        Sending::Length(bytes) if stated.is_none() => length(out, bytes),
        // What GET would have been told.
        Sending::Nothing if asked.head && stated.is_none() => {
            if let Some(bytes @ 1..) = body.exact() {
                length(out, bytes);
            }
        }
        _ => {}
    }
    if !dated {
        line(out, "date", date::now().as_bytes());
    }
    if !*keep && !switched {
        out.extend_from_slice(b"connection: close\r\n");
    } else if asked.version == Version::HTTP_10 && !switched {
        out.extend_from_slice(b"connection: keep-alive\r\n");
    }
    out.extend_from_slice(b"\r\n");
    sending
}

/// `stated`: the length that the head says.
fn sending(status: StatusCode, stated: Option<&HeaderValue>, body: &SizeHint, asked: &Asked) -> Sending {
    let never = asked.head
        || status.is_informational()
        || status == StatusCode::NO_CONTENT
        || status == StatusCode::NOT_MODIFIED;
    if never {
        return Sending::Nothing;
    }
    let stated = stated.and_then(|length| length.to_str().ok()?.parse().ok());
    match stated.or(body.exact()) {
        Some(bytes) => Sending::Length(bytes),
        None if asked.version == Version::HTTP_10 => Sending::UntilClose,
        None => Sending::Chunked { trailers: asked.trailers },
    }
}

/// Writes what is said before a reply.
pub fn informational(out: &mut Vec<u8>, status: StatusCode, fields: &Fields) {
    status_line(out, status, None);
    // No body follows (RFC 9110, section 8.6), whatever was said.
    for (name, value) in fields.iter().filter(|(name, _)| !matches!(**name, CONTENT_LENGTH | TRANSFER_ENCODING)) {
        line(out, name.as_str(), value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

fn status_line(out: &mut Vec<u8>, status: StatusCode, reason: Option<&Reason>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    let usual = status.canonical_reason().unwrap_or_default().as_bytes();
    out.extend_from_slice(reason.map_or(usual, Reason::as_bytes));
    out.extend_from_slice(b"\r\n");
}

/// Writes a field. Its name and value were checked when they were made: neither can end a line.
pub fn line(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes `content-length`.
pub fn length(out: &mut Vec<u8>, bytes: u64) {
    out.extend_from_slice(b"content-length: ");
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut left = bytes;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

/// Writes a chunk's size line.
pub fn push_hex(out: &mut Vec<u8>, size: usize) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = (usize::BITS - (size | 1).leading_zeros()).div_ceil(4);
    for digit in (0..digits).rev() {
        out.push(DIGITS[size >> (4 * digit) & 15]);
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Asked = Asked { version: Version::HTTP_11, head: false, keep: true, trailers: true };

    fn written(reply: Reply<()>, hint: SizeHint, asked: Asked) -> (String, Sending, bool) {
        let (mut out, mut keep) = (Vec::new(), asked.keep);
        let sending = head(&mut out, &reply, &hint, &asked, &mut keep);
        let text = String::from_utf8(out).unwrap();
        let without_date = text.split_inclusive("\r\n").filter(|l| !l.starts_with("date: ")).collect();
        (without_date, sending, keep)
    }

    fn reply(status: u16, fields: &[(&str, &str)]) -> Reply<()> {
        let headers = fields.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect();
        Reply { status: StatusCode::from_u16(status).unwrap(), headers, ..Reply::new(()) }
    }

    #[test]
    fn hazard_14_framing_follows_the_request_the_status_and_the_body() {
        let unknown = SizeHint::default();
        let (text, sending, keep) = written(reply(200, &[("a", "b")]), unknown, ASKED);
        assert_eq!(text, "HTTP/1.1 200 OK\r\na: b\r\ntransfer-encoding: chunked\r\n\r\n");
        assert_eq!((sending, keep), (Sending::Chunked { trailers: true }, true));
        let (text, sending, _) = written(reply(200, &[]), SizeHint::with_exact(12), ASKED);
        assert_eq!((text.as_str(), sending), ("HTTP/1.1 200 OK\r\ncontent-length: 12\r\n\r\n", Sending::Length(12)));
        let (text, sending, _) = written(reply(204, &[("content-length", "0")]), SizeHint::with_exact(0), ASKED);
        assert_eq!((text.as_str(), sending), ("HTTP/1.1 204 No Content\r\n\r\n", Sending::Nothing));
        let (text, sending, _) = written(reply(304, &[("content-length", "9")]), SizeHint::with_exact(0), ASKED);
        assert_eq!(
            (text.as_str(), sending),
            ("HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", Sending::Nothing)
        );
        let to_head = Asked { head: true, ..ASKED };
        let (text, sending, _) = written(reply(200, &[("content-length", "9")]), SizeHint::with_exact(0), to_head);
        assert_eq!((text.as_str(), sending), ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", Sending::Nothing));
        let old = Asked { version: Version::HTTP_10, ..ASKED };
        let (text, sending, keep) = written(reply(200, &[]), unknown, old);
        assert_eq!((text.as_str(), keep), ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", false));
        assert_eq!(sending, Sending::UntilClose);
    }

    #[test]
    fn hazard_14_a_body_that_is_not_what_its_head_said_is_never_ended_cleanly() {
        let mut outbox = Outbox::default();
        let mut sending = Sending::Length(3);
        assert_eq!(sending.part(&mut outbox, Bytes::from_static(b"ab")), Ok(()));
        assert_eq!(sending.end(&mut outbox, None), Err(Mismatch));
        assert_eq!(sending.part(&mut outbox, Bytes::from_static(b"cd")), Err(Mismatch));
    }

    #[test]
    fn chunks_and_lengths_are_written_as_they_are_read() {
        for size in [1, 9, 10, 15, 16, 255, 256, 4096, 70_000] {
            let mut out = Vec::new();
            push_hex(&mut out, size);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{size:x}\r\n"));
            let mut out = Vec::new();
            length(&mut out, size as u64);
            assert_eq!(String::from_utf8(out).unwrap(), format!("content-length: {size}\r\n"));
        }
        let mut out = Vec::new();
        length(&mut out, 0);
        assert_eq!(out, b"content-length: 0\r\n");
    }
}
