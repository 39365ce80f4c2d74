//! HTTP/1 as bytes: where a head ends and what stands in it, where a body ends and what that is.

use super::{cut, steer};
use crate::http::h1::chunks::{Decoded, Decoder};
use crate::http::h1::feeds::Feeds;
use crate::http::h1::framing::{Framing, of_reply, of_request};
use crate::http::h1::head::{self as heads, Flaw, Limits, Scanner};
use crate::model::Fields;
use bytes::{Bytes, BytesMut};
use http::Method;
use std::collections::HashMap;

const LIMITS: Limits = Limits { head: 512, uri: 128 };

/// Where the head ends whose bytes arrive as `pieces`.
fn end(pieces: &[Bytes]) -> Result<Option<usize>, Flaw> {
    let (mut scanner, mut seen, mut feeds) = (Scanner::default(), Vec::new(), Feeds::default());
    for piece in pieces {
        seen.extend_from_slice(piece);
        if let Some(end) = scanner.scan(&seen, LIMITS, &mut feeds)? {
            assert_eq!(feeds, Feeds::of(&seen[..end]));
            return Ok(Some(end));
        }
    }
    Ok(None)
}

/// The head that stands at the front of `bytes`, which is the same however they arrive.
fn found(bytes: &[u8], longest: u8, seed: u8) -> Option<Bytes> {
    let whole = end(&[Bytes::copy_from_slice(bytes)]);
    assert_eq!(end(&cut(bytes, longest, seed)), whole, "in pieces");
    assert_eq!(end(&cut(bytes, 0, 0)), whole, "byte by byte");
    whole.ok().flatten().map(|end| Bytes::copy_from_slice(&bytes[..end]))
}

/// What was read as fields stood there as lines: as many, in the same order, none of them holding the end of another.
fn in_lines(head: &[u8], fields: &Fields) {
    let lines: Vec<&[u8]> = head.split_inclusive(|b| *b == b'\n').collect();
    assert_eq!(lines.len(), fields.len() + 2);
    let mut seen = HashMap::<String, usize>::new();
    for (n, line) in lines.iter().enumerate() {
        let text = line.strip_suffix(b"\r\n").expect("a line ends in CRLF");
        assert!(!text.contains(&b'\r'));
        if n == 0 || n == lines.len() - 1 {
            continue;
        }
        let colon = text.iter().position(|b| *b == b':').expect("a field has a colon");
        let name = std::str::from_utf8(&text[..colon]).expect("a name is a token").to_ascii_lowercase();
        let nth = seen.entry(name.clone()).or_default();
        let value = fields.get_all(&*name).nth(*nth).expect("the field was read");
        *nth += 1;
        assert_eq!(text[colon + 1..].trim_ascii(), value.as_bytes().trim_ascii());
        assert!(!value.as_bytes().iter().any(|b| matches!(b, 0..=8 | 10..=31 | 127)));
    }
}

/// A request's head: what is read is what stands there, to the byte.
pub fn head(bytes: &[u8]) {
    let ([longest, seed], bytes) = steer(bytes);
    let Some(head) = found(bytes, longest, seed) else { return };
    let Ok(parts) = heads::request(&head) else { return };
    in_lines(&head, &parts.headers);
    let line = head.split(|b| *b == b'\r').next().unwrap_or_default();
    let target = line.strip_prefix(parts.method.as_str().as_bytes()).and_then(|l| l.strip_prefix(b" "));
    let target = target.and_then(|l| l.strip_suffix(format!(" {:?}", parts.version).as_bytes())).expect("three words");
    assert!(target.iter().all(|b| (b'!'..=b'~').contains(b) && *b != b'#'));
    if target.starts_with(b"/") {
        assert_eq!(parts.uri.path_and_query().map(|p| p.as_str().as_bytes()), Some(target));
    }
    let _ = of_request(parts.version, &parts.headers);
}

/// A reply's head.
pub fn reply(bytes: &[u8]) {
    let ([longest, seed], bytes) = steer(bytes);
    let Some(head) = found(bytes, longest, seed) else { return };
    let Ok(reply) = heads::reply(&head, &Feeds::of(&head)) else { return };
    in_lines(&head, &reply.fields);
    assert_eq!(head[9..12], *reply.status.as_str().as_bytes());
    let framing = of_reply(&Method::GET, reply.status, reply.version, &reply.fields);
    if let Ok(framing) = of_reply(&Method::HEAD, reply.status, reply.version, &reply.fields) {
        assert_eq!(framing, Framing::Empty);
    } else {
        assert!(framing.is_err(), "two framings are two, whoever asked");
    }
}

/// A body, what follows it, and whether it ended as it should.
type Body = (Vec<u8>, Option<usize>, Result<Vec<u8>, &'static str>);

fn decoded(framing: Framing, pieces: &[Bytes]) -> Body {
    let mut decoder = Decoder::new(framing);
    let (mut buffer, mut body, mut trailers) = (BytesMut::new(), Vec::new(), None);
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut buffer) {
                Ok(Decoded::Data(data)) => {
                    assert!(!data.is_empty());
                    body.extend_from_slice(&data);
                }
                Ok(Decoded::Trailers(fields)) => trailers = Some(fields.len()),
                Ok(Decoded::End | Decoded::More) => break,
                Err(why) => {
                    assert!(decoder.decode(&mut BytesMut::from(&b"0\r\n\r\n"[..])).is_err());
                    return (body, trailers, Err(why));
                }
            }
        }
    }
    let end = if decoder.connection_ended() { Ok(buffer.to_vec()) } else { Err("broke off") };
    (body, trailers, end)
}

/// A body: the same in whatever pieces it arrives; and a chunked one is what everybody else would take it for.
pub fn body(bytes: &[u8]) {
    let ([kind, longest, seed], bytes) = steer(bytes);
    let framing = match kind % 4 {
        0 => Framing::Length(u64::from(seed)),
        1 => Framing::UntilClose,
        _ => Framing::Chunked,
    };
    let whole = decoded(framing, &[Bytes::copy_from_slice(bytes)]);
    assert_eq!(decoded(framing, &cut(bytes, longest, seed)), whole, "in pieces");
    assert_eq!(decoded(framing, &cut(bytes, 0, 0)), whole, "byte by byte");
    let (body, _, Ok(rest)) = whole else { return };
    match framing {
        Framing::Chunked => assert_eq!(read_by_others(bytes), Some((body, rest))),
        Framing::UntilClose => assert_eq!((body.as_slice(), rest.len()), (bytes, 0)),
        Framing::Length(length) => {
            assert_eq!(body.len() as u64, length);
            assert_eq!([body, rest].concat(), bytes);
        }
        Framing::Empty => {}
    }
}

/// A chunked body and what follows it, as a forgiving server reads it.
pub(super) fn read_by_others(mut bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    fn line<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
        let end = bytes.iter().position(|b| *b == b'\n')?;
        let line = &bytes[..end];
        *bytes = &bytes[end + 1..];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
    let mut body = Vec::new();
    loop {
        let size = line(&mut bytes)?.split(|b| *b == b';').next()?.trim_ascii();
        let size = usize::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
        if size == 0 {
            while !line(&mut bytes)?.is_empty() {}
            return Some((body, bytes.to_vec()));
        }
        body.extend_from_slice(bytes.get(..size)?);
        bytes = &bytes[size..];
        line(&mut bytes).filter(|l| l.is_empty())?;
    }
}
