//! The way to the upstream and back when either side breaks step: no byte of one exchange ever belongs to another
//! (hazards 10 and 14).

use crate::support::{Answer, Connection, PATIENCE, World, raw, token};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Everything an upstream was sent, a connection an item.
type Seen = Arc<Mutex<Vec<Vec<u8>>>>;

/// An upstream that answers each head with what `answer` makes of it, whether or not a body is still to come.
fn hasty(answer: fn(&str) -> &'static [u8]) -> (SocketAddr, Seen) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Seen::default();
    let all = seen.clone();
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().flatten().enumerate() {
            all.lock().unwrap().push(Vec::new());
            let all = all.clone();
            std::thread::spawn(move || listen(stream, answer, |bytes| all.lock().unwrap()[n].extend_from_slice(bytes)));
        }
    });
    (address, seen)
}

fn listen(mut stream: TcpStream, answer: fn(&str) -> &'static [u8], mut note: impl FnMut(&[u8])) {
    let (mut head, mut some) = (Vec::new(), [0; 4096]);
    while let Ok(n @ 1..) = stream.read(&mut some) {
        note(&some[..n]);
        head.extend_from_slice(&some[..n]);
        if let Some(end) = head.windows(4).position(|w| w == b"\r\n\r\n") {
            let _ = stream.write_all(answer(&String::from_utf8_lossy(&head[..end])));
            head.clear();
        }
    }
}

fn world_before(address: SocketAddr) -> World {
    World::build()
        .connection("odd", &format!("base_url: 'http://{address}', timeouts: {{ head: 2s, idle: 2s }}"))
        .workflow("odd-get", "template: 'GET /odd/{rest...}', upstream: { Production: odd }")
        .workflow("odd-post", "template: 'POST /odd/{rest...}', upstream: { Production: odd }")
        .key("k", "workflows: [odd-get, odd-post]")
        .start()
}

fn head(line: &str, fields: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: h\r\nAuthorization: Key={}\r\n{fields}\r\n", token("k"))
}

#[test]
fn hazard_14_an_upload_still_under_way_keeps_its_connection_to_itself() {
    let (address, seen) = hasty(|_| b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly");
    let world = world_before(address);
    let mut uploading = world.connect();
    uploading.write(head("POST /odd/first", "Content-Length: 10\r\n").as_bytes());
    uploading.write(b"abc");
    assert_eq!(uploading.read(false).unwrap().text(), "early");
    for _ in 0..3 {
        assert_eq!(raw(world.address(), head("GET /odd/second", "")).text(), "early");
    }
    for (n, sent) in seen.lock().unwrap().iter().enumerate() {
        let text = String::from_utf8_lossy(sent);
        let both = text.contains("/odd/first") && text.contains("/odd/second");
        assert!(!both, "connection {n} carries a request inside another's body:\n{text}");
    }
}

#[test]
fn hazard_14_what_an_upstream_says_beyond_its_reply_is_nobody_elses_reply() {
    const POISON: &[u8] =
        b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\nX-Poison: 1\r\n\r\npoison";
    let (address, _) = hasty(|head| match head.starts_with("GET /odd/poisoned") {
        true => POISON,
        false => b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine",
    });
    let world = world_before(address);
    for _ in 0..10 {
        assert_eq!(raw(world.address(), head("GET /odd/poisoned", "")).status, 204);
        assert_eq!(raw(world.address(), head("GET /odd/clean", "")).text(), "mine");
    }
}

#[test]
fn hazard_14_a_reply_with_two_framings_is_502() {
    for reply in [
        &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n8\r\nlonger!!\r\n0\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nlonger!!\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    ] {
        let world = World::build().answering(move |_| Answer::Bytes(reply.to_vec())).start();
        assert_eq!(world.call("crm").send().verdict(), "502 upstream_protocol", "{}", String::from_utf8_lossy(reply));
    }
}

#[test]
fn hazard_14_a_get_keeps_its_body_in_whatever_framing_it_came() {
    let world = World::start();
    for (ask, framing) in [
        (world.call("crm").chunks(&[b"{\"query\":", b"{}}"]), ("transfer-encoding", "chunked")),
        (world.call("crm").body("{\"query\":{}}"), ("content-length", "12")),
    ] {
        let seen = world.arrived(&ask);
        assert_eq!(String::from_utf8_lossy(&seen.body), "{\"query\":{}}", "{framing:?}");
        assert_eq!(seen.header(framing.0).as_deref(), Some(framing.1));
    }
    let none = world.arrived(&world.call("crm"));
    assert_eq!((none.header("transfer-encoding"), none.header("content-length")), (None, None));
}

#[test]
fn hazard_14_a_broken_upload_closes_the_upstream_connection() {
    let (address, seen) = hasty(|head| match head.starts_with("GET") {
        true => b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine",
        false => b"",
    });
    let world = world_before(address);
    let mut broken: Connection = world.connect();
    broken.write(head("POST /odd/first", "Transfer-Encoding: chunked\r\n").as_bytes());
    broken.write(b"3\r\nabc\r\n");
    let patience = Instant::now() + PATIENCE;
    while !seen.lock().unwrap().iter().any(|s| s.ends_with(b"abc\r\n")) {
        assert!(Instant::now() < patience, "the upload does not arrive while it is sent");
        std::thread::sleep(Duration::from_millis(5));
    }
    broken.write(b"nonsense\r\n");
    assert_eq!(broken.read(false).unwrap().verdict(), "400 bad_request");
    assert_eq!(raw(world.address(), head("GET /odd/second", "")).text(), "mine");
    let seen = seen.lock().unwrap();
    let first: Vec<_> = seen.iter().filter(|s| s.starts_with(b"POST")).map(|s| String::from_utf8_lossy(s)).collect();
    assert_eq!(first.len(), 1);
    assert!(!first[0].contains("/odd/second") && !first[0].ends_with("0\r\n\r\n"), "{}", first[0]);
}
