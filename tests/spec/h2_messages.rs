//! RFC 9113, section 8: what a request and a reply are made of over HTTP/2.

use crate::h2_conformance::Must::{Connection, Pass};
use crate::h2_conformance::Stream::{Idle, Open};
use crate::h2_conformance::{Case, Must, PROTOCOL_ERROR, block, hold, world};
use crate::h2_floods::fields;
use crate::support::h2_caller::Caller;
use crate::support::h2_raw::{END_HEADERS, END_STREAM, frame, literals};
use crate::support::{Answer, H2Answer, H2Upstream, World, token};
use http::{HeaderMap, HeaderValue};
use keystile::net::frames::{DATA, HEADERS};

/// A request's fields: `GET /customers/1` by `all`, or what `others` say instead and besides.
pub fn request(others: &[(&str, &str)]) -> Vec<(String, String)> {
    let key = token("all");
    let mut others = others.to_vec();
    others.push((":scheme", "http"));
    fields(&key, &others).into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

pub fn encoded(others: &[(&str, &str)]) -> Vec<u8> {
    let fields = request(others);
    literals(&fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>())
}

pub const POST: [(&str, &str); 2] = [(":method", "POST"), (":path", "/orders")];

#[test]
fn rfc_9113_8_1_what_follows_a_body_is_its_end_and_holds_no_pseudo_header() {
    const WRONG: Must = Must::Any(&[Must::Stream(PROTOCOL_ERROR), Connection(PROTOCOL_ERROR)]);
    let world = world();
    let body = frame(DATA, 0, 1, b"abc");
    let after = |flags: u8, fields: &[(&str, &str)]| {
        [body.clone(), frame(HEADERS, END_HEADERS | flags, 1, &literals(fields))].concat()
    };
    let said = |length: &str, frames: &[Vec<u8>]| {
        let head = encoded(&[POST[0], POST[1], ("content-length", length)]);
        [frame(HEADERS, END_HEADERS, 1, &head), frames.concat()].concat()
    };
    let trailers = frame(HEADERS, END_HEADERS | END_STREAM, 1, &literals(&[("x-a", "1")]));
    let cases: [Case; 9] = [
        ("8.1 trailers without END_STREAM", Open, after(0, &[("x-a", "1")]), WRONG),
        ("8.1 a pseudo-header in trailers", Open, after(END_STREAM, &[(":method", "GET")]), WRONG),
        ("8.1 another in trailers", Open, after(END_STREAM, &[("x-a", "1"), (":status", "200")]), WRONG),
        ("8.2 an upper-case name in trailers", Open, after(END_STREAM, &[("X-A", "1")]), WRONG),
        ("8.2.2 a connection's field in trailers", Open, after(END_STREAM, &[("transfer-encoding", "chunked")]), WRONG),
        ("8.1.1 a body in parts that is longer than said", Idle, said("5", &[body.clone(), body.clone()]), WRONG),
        (
            "8.1.1 a body in parts that is shorter",
            Idle,
            said("7", &[body.clone(), frame(DATA, END_STREAM, 1, b"abc")]),
            WRONG,
        ),
        ("8.1.1 a body that is shorter, with trailers", Idle, said("5", &[body.clone(), trailers.clone()]), WRONG),
        ("8.1.1 no body where one is said", Idle, said("5", std::slice::from_ref(&trailers)), WRONG),
    ];
    hold(&world, cases);
    let whole: Vec<String> =
        world.production.requests().iter().map(|r| r.line()).filter(|l| l.contains("orders")).collect();
    assert!(whole.is_empty(), "taken for whole: {whole:?}");
    hold(
        &world,
        [
            ("8.1 trailers", Open, after(END_STREAM, &[("x-a", "1")]), Pass),
            // What is over with its head may have gone on before its body comes.
            ("8.1.1 a body where none is said", Idle, said("0", std::slice::from_ref(&body)), WRONG),
            ("8.1 empty trailers", Open, after(END_STREAM, &[]), Pass),
            ("8.1.1 a body in parts as long as said", Idle, said("6", &[body.clone(), body, trailers]), Pass),
        ],
    );
    world.await_record(|r| r["path"] == "/orders" && r["bytes_in"] == 6);
}

#[test]
fn rfc_9113_8_2_3_crumbs_of_a_cookie_are_one_line_for_an_http_1_upstream() {
    let world = world();
    let mut caller = Caller::clear(world.address(), &[]);
    caller.head(1, &encoded(&[("cookie", "a=1"), ("x-between", "1"), ("cookie", "b=2"), ("cookie", "c=3; d=4")]), true);
    assert_eq!(caller.reply(1).status(), 200);
    assert_eq!(world.production.last().header("cookie").as_deref(), Some("a=1; b=2; c=3; d=4"));
}

#[test]
fn rfc_9113_8_3_1_the_authority_or_a_host_says_who_is_asked() {
    let world = world();
    let mut caller = Caller::clear(world.address(), &[]);
    let path = (":path", "/customers/1?");
    caller.head(1, &encoded(&[(":authority", "One.test:81"), ("host", "One.test:81"), path]), true);
    assert_eq!(caller.reply(1).status(), 200);
    let seen = world.production.last();
    assert_eq!(seen.header("x-forwarded-host").as_deref(), Some("One.test:81"));
    assert_eq!(seen.line(), "GET /customers/1? HTTP/1.1");
    let key = token("all");
    let alone = [(":method", "GET"), (":scheme", "http"), path, ("host", "two.test"), ("x-api-key", &key)];
    caller.request(3, &alone, true);
    assert_eq!(caller.reply(3).status(), 200);
    assert_eq!(world.production.last().header("x-forwarded-host").as_deref(), Some("two.test"));
    caller.request(5, &[(":method", "GET"), (":scheme", "http"), path, ("x-api-key", &key)], true);
    let nobody = caller.reply(5);
    assert!(nobody.reset == Some(PROTOCOL_ERROR) || nobody.status() == 400, "neither: {nobody:?}");
}

#[test]
fn rfc_9113_8_1_replies_without_a_body_end_with_their_head() {
    let world = World::build()
        .listener("h2c: true")
        .workflow("heads", "template: 'HEAD /customers/{id}', upstream: { Production: engine-production }")
        .answering(|request| match request.target().as_str() {
            "/customers/204" => Answer::Bytes(b"HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n".to_vec()),
            "/customers/304" => {
                Answer::Bytes(b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 9\r\n\r\n".to_vec())
            }
            "/customers/empty" => Answer::reply("200 OK", &[], ""),
            "/customers/chunks" => {
                Answer::Bytes(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec())
            }
            _ => Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n".to_vec()),
        })
        .start();
    let mut caller = Caller::clear(world.address(), &[]);
    for (stream, method, path, status, length) in [
        (1, "HEAD", "/customers/1", 200, Some("7")),
        (3, "GET", "/customers/204", 204, None),
        (5, "GET", "/customers/304", 304, Some("9")),
        (7, "GET", "/customers/empty", 200, Some("0")),
        (9, "GET", "/customers/chunks", 200, None),
        (11, "HEAD", "/nowhere", 404, None),
    ] {
        caller.head(stream, &encoded(&[(":method", method), (":path", path)]), true);
        let reply = caller.reply(stream);
        assert_eq!((reply.status(), reply.ended), (status, true), "{method} {path}");
        assert!(reply.body.is_empty(), "{method} {path}: {}", reply.text());
        if path != "/nowhere" {
            assert_eq!(reply.field("content-length"), length, "{method} {path}");
        }
    }
    for id in 0..5 {
        world.await_record(|r| r["end"] == "complete" && r["status"] == [200, 204, 304, 200, 404][id]);
    }
}

#[test]
fn rfc_9113_8_2_1_a_reply_has_every_field_in_order_and_none_of_a_connection() {
    let lines: String = (0..90).map(|n| format!("X-Field-{n}: {n} \"\\^~`|{{}}\r\n")).collect();
    let head = format!(
        "HTTP/1.1 299 Odd\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\n\
         Keep-Alive: timeout=5\r\nX-Empty:\r\n{lines}Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
    );
    let world =
        World::build().listener("h2c: true").answering(move |_| Answer::Bytes(head.clone().into_bytes())).start();
    let mut caller = Caller::clear(world.address(), &[]);
    for stream in [1, 3, 5] {
        caller.head(stream, &block("/customers/1"), true);
        let reply = caller.reply(stream);
        assert_eq!((reply.status(), reply.text().as_str()), (299, "ok"));
        let cookies: Vec<&str> =
            reply.head.iter().flatten().filter(|(n, _)| n == "set-cookie").map(|(_, v)| v.as_str()).collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!((reply.field("x-empty"), reply.field("x-hop")), (Some(""), None));
        for n in 0..90 {
            assert_eq!(reply.field(&format!("x-field-{n}")), Some(&*format!("{n} \"\\^~`|{{}}")));
        }
        let id = reply.field("x-request-id").map(str::to_owned);
        assert_eq!(world.await_record(|r| r["request_id"].as_str() == id.as_deref())["protocol"], "HTTP/2.0");
    }
}

#[test]
fn hazard_14_trailers_pass_by_name_between_callers_and_upstreams_over_http_2() {
    let mut sent = HeaderMap::new();
    sent.insert("grpc-status", HeaderValue::from_static("0"));
    sent.insert("set-cookie", HeaderValue::from_static("a=b"));
    let upstream = H2Upstream::answering(move |_, _| H2Answer::Echo(sent.clone()));
    let fields = format!("base_url: 'http://{}', http: 2, trailers: [X-Row-Count]", upstream.address);
    let world = World::build()
        .listener("h2c: true")
        .connection("t", &fields)
        .workflow("t", "template: 'POST /t/{id}', upstream: { Production: t }")
        .start();
    let mut caller = Caller::clear(world.address(), &[]);
    for (stream, te) in [(1, "trailers"), (3, "")] {
        let post = [(":method", "POST"), (":path", "/t/1"), ("te", te)];
        caller.head(stream, &encoded(&post[..if te.is_empty() { 2 } else { 3 }]), false);
        caller.data(stream, b"echo", false);
        // Each answer comes before the next question is put.
        caller.until("an echo", |c| c.streams[&stream].text() == "echo");
        caller.data(stream, b" again", false);
        caller.request_trailers(stream, &[("x-row-count", "7"), ("x-private", "1"), ("authorization", "Bearer x")]);
        let reply = caller.reply(stream);
        assert_eq!((reply.text().as_str(), reply.ended), ("echo again", true));
        // Every caller over HTTP/2 reads trailers, whether he says so or not.
        assert_eq!((reply.trailer("grpc-status"), reply.trailer("set-cookie")), (Some("0"), None), "te: {te}");
    }
    for seen in upstream.requests() {
        assert_eq!(seen.body, b"echo again");
        assert_eq!(seen.trailers.get("x-row-count").map(HeaderValue::as_bytes), Some(&b"7"[..]));
        assert_eq!(seen.trailers.len(), 1, "{:?}", seen.trailers);
    }
}

#[test]
fn hazard_14_expect_100_continue_is_answered_before_the_body() {
    let world = world();
    let mut caller = Caller::clear(world.address(), &[]);
    let expecting = [POST[0], POST[1], ("expect", "100-continue"), ("content-length", "5")];
    caller.head(1, &encoded(&expecting), false);
    caller.until("100", |c| c.streams[&1].interim == [100]);
    caller.data(1, b"hello", true);
    assert_eq!(caller.reply(1).status(), 200);
    assert_eq!((world.production.last().body, world.production.last().header("expect")), (b"hello".to_vec(), None));
    caller.head(3, &encoded(&[POST[0], (":path", "/nowhere"), expecting[2], expecting[3]]), false);
    let refused = caller.reply(3);
    assert_eq!((refused.status(), refused.interim.len()), (404, 0), "no 100 for what is refused");
}

#[test]
fn rfc_9113_8_1_how_a_request_ends_says_how_it_is_framed_for_an_http_1_upstream() {
    let world = world();
    let mut caller = Caller::clear(world.address(), &[]);
    let get = &[(":method", "GET"), (":path", "/customers/1")];
    for (n, (method, said, parts, framed)) in [
        (get, None, None, (None, None)),
        (&POST, None, None, (None, None)),
        (&POST, Some("0"), None, (Some("0"), None)),
        (&POST, Some("6"), Some(""), (Some("6"), None)),
        (&POST, None, Some(""), (None, Some("chunked"))),
        (&POST, None, Some("trailers"), (None, Some("chunked"))),
    ]
    .into_iter()
    .enumerate()
    {
        let (stream, mut fields) = (2 * n as u32 + 1, method.to_vec());
        fields.extend(said.map(|length| ("content-length", length)));
        caller.head(stream, &encoded(&fields), parts.is_none());
        if let Some(end) = parts {
            caller.data(stream, b"abc", false);
            caller.data(stream, b"def", end.is_empty());
            if !end.is_empty() {
                caller.request_trailers(stream, &[("grpc-status", "0"), ("x-private", "1")]);
            }
        }
        assert_eq!(caller.reply(stream).status(), 200, "{fields:?}");
        let seen = world.production.last();
        // A length of 0 may be said where there is no body, and need not be.
        let length = seen.header("content-length").filter(|length| length != "0" || said.is_some());
        let coding = seen.header("transfer-encoding");
        let said_so = (length.as_deref(), coding.as_deref());
        // A body that has come to its end before it is sent on is as long as it is.
        let came_whole = parts == Some("") && said_so == (Some("6"), None);
        assert!(said_so == framed || came_whole, "{fields:?} {parts:?}: {said_so:?}");
        assert_eq!(seen.body, if parts.is_some() { &b"abcdef"[..] } else { b"" });
        assert_eq!(seen.text().contains("grpc-status: 0"), parts == Some("trailers"), "{}", seen.text());
        assert!(!seen.text().contains("x-private"), "{}", seen.text());
    }
}
