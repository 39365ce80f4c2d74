//! HTTP/2 without TLS: only where it is configured, and only by prior knowledge.

use crate::support::h2_raw::{END_HEADERS, END_STREAM, H2, Outcome, frame, literals};
use crate::support::{World, token};
use keystile::net::frames::{HEADERS, PREFACE};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

fn world(listener: &str) -> World {
    World::build().listener(listener).start()
}

fn get() -> Vec<u8> {
    let key = token("crm");
    let fields = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "gateway.test"),
        (":path", "/customers/1"),
        ("x-api-key", &*key),
    ];
    frame(HEADERS, END_HEADERS | END_STREAM, 1, &literals(&fields))
}

#[test]
fn hazard_12_h2c_is_spoken_to_those_who_begin_with_it_and_http_1_1_to_the_others() {
    let world = world("h2c: true");
    let mut h2 = H2::clear(world.address());
    h2.write(&get());
    assert_eq!(h2.outcome(1), Outcome::Replied(200));
    assert_eq!(world.await_record(|r| r["key"] == "crm")["protocol"], "HTTP/2.0");
    assert_eq!(world.call("crm").send().verdict(), "200");
    assert_eq!(world.ask("PROPFIND", "/").send().status, 401, "begins with the same letter");
}

#[test]
fn hazard_12_a_preface_may_come_in_pieces_but_not_for_ever() {
    let world = World::build().listener("h2c: true").listener("timeouts: { head: 2s }").start();
    let mut pieces = TcpStream::connect(world.address()).unwrap();
    pieces.set_nodelay(true).unwrap();
    for piece in PREFACE.chunks(5) {
        pieces.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(10));
    }
    pieces.write_all(&frame(4, 0, 0, &[])).unwrap();
    let mut head = [0; 9];
    pieces.read_exact(&mut head).unwrap();
    assert_eq!(head[3], 4, "SETTINGS: {head:?}");
    let mut slow = world.connect();
    slow.write(&PREFACE[..10]);
    assert!(slow.is_closed(), "cut after timeouts.head");
    assert!(world.connect().is_closed(), "and so is who says nothing");
}

#[test]
fn hazard_12_without_h2c_the_preface_is_no_http_2() {
    let world = World::start();
    let mut stream = TcpStream::connect(world.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(PREFACE).unwrap();
    stream.write_all(&frame(4, 0, 0, &[])).unwrap();
    stream.write_all(&get()).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 505 "), "{:?}", String::from_utf8_lossy(&answer));
    world.assert_untouched();
}

#[test]
fn hazard_15_an_upgrade_to_h2c_is_neither_done_nor_forwarded() {
    for listener in ["h2c: true", "h2c: false"] {
        let world = world(listener);
        let ask = world.call("crm").header("Connection", "Upgrade, HTTP2-Settings");
        let arrived = world.arrived(&ask.header("Upgrade", "h2c").header("HTTP2-Settings", "AAMAAABkAAQAAP__"));
        for name in ["upgrade", "http2-settings"] {
            assert_eq!(arrived.header(name), None, "{name}");
        }
    }
}

#[test]
fn h2c_beside_tls_is_a_mistake() {
    let told = World::build().listener("h2c: true").listener("tls: { certificate: a.pem, key: a.key }").refused();
    assert!(told.contains("h2c is HTTP/2 without TLS, and this listener has tls"), "{told}");
}
