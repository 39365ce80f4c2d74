//! H2: it is the bytes that are signed. What a careful reader would call the same body is another one, however it is framed.

use crate::support::sender::{Delivery, SCHEMES, body, header_of, hooks, now, secret};
use crate::support::{World, raw};
use crate::tls::Authority;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Body, Bytes, Frame};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};

const INVALID: &str = "401 signature_invalid";
/// All that sign the body as it is; Twilio signs what a form says.
const RAW: [&str; 5] = ["standard", "github", "stripe", "slack", "shopify"];

fn world() -> World {
    hooks(World::build(), "").start()
}

#[test]
fn h2_a_body_that_says_the_same_in_other_bytes_is_another_body() {
    let world = world();
    let canary = String::from_utf8(body()).unwrap();
    let signed = format!("{{\"b\":1,\"a\":\"ü/{canary}\",\"n\":1.0}}\n");
    for (what, changed) in [
        ("keys in another order", format!("{{\"a\":\"ü/{canary}\",\"b\":1,\"n\":1.0}}\n")),
        ("escaped", signed.replace('ü', "\\u00fc")),
        ("slashes escaped", signed.replace('/', "\\/")),
        ("blanks", signed.replace(':', ": ")),
        ("CRLF", signed.replace('\n', "\r\n")),
        ("no line end", signed.trim_end().to_owned()),
        ("one more line end", format!("{signed}\n")),
        ("a byte order mark", format!("\u{feff}{signed}")),
        ("another normal form", signed.replace('ü', "u\u{308}")),
        ("another number", signed.replace("1.0", "1")),
        ("nothing", String::new()),
        ("a nought", format!("{signed}\0")),
        ("the same twice", format!("{signed}{signed}")),
        ("half", signed[..signed.len() / 2].to_owned()),
    ] {
        for scheme in RAW {
            let delivery = Delivery::signed(scheme, &secret(scheme), signed.as_bytes(), now());
            delivery.saying(&changed).is_refused(&world, what, INVALID);
        }
    }
    for scheme in RAW {
        let latin: Vec<u8> = signed.chars().map(|c| c as u8).collect();
        let delivery = Delivery::signed(scheme, &secret(scheme), signed.as_bytes(), now());
        delivery.saying(latin).is_refused(&world, "another charset", INVALID);
    }
    world.assert_untouched();
}

#[test]
fn h2_whatever_bytes_are_signed_arrive() {
    let world = world();
    let every: Vec<u8> = (0..=255).chain(*b"\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n").collect();
    let long: Vec<u8> = every.iter().copied().cycle().take(700_001).collect();
    for scheme in RAW {
        for (what, body) in [("nothing", &b""[..]), ("every byte", &every), ("more than a buffer", &long)] {
            let delivery = Delivery::signed(scheme, &secret(scheme), body, now());
            let arrived = delivery.is_taken(&world, what);
            assert_eq!(arrived.header("content-length"), Some(body.len().to_string()), "{scheme}: {what}");
            assert_eq!(arrived.header("transfer-encoding"), None);
        }
        // Nothing was signed for nothing, so a signature of nothing opens nothing else.
        let empty = Delivery::signed(scheme, &secret(scheme), b"", now());
        empty.saying("something").is_refused(&world, "a signature of nothing", INVALID);
    }
}

#[test]
fn h2_no_body_at_all_is_an_empty_one() {
    let world = world();
    for (number, scheme) in RAW.into_iter().enumerate() {
        let delivery = Delivery::signed(scheme, &secret(scheme), b"", now() - number as i64);
        let reply = delivery.head(&world).send();
        assert_eq!(reply.verdict(), "200", "{scheme}");
        Delivery::of(scheme).saying("").is_refused(&world, "the body is gone", INVALID);
        let cut = Delivery::of(scheme).head(&world).send();
        assert_eq!(cut.verdict(), INVALID, "{scheme}");
    }
    assert_eq!(world.production.count(), RAW.len());
}

