//! HTTP/2 that is wrong (hazard 12): each mistake is an error of its stream or its connection, and reaches no upstream.

use crate::h2::{SHORT, world};
use crate::h2_floods::{fields, ok};
use crate::support::h2_raw::{END_HEADERS, END_STREAM, H2, NAME, Outcome, PADDED, frame, literals};
use crate::support::token;
use keystile::net::frames::{CONTINUATION, DATA, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE};

const PUSH_PROMISE: u8 = 5;

#[test]
fn hazard_12_heads_that_http_1_could_read_otherwise_are_errors_and_reach_nobody() {
    let (world, ca) = world(ok(), SHORT);
    let key = token("all");
    let mut wrong: Vec<(&str, Vec<(&str, &str)>)> = vec![
        ("an upper-case name", fields(&key, &[("X-Upper", "1")])),
        ("CR and LF in a value", fields(&key, &[("x-a", "1\r\nx-b: 2")])),
        ("LF in a value", fields(&key, &[("x-a", "1\nx-b: 2")])),
        ("CR in a value", fields(&key, &[("x-a", "1\r")])),
        ("NUL in a value", fields(&key, &[("x-a", "1\0")])),
        ("a colon in a name", fields(&key, &[("x-a: b", "1")])),
        ("CR and LF in a name", fields(&key, &[("x-a\r\nx-b", "1")])),
        ("a space in a name", fields(&key, &[("x a", "1")])),
        ("an empty name", fields(&key, &[("", "1")])),
        ("a space in the path", fields(&key, &[(":path", "/customers/1 HTTP/1.1")])),
        ("CR and LF in the path", fields(&key, &[(":path", "/customers/1\r\nx: y")])),
        ("an empty path", fields(&key, &[(":path", "")])),
        ("no slash", fields(&key, &[(":path", "customers/1")])),
        ("an asterisk", fields(&key, &[(":path", "*")])),
        ("CR and LF in the method", fields(&key, &[(":method", "GET / HTTP/1.1\r\nx: y")])),
        ("a space in the method", fields(&key, &[(":method", "GET /")])),
        ("CR and LF in the scheme", fields(&key, &[(":scheme", "http\r\nx: y")])),
        ("connection", fields(&key, &[("connection", "close")])),
        ("keep-alive", fields(&key, &[("keep-alive", "timeout=5")])),
        ("proxy-connection", fields(&key, &[("proxy-connection", "close")])),
        ("transfer-encoding", fields(&key, &[("transfer-encoding", "chunked")])),
        ("upgrade", fields(&key, &[("upgrade", "h2c")])),
        ("te but trailers", fields(&key, &[("te", "gzip")])),
        ("another host", fields(&key, &[("host", "elsewhere.test")])),
        ("two hosts", fields(&key, &[("host", NAME), ("host", NAME)])),
        ("a user in the authority", fields(&key, &[(":authority", "u@gateway.test")])),
        ("two authorities in one", fields(&key, &[(":authority", "a.test,b.test")])),
        ("a path in the authority", fields(&key, &[(":authority", "gateway.test/x")])),
        ("a pseudo-header of replies", fields(&key, &[(":status", "200")])),
        ("an unknown pseudo-header", fields(&key, &[(":secret", "1")])),
        ("CONNECT with a path", fields(&key, &[(":method", "CONNECT")])),
        ("content-length twice", fields(&key, &[("content-length", "0"), ("content-length", "5")])),
        ("content-length in words", fields(&key, &[("content-length", "+0")])),
        ("a body that is missing", fields(&key, &[("content-length", "5")])),
    ];
    for name in [":method", ":scheme", ":path", ":authority"] {
        let good = fields(&key, &[]);
        let at = good.iter().position(|(n, _)| *n == name).unwrap();
        let mut twice = good.clone();
        twice.insert(at, good[at]);
        wrong.push(("a pseudo-header twice", twice));
        let mut late = good.clone();
        let field = late.remove(at);
        if name != ":authority" {
            wrong.push(("a pseudo-header missing", late.clone()));
        }
        late.push(field);
        wrong.push(("a pseudo-header after the fields", late));
    }
    for (what, fields) in wrong {
        let mut h2 = H2::tls(world.address(), &ca);
        h2.frame(HEADERS, END_HEADERS | END_STREAM, 1, &literals(&fields));
        match h2.outcome(1) {
            // 0: a status that is not in the static table.
            Outcome::Replied(0 | 400..=499) | Outcome::Reset(_) | Outcome::Ended(Some(_)) => {}
            other => panic!("{what}: {other:?}"),
        }
    }
    world.assert_untouched();
}

