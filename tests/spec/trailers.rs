//! Hazard 14: trailers pass by name, in both directions and over both protocols.

use crate::support::{Answer, H2Answer, H2Upstream, World, token};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::io::{Read, Write};
use std::net::SocketAddr;

const SENT: &[(&str, &str)] = &[
    ("grpc-status", "0"),
    ("x-checksum-sha256", "abc"),
    ("x-row-count", "7"),
    ("x-other", "1"),
    ("authorization", "Bearer stolen"),
    ("set-cookie", "a=b"),
    ("x-keystile-error", "forged"),
];
const PASS: &str = "grpc-status x-checksum-sha256 x-row-count";

fn world(address: SocketAddr, http: &str) -> World {
    let fields = format!("base_url: 'http://{address}', http: {http}, trailers: [X-Row-Count]");
    World::build()
        .connection("t", &fields)
        .workflow("t-post", "template: 'POST /t/{rest...}', upstream: { Production: t }")
        .start()
}

fn chunked(text: &str) -> String {
    let lines: String = SENT.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
    format!("{:x}\r\n{text}\r\n0\r\n{lines}\r\n", text.len())
}

/// What follows the last chunk, names only.
fn trailers(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let after = text.rsplit_once("\r\n0\r\n").map(|(_, after)| after.to_owned()).unwrap_or_default();
    let names = after.split("\r\n").filter_map(|line| Some(line.split_once(':')?.0.to_ascii_lowercase()));
    names.collect::<Vec<_>>().join(" ")
}

/// Asks with trailers, and returns every byte of the reply.
fn ask(world: &World, te: &str) -> Vec<u8> {
    let caller = world.connect();
    let head = format!(
        "POST /t/x HTTP/1.1\r\nHost: h\r\nX-API-Key: {}\r\n{te}Trailer: X-Row-Count, Authorization\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
        token("all")
    );
    let mut stream = caller.stream();
    stream.write_all((head + &chunked("up")).as_bytes()).unwrap();
    let mut raw = Vec::new();
    stream.read_to_end(&mut raw).unwrap();
    raw
}

#[test]
fn over_http_1_named_trailers_pass_both_ways_and_no_others() {
    let reply = format!(
        "HTTP/1.1 200 OK\r\nTrailer: Grpc-Status, Set-Cookie\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        chunked("down")
    );
    let upstream = crate::support::Upstream::answering(move |_| Answer::Bytes(reply.clone().into_bytes()));
    let world = world(upstream.address, "1.1");
    let raw = ask(&world, "TE: trailers\r\n");
    assert_eq!(trailers(&raw), PASS, "{}", String::from_utf8_lossy(&raw));
    let head = String::from_utf8_lossy(&raw).to_ascii_lowercase();
    assert!(head.contains("trailer: grpc-status\r\n"), "what will not come is not announced: {head}");
    let seen = upstream.last();
    assert_eq!(trailers(&seen.raw), PASS);
    assert_eq!(seen.header("te").as_deref(), Some("trailers"));
    assert_eq!(seen.header("trailer").as_deref(), Some("X-Row-Count"));
    assert_eq!(trailers(&ask(&world, "")), "", "a caller who does not read them gets none");
    assert_eq!(upstream.last().header("te"), None);
}

#[test]
fn over_http_2_named_trailers_pass_both_ways_and_no_others() {
    let sent: HeaderMap = SENT.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
    let upstream = H2Upstream::answering(move |_, _| H2Answer::Echo(sent.clone()));
    let world = world(upstream.address, "2");
    let raw = ask(&world, "TE: trailers\r\n");
    assert_eq!(trailers(&raw), PASS, "{}", String::from_utf8_lossy(&raw));
    let seen = upstream.requests().remove(0);
    let names: Vec<&str> = seen.trailers.keys().map(|n| n.as_str()).collect();
    assert_eq!(names.join(" "), PASS);
    assert_eq!(seen.body, b"up");
}

#[test]
fn a_list_cannot_name_what_is_never_taken_from_a_trailer() {
    let told = World::build().connection("t", "base_url: 'http://127.0.0.1:1', trailers: [Set-Cookie]").refused();
    assert!(told.contains("set-cookie is never taken from a trailer"), "{told}");
}