#[test]
fn h2_chunks_are_how_it_travels_and_not_what_is_signed() {
    let world = world();
    for scheme in SCHEMES {
        let delivery = Delivery::of(scheme);
        let pieces: Vec<&[u8]> = delivery.body.chunks(3).collect();
        let reply = delivery.head(&world).chunks(&pieces).send();
        assert_eq!(reply.verdict(), "200", "{scheme}");
        let arrived = world.production.last();
        assert_eq!(arrived.body, delivery.body);
        assert_eq!(arrived.header("content-length"), Some(delivery.body.len().to_string()), "{scheme}");
        assert_eq!(arrived.header("transfer-encoding"), None);
    }
    let before = world.production.count();
    for scheme in SCHEMES {
        let delivery = Delivery::of(scheme);
        // Chunk extensions and trailers are not signed: they change nothing, and go nowhere.
        let head = String::from_utf8(delivery.head(&world).header("Transfer-Encoding", "chunked").bytes()).unwrap();
        let length = delivery.body.len();
        let text = String::from_utf8_lossy(&delivery.body).into_owned();
        let sent = format!(
            "{head}{length:x};a=canary-ext\r\n{text}\r\n0\r\nX-Checksum-Sha256: canary-trailer\r\nX-Hub-Signature-256: sha256=00\r\n\r\n"
        );
        assert_eq!(raw(world.address(), sent).verdict(), "200", "{scheme}");
        let arrived = world.production.last().text();
        assert!(!arrived.contains("canary-trailer") && !arrived.contains("canary-ext"), "{arrived}");
        assert!(!arrived.contains("sha256=00"), "{arrived}");
        // A signature that comes after the body is none.
        let (name, value) = (header_of(scheme), delivery.signature());
        let late = Delivery::of(scheme);
        let head = late.without(name).head(&world).header("Transfer-Encoding", "chunked").header("Trailer", name);
        let head = String::from_utf8(head.bytes()).unwrap();
        let sent = format!("{head}{length:x}\r\n{text}\r\n0\r\n{name}: {value}\r\n\r\n");
        assert_eq!(raw(world.address(), sent).verdict(), "401 signature_missing", "{scheme}");
    }
    assert_eq!(world.production.count(), before + SCHEMES.len());
}

#[test]
fn h2_a_signature_and_two_readings_of_the_framing_is_no_request() {
    let world = world();
    for scheme in SCHEMES {
        let delivery = Delivery::of(scheme);
        let length = delivery.body.len().to_string();
        let text = String::from_utf8_lossy(&delivery.body).into_owned();
        let head = |fields: &[(&str, &str)]| {
            let ask = fields.iter().fold(delivery.head(&world), |ask, (name, value)| ask.header(name, *value));
            String::from_utf8(ask.bytes()).unwrap()
        };
        let chunked = format!("{:x}\r\n{text}\r\n0\r\n\r\n", delivery.body.len());
        for (what, sent) in [
            ("both", head(&[("Content-Length", &length), ("Transfer-Encoding", "chunked")]) + &chunked),
            ("both, otherwise", head(&[("Transfer-Encoding", "chunked"), ("Content-Length", "0")]) + &chunked),
            ("twice", head(&[("Content-Length", &length), ("Content-Length", "0")]) + &text),
            ("xchunked", head(&[("Transfer-Encoding", "xchunked")]) + &chunked),
            ("gzip, chunked", head(&[("Transfer-Encoding", "gzip, chunked")]) + &chunked),
            ("chunked, chunked", head(&[("Transfer-Encoding", "chunked, chunked")]) + &chunked),
            ("+length", head(&[("Content-Length", &format!("+{length}"))]) + &text),
        ] {
            assert_eq!(raw(world.address(), sent).status, 400, "{scheme}: {what}");
        }
        // More than it said is another request, and its signature covers none of it.
        let longer = [delivery.ask(&world).bytes(), b"smuggled".to_vec()].concat();
        let mut connection = world.connect();
        connection.write(&longer);
        assert_eq!(connection.read(false).unwrap().verdict(), "200", "{scheme}");
        assert_eq!(world.production.last().body, delivery.body);
    }
    assert_eq!(world.production.count(), SCHEMES.len());
}

#[test]
fn h2_an_encoded_body_is_signed_as_it_travels() {
    let world = world();
    for scheme in RAW {
        let plain = body();
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(&plain).unwrap();
        let zipped = gzip.finish().unwrap();
        let over_what_travels =
            Delivery::signed(scheme, &secret(scheme), &zipped, now()).and("Content-Encoding", "gzip");
        let arrived = over_what_travels.is_taken(&world, "gzip");
        assert_eq!(arrived.header("content-encoding").as_deref(), Some("gzip"));
        let over_what_it_says =
            Delivery::signed(scheme, &secret(scheme), &plain, now()).and("Content-Encoding", "gzip");
        over_what_it_says.saying(&zipped).is_refused(&world, "signed before it was packed", INVALID);
    }
}

