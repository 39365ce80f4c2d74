//! HTTP/1.1 on both sides: framing, streaming, time-outs and what breaks off (hazards 10, 11, 13, 14, 16).

use crate::support::{Answer, Connection, Gate, Upstream, World, nobody, raw, token};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

fn crm() -> String {
    format!("Authorization: Key={}\r\n", token("crm"))
}

fn all() -> String {
    format!("Authorization: Key={}\r\n", token("all"))
}

#[test]
fn hazard_10_ambiguous_framing_is_refused_and_leaves_nothing_behind() {
    let world = World::start();
    for fields in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: 3, 0\r\n",
        "Content-Length: +3\r\n",
        "Content-Length: 0x3\r\n",
        "Content-Length: 1_0\r\n",
        "Content-Length: -1\r\n",
        "Content-Length: \r\n",
        "Content-Length: 99999999999999999999999\r\n",
        "Transfer-Encoding: chunked, chunked\r\n",
        "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: ,chunked\r\n",
        "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length : 3\r\n",
        "X-Folded: a\r\n b\r\n",
        "X-Control: a\x01b\r\n",
        "X-Null: a\0b\r\n",
        "No colon at all\r\n",
        ": no name\r\n",
        "X-B\u{e4}d: 1\r\n",
    ] {
        let mut connection = Connection::open(world.address());
        // What follows is a request of its own, if anybody lets it be one.
        let smuggled = format!("GET /customers/1 HTTP/1.1\r\nHost: h\r\n{}\r\n", crm());
        connection.write(
            format!("POST /orders HTTP/1.1\r\nHost: h\r\n{}{fields}\r\nabc\r\n0\r\n\r\n{smuggled}", all()).as_bytes(),
        );
        let reply = connection.read(false).unwrap_or_else(|e| panic!("{fields:?}: {e}"));
        assert_eq!(reply.verdict(), "400 bad_request", "{fields:?}");
        assert_eq!(reply.header("connection"), Some("close"), "{fields:?}");
        assert!(connection.is_closed(), "{fields:?} leaves the connection open");
    }
    world.production.assert_untouched();
}

#[test]
fn hazard_10_broken_chunks_are_refused_and_the_upload_is_aborted() {
    let world = World::start();
    for chunks in
        ["0x3\r\nabc\r\n0\r\n\r\n", "zz\r\n", "fffffffffffffffff\r\nabc", "3\r\nabcdef\r\n0\r\n\r\n", "-1\r\n"]
    {
        let mut connection = world.connect();
        let head = format!("POST /orders HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n{}\r\n", all());
        connection.write(format!("{head}{chunks}").as_bytes());
        assert_eq!(connection.read(false).unwrap().verdict(), "400 bad_request", "{chunks:?}");
        assert!(connection.is_closed(), "{chunks:?}");
    }
    assert!(world.production.requests().is_empty(), "no request arrived whole");
}

#[test]
fn hazard_11_exactly_one_valid_host_and_an_absolute_target_is_authoritative() {
    let world = World::start();
    for hosts in [
        "",
        "Host: a\r\nHost: b\r\n",
        "Host: a,b\r\n",
        "Host: a/b\r\n",
        "Host: u@h\r\n",
        "Host: \r\n",
        "Host: h:99999\r\n",
    ] {
        let request = format!("GET /customers/1 HTTP/1.1\r\n{hosts}{}\r\n", crm());
        assert_eq!(raw(world.address(), request).verdict(), "400 invalid_host", "{hosts:?}");
    }
    world.assert_untouched();
    let request = format!("GET http://asked.example/customers/1?a=1 HTTP/1.1\r\nHost: other.example\r\n{}\r\n", crm());
    assert_eq!(raw(world.address(), request).verdict(), "200");
    let seen = world.production.last();
    assert_eq!(seen.line(), "GET /customers/1?a=1 HTTP/1.1");
    assert_eq!(seen.header("x-forwarded-host").as_deref(), Some("asked.example"));
    assert_eq!(seen.header("host"), Some(world.production.address.to_string()));
}

#[test]
fn hazard_16_methods_that_are_never_forwarded() {
    let world = World::start();
    for line in ["TRACE /customers/1", "TRACK /customers/1", "CONNECT h:443", "OPTIONS *"] {
        let reply = raw(world.address(), format!("{line} HTTP/1.1\r\nHost: h\r\n{}\r\n", all()));
        assert_eq!(reply.verdict(), "405 method_not_allowed", "{line}");
    }
    world.assert_untouched();
}

