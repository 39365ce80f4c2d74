//! An upstream that says anything over HTTP/2.

use super::http2::found;
use super::wires::finish;
use super::{cut, steer};
use crate::http::body::{CallersBody, CutOff, RequestBody};
use crate::http::h2::client::Line;
use crate::model::{Fields, RequestHead};
use crate::net::frames::{HEADERS, PING, PREFACE};
use crate::net::scripted::{Scripted, Then};
use crate::net::stream::Stream;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderValue, Method, StatusCode, Uri};
use http_body_util::Full;
use std::future::poll_fn;
use std::time::Duration;
use tokio::task::LocalSet;
use tokio::time::Instant;

const HOUR: Duration = Duration::from_secs(3600);

/// What every upstream says first: its settings, and then the answer to our ping.
const SETTINGS: &[u8] = b"\0\0\0\x04\0\0\0\0\0";
const PONG: &[u8] = b"\0\0\x08\x06\x01\0\0\0\0\x3b\x7c\xdb\x7a\x0b\x87\x16\xb4";

/// What came of an exchange.
#[derive(Debug, PartialEq)]
enum Outcome {
    Nothing,
    Broken,
    Whole(StatusCode, Vec<u8>),
}

/// Whether what comes next was asked for: nothing, our ping, our request.
fn asked(said: usize, written: &[u8]) -> bool {
    let sent = |kind| found(written).iter().any(|frame| frame.kind == kind);
    match said {
        0 => true,
        1 => sent(PING),
        _ => sent(HEADERS),
    }
}

fn exchange(method: &Method, pieces: Vec<Bytes>, then: Then, body: usize) -> Outcome {
    let script = Scripted::new([SETTINGS, PONG].map(Bytes::from_static).into_iter().chain(pieces), then).0.until(asked);
    let headers = Fields::from_iter([(HOST, HeaderValue::from_static("h"))]);
    let parts = RequestHead { method: method.clone(), uri: Uri::from_static("/a"), headers, ..RequestHead::default() };
    let own = match body {
        0 => CallersBody::None,
        length => CallersBody::Own(Full::new(Bytes::from(vec![b'u'; length]))),
    };
    let (body, _) = RequestBody::new(own, u64::MAX, HOUR, Instant::now());
    let mut early = |status: StatusCode, _: Fields| assert!(status.is_informational());
    let local = LocalSet::new();
    finish(local.run_until(async {
        let Ok(line) = Line::open(Stream::Scripted(script)).await else { return Outcome::Nothing };
        let Ok(((status, headers), mut reply)) = line.exchange(&parts, false, body, HOUR, &mut early).await else {
            return Outcome::Nothing;
        };
        assert!(!status.is_informational());
        let mut body = Vec::new();
        loop {
            match poll_fn(|cx| reply.poll_part(cx)).await {
                Some(Ok(frame)) => body.extend(frame.into_data().unwrap_or_default()),
                Some(Err(CutOff)) => return Outcome::Broken,
                None => break,
            }
        }
        assert!(reply.is_whole());
        let said: Vec<_> = headers.get_all(CONTENT_LENGTH).collect();
        assert!(said.len() < 2, "two lengths are one too many");
        if let (Some(said), Method::GET) = (said.first(), method.clone()) {
            let bodiless = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
            assert!(bodiless || said.as_bytes() == body.len().to_string().as_bytes(), "{said:?}, not {}", body.len());
        }
        Outcome::Whole(status, body)
    }))
}

/// Frames behind those that every upstream begins with. A reply that is taken for whole ended as it should, with the body
/// that it announced, and is the same in whatever pieces it arrives; nothing hangs.
pub fn upstream_http2(bytes: &[u8]) {
    let ([kind, longest, seed], bytes) = steer(bytes);
    let method = if kind & 1 == 0 { Method::GET } else { Method::HEAD };
    let then = if kind & 2 == 0 { Then::Close } else { Then::Fail };
    let body = [0, 1, 70_000, 0][usize::from(kind >> 2 & 3)];
    let whole = exchange(&method, vec![Bytes::copy_from_slice(bytes)], then, body);
    let pieces = exchange(&method, cut(bytes, longest, seed), then, body);
    if let (Outcome::Whole(..), Outcome::Whole(..)) = (&whole, &pieces) {
        assert_eq!(whole, pieces, "in pieces");
    }
    let there = found(&[PREFACE, bytes].concat());
    for outcome in [whole, pieces] {
        if let Outcome::Whole(_, body) = outcome {
            let ended = |stream| there.iter().any(|frame| frame.stream == stream && frame.ends_stream());
            assert!(ended(1), "it never ended");
            let most: usize = there.iter().filter(|frame| frame.kind == 0).map(|frame| frame.length as usize).sum();
            assert!(body.len() <= most, "more than was sent");
        }
    }
}
