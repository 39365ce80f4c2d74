//! The PROXY protocol: who calls is what a trusted load balancer says, and nobody else gets in.

use crate::support::{Connection, World, token};
use crate::tls::Authority;
use std::io::{Read as _, Write as _};

/// A header of version 2 that names an IPv4 caller, with one extension.
fn v2(caller: [u8; 4]) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x10".to_vec();
    header.extend(caller);
    header.extend([127, 0, 0, 1, 0xdc, 0x04, 0x01, 0xbb, 0x04, 0x00, 0x01, b'x']);
    header
}

fn v1(caller: &str) -> Vec<u8> {
    format!("PROXY TCP4 {caller} 127.0.0.1 56324 443\r\n").into_bytes()
}

fn balanced() -> World {
    World::build().listener("proxy_protocol: true").listener("trusted_proxies: [127.0.0.1/32, 192.0.2.0/24]").start()
}

/// Sends `header` and a request with `fields`; the reply's verdict and the address in the access record.
fn told(world: &World, header: &[u8], key: &str, fields: &[(&str, &str)]) -> (String, String) {
    let ask = fields.iter().fold(world.call(key), |ask, (name, value)| ask.header(name, *value));
    let reply = world.connect().send(&[header, &ask.bytes()].concat());
    let address = world.record_of(&reply)["address"].as_str().unwrap_or_default().to_owned();
    (reply.verdict(), address)
}

#[test]
fn the_address_in_the_header_is_the_callers() {
    let world = balanced();
    for header in [v1("203.0.113.7"), v2([203, 0, 113, 7])] {
        assert_eq!(told(&world, &header, "crm", &[]), ("200".into(), "203.0.113.7".into()));
        let forwarded = world.production.last().header("x-forwarded-for");
        assert_eq!(forwarded.as_deref(), Some("203.0.113.7"));
        // `elsewhere` may call from 203.0.113.0/24, `local` from loopback, where the balancer is.
        assert_eq!(told(&world, &header, "elsewhere", &[]).0, "200");
        assert_eq!(told(&world, &header, "local", &[]).0, "403 address_not_allowed");
    }
    let hearsay = [("X-Forwarded-For", "198.51.100.1")];
    assert_eq!(
        told(&world, &v1("203.0.113.7"), "crm", &hearsay).1,
        "203.0.113.7",
        "the caller's own word is not taken"
    );
    assert_eq!(told(&world, &v1("192.0.2.9"), "crm", &hearsay).1, "198.51.100.1", "a trusted proxy's is");
}

#[test]
fn where_the_header_names_nobody_the_peer_counts() {
    let world = balanced();
    for header in
        [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00", b"\r\n\r\n\0\r\nQUIT\n\x21\x00\x00\x00"]
    {
        assert_eq!(told(&world, header, "local", &[]), ("200".into(), "127.0.0.1".into()));
    }
}

#[test]
fn a_header_counts_however_it_is_cut_and_stands_before_tls() {
    let (ca, name) = (Authority::new(), "gateway.test");
    let (certificate, key) = ca.issue(name, |_| {});
    let world = World::build()
        .file("0.pem", certificate)
        .file("0.key", key)
        .listener("tls: { certificate: 0.pem, key: 0.key }")
        .listener("proxy_protocol: true")
        .listener("trusted_proxies: [127.0.0.1/32]")
        .start();
    for split in [0, 1, 6, 15, 20, 28] {
        let mut tcp = std::net::TcpStream::connect(world.address()).unwrap();
        tcp.set_nodelay(true).unwrap();
        let header = v2([203, 0, 113, 7]);
        tcp.write_all(&header[..split]).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(5));
        tcp.write_all(&header[split..]).unwrap();
        let mut tls = ca.client(name, tcp);
        tls.write_all(&world.call("elsewhere").header("Connection", "close").bytes()).unwrap();
        let mut reply = String::new();
        let _ = tls.read_to_string(&mut reply);
        assert!(reply.starts_with("HTTP/1.1 200 "), "split at {split}: {reply}");
    }
}

#[test]
fn without_a_header_or_with_a_wrong_one_a_balancers_connection_is_closed_unanswered() {
    let world = balanced();
    for wrong in [
        world.call("crm").bytes(),
        b"PROXY TCP4 203.0.113.7\r\n".to_vec(),
        b"PROXY TCP4 203.0.113.7 127.0.0.1 1 99999\r\n".to_vec(),
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\x00\x0c".to_vec(),
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff".to_vec(),
    ] {
        assert!(Connection::is_turned_away(world.address(), &[wrong, world.call("crm").bytes()].concat()));
    }
    assert!(world.metrics().contains("keystile_connections_refused_total{reason=\"proxy_header\"} 5"));
    world.assert_untouched();
}

#[test]
fn hazard_13_a_header_that_does_not_come_is_not_waited_for() {
    let world = World::build()
        .listener("proxy_protocol: true")
        .listener("trusted_proxies: [127.0.0.1/32]")
        .listener("timeouts: { head: 300ms }")
        .start();
    let mut connection = world.connect();
    connection.write(b"PROXY TC");
    assert!(connection.is_closed());
    assert!(world.metrics().contains("keystile_connections_refused_total{reason=\"proxy_header\"} 1"));
}

#[test]
fn a_peer_that_is_no_trusted_proxy_is_closed_though_its_header_is_right() {
    let world = World::build().listener("proxy_protocol: true").listener("trusted_proxies: [192.0.2.0/24]").start();
    let request = [v1("203.0.113.7"), world.get("/customers/1").key(&token("crm")).bytes()].concat();
    assert!(Connection::is_turned_away(world.address(), &request));
    assert!(world.metrics().contains("keystile_connections_refused_total{reason=\"untrusted_peer\"} 1"));
    world.assert_untouched();
}

#[test]
fn a_header_to_a_listener_that_expects_none_is_no_request() {
    let world = World::start();
    let reply = world.connect().send(&[v1("203.0.113.7"), world.call("elsewhere").bytes()].concat());
    assert_eq!(reply.status, 400);
    world.assert_untouched();
}

#[test]
fn it_is_believed_of_somebody_or_refused() {
    let told = World::build().listener("proxy_protocol: true").refused();
    assert!(told.contains("listeners.inbound[0].proxy_protocol") && told.contains("trusted_proxies"), "{told}");
}
