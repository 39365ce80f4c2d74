//! Requests as bytes: their heads, and how their bodies are framed.

use super::reply::{Sending, length, line};
use crate::model::Fields;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::{Method, Uri};
use http_body::SizeHint;

/// Writes a request's head; says how its body is sent. `fields` are what the upstream is to see; what belongs to this
/// connection alone is said here. A body is announced by what the caller announced, else by what is known of it.
pub fn head(out: &mut Vec<u8>, method: &Method, target: &Uri, fields: &Fields, body: &SizeHint) -> Sending {
    out.extend_from_slice(method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(target.path_and_query().map_or("/", |p| p.as_str()).as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    // First, as RFC 9110 wants it (section 7.2).
    if let Some(host) = fields.get(HOST) {
        line(out, "host", host.as_bytes());
    }
    for (name, value) in fields {
        if *name != HOST && *name != CONNECTION && *name != TRANSFER_ENCODING {
            line(out, name.as_str(), value.as_bytes());
        }
    }
    match (fields.contains_key(UPGRADE), fields.contains_key(TE)) {
        (true, _) => line(out, "connection", b"upgrade"),
        (false, true) => line(out, "connection", b"te"),
        (false, false) => {}
    }
    let stated = fields.get(CONTENT_LENGTH).and_then(|l| l.to_str().ok()?.parse().ok());
    let sending = match (stated, body.exact()) {
        (Some(bytes), _) => Sending::Length(bytes),
        (None, Some(0)) => Sending::Nothing,
        (None, Some(bytes)) => {
            length(out, bytes);
            Sending::Length(bytes)
        }
        (None, None) => {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
            Sending::Chunked { trailers: true }
        }
    };
    out.extend_from_slice(b"\r\n");
    sending
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(fields: &[(&'static str, &'static str)], body: SizeHint) -> (String, Sending) {
        let mut map = Fields::new();
        for (name, value) in fields {
            map.append(*name, http::HeaderValue::from_static(value));
        }
        let mut out = Vec::new();
        let sending = head(&mut out, &Method::POST, &Uri::from_static("http://h/a?b"), &map, &body);
        (String::from_utf8(out).unwrap(), sending)
    }

    #[test]
    fn a_body_is_announced_once() {
        let line = "POST /a?b HTTP/1.1\r\nhost: h\r\n";
        let host = ("host", "h");
        let (text, sending) = written(&[("a", "1"), host, ("a", "2")], SizeHint::with_exact(0));
        assert_eq!((text, sending), (format!("{line}a: 1\r\na: 2\r\n\r\n"), Sending::Nothing));
        let (text, sending) = written(&[host, ("content-length", "5")], SizeHint::with_exact(5));
        assert_eq!((text, sending), (format!("{line}content-length: 5\r\n\r\n"), Sending::Length(5)));
        let (text, sending) = written(&[host], SizeHint::with_exact(7));
        assert_eq!((text, sending), (format!("{line}content-length: 7\r\n\r\n"), Sending::Length(7)));
        let (text, sending) = written(&[host], SizeHint::default());
        let chunked = Sending::Chunked { trailers: true };
        assert_eq!((text, sending), (format!("{line}transfer-encoding: chunked\r\n\r\n"), chunked));
    }

    #[test]
    fn what_belongs_to_the_connection_is_said_for_this_one() {
        let (text, _) = written(&[("connection", "x"), ("transfer-encoding", "gzip")], SizeHint::with_exact(0));
        assert_eq!(text, "POST /a?b HTTP/1.1\r\n\r\n");
        let (text, _) = written(&[("upgrade", "websocket")], SizeHint::with_exact(0));
        assert_eq!(text, "POST /a?b HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n");
        let (text, _) = written(&[("te", "trailers")], SizeHint::with_exact(0));
        assert_eq!(text, "POST /a?b HTTP/1.1\r\nte: trailers\r\nconnection: te\r\n\r\n");
    }
}
