//! HTTP/1.1 as those send it who look for a seam: between messages, between versions, between two readings of a byte
//! (hazards 10, 13 and 14).

use crate::support::{Answer, Connection, World, raw, token};
use std::io::Read;
use std::net::TcpStream;
use std::time::Duration;

fn head(line: &str, version: &str, fields: &str) -> String {
    format!("{line} HTTP/{version}\r\nHost: h\r\nAuthorization: Key={}\r\n{fields}\r\n", token("all"))
}

fn get() -> String {
    head("GET /customers/1", "1.1", "")
}

/// Everything that comes, and how it ended.
fn read_out(world: &World, request: &str) -> (String, std::io::Result<usize>) {
    use std::io::Write;
    let mut stream = TcpStream::connect(world.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut seen = Vec::new();
    let end = stream.read_to_end(&mut seen);
    (String::from_utf8_lossy(&seen).into_owned(), end)
}

#[test]
fn hazard_14_a_broken_reply_has_no_clean_end_where_only_the_connection_ends_it() {
    const BROKEN: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n";
    let world = World::build().answering(|_| Answer::Last(BROKEN.to_vec())).start();
    let (seen, end) = read_out(&world, &head("GET /customers/1", "1.0", ""));
    assert!(end.is_err(), "taken for whole: {seen:?}");
    const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let world = World::build().answering(|_| Answer::Last(WHOLE.to_vec())).start();
    let (seen, end) = read_out(&world, &head("GET /customers/1", "1.0", ""));
    assert!(end.is_ok() && seen.ends_with("\r\n\r\nhello"), "{seen:?} {end:?}");
}

#[test]
fn hazard_10_a_target_without_a_path_reaches_the_upstream_with_one() {
    let world =
        World::build().workflow("root", "template: 'GET /', upstream: { Production: engine-production }").start();
    for (target, line) in [("http://h?a=1", "GET /?a=1 HTTP/1.1"), ("http://h", "GET / HTTP/1.1")] {
        assert_eq!(raw(world.address(), head(&format!("GET {target}"), "1.1", "")).verdict(), "200", "{target}");
        assert_eq!(world.production.last().line(), line);
    }
}

#[test]
fn hazard_11_an_absolute_target_does_not_stand_in_for_host() {
    let world = World::start();
    let request = get().replace("GET /", "GET http://h/").replace("Host: h\r\n", "");
    assert_eq!(raw(world.address(), request).verdict(), "400 invalid_host");
    world.assert_untouched();
}

#[test]
fn hazard_13_an_empty_line_after_a_request_is_not_the_beginning_of_another() {
    let world = World::build().listener("timeouts: { head: 300ms, body_idle: 1s, request: 5s, idle: 30s }").start();
    let mut connection = world.connect();
    assert_eq!(connection.send(format!("{}\r\n", get()).as_bytes()).verdict(), "200");
    // Longer than a head may take: none has begun.
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(connection.send(get().as_bytes()).verdict(), "200");
    // However they arrive, one is ignored and two are no request.
    for pause in [0, 50] {
        let mut twice = world.connect();
        for _ in 0..2 {
            twice.write(b"\r\n");
            std::thread::sleep(Duration::from_millis(pause));
        }
        twice.write(get().as_bytes());
        assert_eq!(twice.read(false).unwrap().verdict(), "400 bad_request", "{pause} ms between");
    }
}

#[test]
fn hazard_14_early_hints_have_no_length() {
    const REPLY: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Length: 9\r\n\r\n\
        HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let world = World::build().answering(|_| Answer::Last(REPLY.to_vec())).start();
    let (seen, _) = read_out(&world, &head("GET /customers/1", "1.1", "Connection: close\r\n"));
    let (hints, reply) = seen.split_once("\r\n\r\n").unwrap();
    assert!(hints.starts_with("HTTP/1.1 103 ") && hints.to_lowercase().contains("link: </a>"), "{seen}");
    assert!(!hints.to_lowercase().contains("content-length"), "{seen}");
    assert!(reply.ends_with("\r\n\r\nok"), "{seen}");
}

/// The verdicts of what was sent in one piece.
fn verdicts(connection: &mut Connection, heads: &[bool]) -> Vec<String> {
    heads.iter().map(|to_head| connection.read(*to_head).map_or("closed".into(), |r| r.verdict())).collect()
}

#[test]
fn pipelined_requests_are_answered_in_order_whatever_came_before_them() {
    let world = World::start();
    let get = get();
    for (first, first_is_head, wanted) in [
        (head("POST /orders", "1.1", "Content-Length: 3\r\n") + "abc", false, ["200", "200"]),
        (
            head("POST /orders", "1.1", "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n0\r\nX: y\r\n\r\n",
            false,
            ["200", "200"],
        ),
        (head("HEAD /customers/1", "1.1", ""), true, ["200", "200"]),
        (head("POST /nowhere", "1.1", "Content-Length: 3\r\n") + "abc", false, ["404 workflow_not_found", "200"]),
        (
            head("POST /nowhere", "1.1", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n",
            false,
            ["404 workflow_not_found", "200"],
        ),
        // An upgrade that nobody allowed is a plain request.
        (head("GET /customers/1", "1.1", "Upgrade: websocket\r\nConnection: upgrade\r\n"), false, ["200", "200"]),
        // Who waits to be told may send the body or not: what follows cannot be told from it.
        (
            head("POST /nowhere", "1.1", "Expect: 100-continue\r\nContent-Length: 3\r\n"),
            false,
            ["404 workflow_not_found", "closed"],
        ),
        (head("GET /customers/1", "1.1", "Connection: close\r\n"), false, ["200", "closed"]),
        (head("GET /customers/1", "1.0", ""), false, ["200", "closed"]),
        (
            head("POST /nowhere", "1.1", "Transfer-Encoding: chunked\r\n") + "zz\r\n\r\n0\r\n\r\n",
            false,
            ["404 workflow_not_found", "closed"],
        ),
    ] {
        let mut connection = world.connect();
        connection.write(format!("{first}{get}").as_bytes());
        assert_eq!(verdicts(&mut connection, &[first_is_head, false]), wanted, "{first}");
    }
}

#[test]
fn hazard_14_who_did_not_wait_to_be_told_sends_the_same_body() {
    let world = World::start();
    let expecting = head("POST /orders", "1.1", "Expect: 100-continue\r\nContent-Length: 5\r\n");
    let mut connection = world.connect();
    connection.write(format!("{expecting}hello{}", get()).as_bytes());
    assert_eq!(verdicts(&mut connection, &[false, false]), ["200", "200"]);
    assert_eq!(world.production.requests()[0].body, b"hello");
    let mut connection = world.connect();
    connection.write(format!("{expecting}he").as_bytes());
    world.production.await_requests(2);
    connection.write(format!("llo{}", get()).as_bytes());
    assert_eq!(verdicts(&mut connection, &[false, false]), ["200", "200"]);
}