#[test]
fn hazard_13_long_heads_and_urls_are_refused() {
    let world = World::start();
    let long = world.get(&format!("/customers/{}", "a".repeat(9000))).key(&token("crm")).send();
    assert_eq!(long.verdict(), "414 uri_too_long");
    let big = world.call("crm").header("X-Big", "b".repeat(17_000)).send();
    assert_eq!(big.verdict(), "431 head_too_large");
    let many = (0..120).fold(world.call("crm"), |ask, n| ask.header(&format!("X-{n}"), "1")).send();
    assert_eq!(many.status, 431);
    world.assert_untouched();
}

#[test]
fn keep_alive_pipelining_and_http_1_0() {
    let world = World::start();
    let mut connection = world.connect();
    let one = format!("GET /customers/1 HTTP/1.1\r\nHost: h\r\n{}\r\n", crm());
    assert_eq!(connection.send(one.as_bytes()).verdict(), "200");
    connection.write(format!("{one}{}{one}", one.replace("/customers/1", "/nowhere")).as_bytes());
    let verdicts: Vec<String> = (0..3).map(|_| connection.read(false).unwrap().verdict()).collect();
    assert_eq!(verdicts, ["200", "404 workflow_not_found", "200"], "in order, and a refusal keeps the connection");
    assert_eq!(world.production.connections(), 1, "the upstream's connection is kept as well");
    let mut old = world.connect();
    assert_eq!(old.send(format!("GET /customers/1 HTTP/1.0\r\n{}\r\n", crm()).as_bytes()).verdict(), "200");
    assert!(old.is_closed());
}

#[test]
fn hazard_14_head_204_and_304_have_no_body() {
    let world = World::build()
        .answering(|r| match r.target().as_str() {
            "/customers/204" => Answer::Bytes(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
            "/customers/304" => Answer::Bytes(b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n".to_vec()),
            _ if r.method() == "HEAD" => Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n".to_vec()),
            _ => Answer::reply("200 OK", &[], "1234567"),
        })
        .start();
    let mut connection = world.connect();
    for (line, status) in [
        ("HEAD /customers/1", 200),
        ("GET /customers/204", 204),
        ("GET /customers/304", 304),
        ("GET /customers/1", 200),
    ] {
        let reply = connection.send(format!("{line} HTTP/1.1\r\nHost: h\r\n{}\r\n", crm()).as_bytes());
        assert_eq!(reply.status, status, "{line}");
        assert_eq!(reply.body.len(), if line == "GET /customers/1" { 7 } else { 0 }, "{line}");
        assert_eq!(world.record_of(&reply)["end"], "complete", "{line}");
    }
    let refused = connection.send(b"HEAD /customers/1 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((refused.status, refused.body.len()), (401, 0));
}

#[test]
fn hazard_14_expect_100_continue_authenticates_first() {
    let world = World::start();
    let expecting = |authorization: &str| {
        format!("POST /orders HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n{authorization}\r\n")
    };
    let refused = raw(world.address(), expecting("Authorization: Key=aaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n"));
    assert_eq!(refused.verdict(), "401 invalid_key");
    assert!(!refused.raw.starts_with(b"HTTP/1.1 100"), "no 100 for a stranger");
    world.assert_untouched();
    let mut stream = TcpStream::connect(world.address()).unwrap();
    stream.write_all(expecting(&all()).as_bytes()).unwrap();
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"hello").unwrap();
    world.production.await_requests(1);
    assert_eq!(world.production.last().body, b"hello");
    assert_eq!(world.production.last().header("expect"), None);
    let other = world.call("crm").header("Expect", "a-miracle").send();
    assert_eq!(other.verdict(), "417 expectation_failed");
}

/// An upstream of a few lines that writes `first`, waits for the gate, then writes `rest` and closes.
fn in_two_parts(first: &'static [u8], rest: &'static [u8], gate: &Gate) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let gate = gate.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let gate = gate.clone();
            std::thread::spawn(move || {
                let mut stream = stream;
                let mut head = [0; 4096];
                let _ = stream.read(&mut head);
                let _ = stream.write_all(first);
                gate.pass();
                let _ = stream.write_all(rest);
            });
        }
    });
    address
}

fn world_before(address: std::net::SocketAddr) -> World {
    let fields = format!("base_url: 'http://{address}', timeouts: {{ connect: 1s, head: 1s, idle: 1s }}");
    World::build().route("odd", &fields).key("odd-key", "workflows: [odd]").start()
}