#[test]
fn hazard_12_broken_frames_end_streams_or_connections_and_reach_nobody() {
    let (world, ca) = world(ok(), SHORT);
    let key = token("all");
    let post = literals(&fields(&key, &[(":method", "POST"), (":path", "/orders"), ("content-length", "3")]));
    let begun = frame(HEADERS, END_HEADERS, 1, &post);
    let half = frame(HEADERS, END_STREAM, 1, &literals(&fields(&key, &[])));
    for (what, bytes) in [
        ("more data than said", [begun.clone(), frame(DATA, END_STREAM, 1, b"abcdef")].concat()),
        ("less data than said", [begun.clone(), frame(DATA, END_STREAM, 1, b"a")].concat()),
        ("padding as long as its frame", [begun.clone(), frame(DATA, PADDED, 1, &[4, 0, 0, 0])].concat()),
        ("padded without a length", [begun.clone(), frame(DATA, PADDED, 1, &[])].concat()),
        ("padding over the head", frame(HEADERS, END_HEADERS | PADDED, 1, &[255, 1, 2])),
        ("an even stream", frame(HEADERS, END_HEADERS | END_STREAM, 2, &post)),
        ("stream 0", frame(HEADERS, END_HEADERS | END_STREAM, 0, &post)),
        ("data before a head", frame(DATA, END_STREAM, 1, b"abc")),
        ("data on stream 0", frame(DATA, END_STREAM, 0, b"abc")),
        ("a reset of an idle stream", frame(RST_STREAM, 0, 1, &[0; 4])),
        ("a window of an idle stream", frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])),
        ("no window", frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("a window that overflows", frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff])),
        ("a push", frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])),
        ("a frame within a head", [half.clone(), frame(PING, 0, 0, &[0; 8])].concat()),
        ("another stream within a head", [half.clone(), frame(CONTINUATION, END_HEADERS, 3, &[])].concat()),
        ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, &[])),
        ("a frame over the limit", frame(DATA, 0, 1, &[0; 16_385])),
        ("a ping of seven bytes", frame(PING, 0, 0, &[0; 7])),
        ("a ping on a stream", frame(PING, 0, 1, &[0; 8])),
        ("settings of five bytes", frame(SETTINGS, 0, 0, &[0; 5])),
        ("settings on a stream", frame(SETTINGS, 0, 1, &[])),
        ("an acknowledgement with settings", frame(SETTINGS, 1, 0, &[0; 6])),
        ("a frame size of nothing", frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 0])),
        ("a window of 2^31", frame(SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0])),
        ("HPACK beyond its table", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff, 0xff, 0xff, 0x0f])),
        ("HPACK with a table that is too large", frame(HEADERS, END_HEADERS, 1, &[0x3f, 0xff, 0xff, 0x0f])),
        (
            "a stream that goes back",
            [frame(HEADERS, END_HEADERS, 5, &post), frame(HEADERS, END_HEADERS, 3, &post)].concat(),
        ),
    ] {
        let mut h2 = H2::tls(world.address(), &ca);
        h2.write(&bytes);
        match h2.outcome(1) {
            Outcome::Replied(0 | 400..=499) | Outcome::Reset(_) | Outcome::Ended(Some(_)) => {}
            other => panic!("{what}: {other:?}"),
        }
    }
    assert_eq!(world.production.count(), 0, "nothing arrived whole");
}