#[test]
fn h2_a_body_too_large_is_told_so_and_nothing_of_it_is_kept() {
    let build = World::build().listener("max_body: 64KiB");
    let world = hooks(build, "").start();
    let large = vec![b'x'; (64 << 10) + 1];
    for scheme in RAW {
        let delivery = Delivery::signed(scheme, &secret(scheme), &large, now());
        delivery.is_refused(&world, "declared", "413 body_too_large");
        let pieces: Vec<&[u8]> = large.chunks(8192).collect();
        let reply = delivery.head(&world).chunks(&pieces).send();
        assert_eq!(reply.verdict(), "413 body_too_large", "{scheme}: in chunks");
        // What is told of its signature is told before.
        delivery.forged("").is_refused_with(&world, "no signature", &[INVALID, "401 signature_missing"]);
        Delivery::signed(scheme, &secret(scheme), &large[1..], now()).is_taken(&world, "as large as may be");
    }
    assert_eq!(world.production.count(), RAW.len());
}

#[test]
fn h3_who_cannot_be_right_is_told_before_his_body_is_waited_for() {
    let world = world();
    for scheme in SCHEMES {
        let header = header_of(scheme);
        let unsigned = Delivery::of(scheme).without(header);
        for expect in [false, true] {
            let head = unsigned.head(&world).header("Content-Length", "1000");
            let head = if expect { head.header("Expect", "100-continue") } else { head };
            let mut connection = world.connect();
            connection.write(&head.bytes());
            let reply = connection.read(false).unwrap();
            assert_eq!(reply.verdict(), "401 signature_missing", "{scheme}");
            assert!(!String::from_utf8_lossy(&reply.raw).contains("100 Continue"), "{scheme}");
        }
        let right = Delivery::of(scheme);
        let length = right.body.len().to_string();
        let head = right.head(&world).header("Expect", "100-continue").header("Content-Length", length);
        let mut connection = world.connect();
        connection.write(&head.bytes());
        let mut first = [0; 25];
        std::io::Read::read_exact(&mut connection.stream(), &mut first).unwrap();
        assert_eq!(&first, b"HTTP/1.1 100 Continue\r\n\r\n", "{scheme}");
        connection.write(&right.body);
        assert_eq!(connection.read(false).unwrap().verdict(), "200", "{scheme}");
    }
    assert_eq!(world.production.count(), SCHEMES.len());
}

#[test]
fn h2_over_http_2_the_same_is_signed_and_trailers_stay_behind() {
    let ca = Authority::new();
    let (certificate, key) = ca.issue("gateway.test", |_| {});
    let build = World::build().file("0.pem", certificate).file("0.key", key);
    let world = hooks(build.listener("tls: { certificate: 0.pem, key: 0.key }"), "").start();
    for scheme in RAW {
        let right = Delivery::of(scheme);
        let trailers =
            [("x-checksum-sha256".parse().unwrap(), "canary-trailer".parse().unwrap())].into_iter().collect();
        assert_eq!(over_h2(&world, &ca, &right, Some(trailers)), 200, "{scheme}");
        let arrived = world.production.last();
        assert_eq!(arrived.body, right.body);
        assert_eq!(arrived.header("content-length"), Some(right.body.len().to_string()));
        assert!(!arrived.text().contains("canary-trailer"), "{scheme}");
        assert_eq!(over_h2(&world, &ca, &Delivery::of(scheme).saying("changed"), None), 401, "{scheme}");
        let header = header_of(scheme);
        let twice = Delivery::of(scheme);
        let signature = twice.signature();
        assert_eq!(over_h2(&world, &ca, &twice.and(header, signature), None), 401, "{scheme}");
        assert_eq!(over_h2(&world, &ca, &Delivery::of(scheme).without(header), None), 401, "{scheme}");
    }
    assert_eq!(world.production.count(), RAW.len());
}

/// In pieces of seven bytes, with trailers; the status.
fn over_h2(world: &World, ca: &Authority, delivery: &Delivery, trailers: Option<http::HeaderMap>) -> u16 {
    let pieces = delivery.body.chunks(7).map(|piece| Frame::data(Bytes::copy_from_slice(piece)));
    let body = Pieces(pieces.chain(trailers.map(Frame::trailers)).collect());
    let mut request = http::Request::builder().method("POST").uri(format!("https://gateway.test{}", delivery.target));
    for (name, value) in &delivery.fields {
        request = request.header(name.to_lowercase(), value);
    }
    crate::h2::status(world.address(), ca, request.body(body).unwrap())
}

struct Pieces(VecDeque<Frame<Bytes>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}