#[test]
fn events_are_passed_on_as_they_come() {
    let gate = Gate::default();
    let first =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n";
    let world = world_before(in_two_parts(first, b"9\r\ndata: 2\n\n\r\n0\r\n\r\n", &gate));
    let mut stream = TcpStream::connect(world.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = format!("GET /odd/events HTTP/1.1\r\nHost: h\r\nAuthorization: Key={}\r\n\r\n", token("odd-key"));
    stream.write_all(request.as_bytes()).unwrap();
    let mut seen = Vec::new();
    let mut until = |text: &str| {
        let mut byte = [0; 512];
        while !String::from_utf8_lossy(&seen).contains(text) {
            let n = stream.read(&mut byte).unwrap();
            assert!(n > 0, "ended before {text:?}");
            seen.extend_from_slice(&byte[..n]);
        }
    };
    until("data: 1");
    gate.open();
    until("data: 2");
    until("0\r\n\r\n");
}

#[test]
fn hazard_14_a_truncated_reply_is_never_passed_off_as_complete() {
    let gate = Gate::default();
    gate.open();
    for first in [
        &b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"[..],
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    ] {
        let world = world_before(in_two_parts(first, b"", &gate));
        let mut connection = world.connect();
        let request = format!("GET /odd/x HTTP/1.1\r\nHost: h\r\nAuthorization: Key={}\r\n\r\n", token("odd-key"));
        connection.write(request.as_bytes());
        assert!(connection.read(false).is_err(), "{} was taken for whole", String::from_utf8_lossy(first));
        assert_eq!(world.await_record(|r| r["workflow"] == "odd")["end"], "upstream_died");
    }
}

#[test]
fn hazard_14_garbage_from_the_upstream_is_502_and_says_whose_it_was() {
    let gate = Gate::default();
    gate.open();
    for (reply, verdict) in [
        (&b"SSH-2.0-OpenSSH\r\n"[..], "502 upstream_protocol"),
        (b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n", "502 upstream_protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "502 upstream_protocol"),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", "502 upstream_protocol"),
        (b"", "502 upstream_unreachable"),
    ] {
        let world = world_before(in_two_parts(reply, b"", &gate));
        let answer = world.get("/odd/x").key(&token("odd-key")).send();
        assert_eq!(answer.verdict(), verdict, "{}", String::from_utf8_lossy(reply));
        assert_eq!(world.record_of(&answer)["whose"], "upstream");
    }
}

#[test]
fn time_outs_of_the_upstream_have_their_own_reason() {
    let world = world_before(in_two_parts(b"", b"", &Gate::default()));
    let began = Instant::now();
    let answer = world.get("/odd/x").key(&token("odd-key")).send();
    assert_eq!(answer.verdict(), "504 upstream_timeout");
    assert!(began.elapsed() < Duration::from_secs(5));
    let world = world_before(nobody());
    assert_eq!(world.get("/odd/x").key(&token("odd-key")).send().verdict(), "502 upstream_unreachable");
}

#[test]
fn bodies_are_streamed_both_ways_and_arrive_whole() {
    let world = World::build().answering(|r| Answer::reply("200 OK", &[], &r.body.len().to_string())).start();
    let body = vec![b'x'; 3_000_000];
    let fixed = world.ask("POST", "/orders").key(&token("all")).body(&body).send();
    assert_eq!((fixed.verdict(), fixed.text()), ("200".into(), "3000000".into()));
    assert_eq!(world.production.last().header("content-length").as_deref(), Some("3000000"));
    let chunked = world.ask("POST", "/orders").key(&token("all")).chunks(&[&body[..70_000], b"a", &body[..5]]).send();
    assert_eq!((chunked.verdict(), chunked.text()), ("200".into(), "70006".into()));
    assert_eq!(world.production.last().header("transfer-encoding").as_deref(), Some("chunked"));
}

#[test]
fn a_pooled_connection_that_went_stale_is_replaced() {
    let world =
        World::build().answering(|_| Answer::Last(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec())).start();
    for n in 1..=50 {
        assert_eq!(world.call("crm").send().verdict(), "200", "request {n}");
    }
    assert_eq!(world.production.count(), 50);
}

/// An upstream that answers a connection's first request, and reads the second one only to hang up.
fn hangs_up_on_the_second() -> (std::net::SocketAddr, std::sync::Arc<std::sync::Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let lines = seen.clone();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let lines = lines.clone();
            std::thread::spawn(move || {
                for answer in [&b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"[..], b""] {
                    let mut head = [0; 4096];
                    let Ok(n @ 1..) = stream.read(&mut head) else { return };
                    let text = String::from_utf8_lossy(&head[..n]).into_owned();
                    lines.lock().unwrap().push(text.lines().next().unwrap_or_default().to_owned());
                    let _ = stream.write_all(answer);
                }
            });
        }
    });
    (address, seen)
}

#[test]
fn only_what_may_be_repeated_is_sent_again_when_a_kept_connection_closes_under_it() {
    let (address, seen) = hangs_up_on_the_second();
    let world = World::build()
        .connection("odd", &format!("base_url: 'http://{address}'"))
        .workflow("odd-get", "template: 'GET /odd/{rest...}', upstream: { Production: odd }")
        .workflow("odd-post", "template: 'POST /odd/{rest...}', upstream: { Production: odd }")
        .key("k", "workflows: [odd-get, odd-post]")
        .start();
    let ask = |method: &str, target: &str| world.ask(method, target).key(&token("k"));
    assert_eq!(ask("GET", "/odd/1").send().verdict(), "200");
    assert_eq!(ask("GET", "/odd/2").send().verdict(), "200", "sent once more, on a new connection");
    assert_eq!(ask("POST", "/odd/3").body("x").send().verdict(), "502 upstream_unreachable", "never sent twice");
    let seen = seen.lock().unwrap().clone();
    let count = |target: &str| seen.iter().filter(|l| l.contains(target)).count();
    assert_eq!((count("/odd/1"), count("/odd/2"), count("/odd/3")), (1, 2, 1), "{seen:?}");
}

#[test]
fn t3_a_caller_who_hangs_up_is_recorded_and_the_upstream_let_go() {
    let world = World::build().answering(|_| Answer::Silence).start();
    let mut stream = TcpStream::connect(world.address()).unwrap();
    stream.write_all(format!("GET /customers/1 HTTP/1.1\r\nHost: h\r\n{}\r\n", crm()).as_bytes()).unwrap();
    world.production.await_requests(1);
    drop(stream);
    let record = world.await_record(|r| r["key"] == "crm");
    assert_eq!((record["status"].as_u64(), record["end"].as_str()), (Some(499), Some("client_gone")));
}

#[test]
fn hazard_13_slow_heads_and_bodies_are_cut_and_idle_connections_kept_for_longer() {
    let world = World::build().listener("timeouts: { head: 400ms, body_idle: 400ms, request: 5s, idle: 30s }").start();
    let mut slow = world.connect();
    let began = Instant::now();
    slow.write(b"GET /customers/1 HT");
    assert_eq!(slow.read(false).unwrap().verdict(), "408 request_timeout");
    assert!(slow.is_closed());
    assert!(world.connect().is_closed(), "who says nothing at all is told nothing");
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    let mut body = world.connect();
    body.write(format!("POST /orders HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n{}\r\nabc", all()).as_bytes());
    assert_eq!(body.read(false).unwrap().verdict(), "408 request_timeout");
    let mut idle = world.connect();
    let request = format!("GET /customers/1 HTTP/1.1\r\nHost: h\r\n{}\r\n", crm());
    assert_eq!(idle.send(request.as_bytes()).verdict(), "200");
    // Longer than a head may take: a pause between requests is no slow head.
    std::thread::sleep(Duration::from_millis(900));
    assert_eq!(idle.send(request.as_bytes()).verdict(), "200");
}

#[test]
fn c10_redirects_are_passed_back_and_never_followed() {
    let other = Upstream::start();
    let there = format!("http://{}/elsewhere", other.address);
    let world = World::build().answering(move |_| Answer::reply("302 Found", &[("Location", &there)], "")).start();
    let reply = world.call("crm").send();
    assert_eq!((reply.status, reply.header("location").map(|l| l.ends_with("/elsewhere"))), (302, Some(true)));
    other.assert_untouched();
}

/// What a connection held for its last request is given back after a while.
#[test]
fn a_connection_that_rested_is_served_as_before() {
    let world = World::start();
    let (mut connection, request) = (world.connect(), world.call("crm").bytes());
    let rest = Duration::from_millis(1200);
    assert_eq!(connection.send(&request).verdict(), "200");
    std::thread::sleep(rest);
    assert_eq!(connection.send(&request).verdict(), "200");
    std::thread::sleep(rest);
    // A head in parts, the second of which takes its time.
    let (begun, behind) = request.split_at(30);
    connection.write(begun);
    std::thread::sleep(rest);
    assert_eq!(connection.send(behind).verdict(), "200");
}
