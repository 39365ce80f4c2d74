//! HTTP/2 towards upstreams: agreed on, shared between requests, and given up without losing one that nobody acted on.

use crate::support::{Ask, H2Answer, H2Upstream, Upstream, World, token};
use crate::tls::{Authority, provider};
use h2::Reason;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

fn world(addresses: &[SocketAddr], fields: &str) -> World {
    let list: Vec<String> = addresses.iter().map(|a| format!("'{a}'")).collect();
    let list = list.join(", ");
    let fields = format!(
        "base_url: 'http://127.0.0.1:1', http: 2, inject: {{ header: X-Engine-Key }}, secret: 'file:production.secret', \
         addresses: [{list}], {fields}"
    );
    World::build()
        .connection("two", &fields)
        .workflow("two-get", "template: 'GET /two/{rest...}', upstream: { Production: two }")
        .workflow("two-post", "template: 'POST /two/{rest...}', upstream: { Production: two }")
        .start()
}

fn get(world: &World) -> Ask {
    world.get("/two/x?a=b").key(&token("all"))
}

fn tls(ca: &Authority, alpn: &[&str]) -> ServerConfig {
    provider();
    let (certificate, key) = ca.issue("engine.test", |_| {});
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = alpn.iter().map(|p| p.as_bytes().to_vec()).collect();
    config
}

fn secure(ca: &Authority, address: SocketAddr, fields: &str) -> World {
    let fields = format!("base_url: 'https://{address}', tls: {{ ca: ca.pem, server_name: engine.test }}, {fields}");
    World::build().file("ca.pem", ca.pem()).route("two", &fields).start()
}

#[test]
fn by_prior_knowledge_in_the_clear_with_nothing_that_belongs_to_a_connection() {
    let upstream = H2Upstream::answering(|_, _| H2Answer::Body("two"));
    let world = world(&[upstream.address], "");
    let ask = get(&world).header("Connection", "x-hop, TE").header("X-Hop", "1").header("TE", "gzip, trailers");
    let reply = ask.header("Upgrade", "websocket").header("Cookie", "a=1").send();
    assert_eq!((reply.status, reply.text().as_str()), (200, "two"));
    let seen = upstream.requests().remove(0).head;
    assert_eq!(seen.uri().to_string(), "http://127.0.0.1:1/two/x?a=b", ":authority is the base URL's");
    for name in ["host", "connection", "x-hop", "upgrade", "transfer-encoding", "authorization", "x-api-key"] {
        assert!(seen.headers().get(name).is_none(), "{name}");
    }
    assert_eq!(seen.headers()["te"], "trailers");
    assert_eq!(seen.headers()["x-keystile-username"], "Key: all");
    assert_eq!(seen.headers()["x-engine-key"], crate::support::world::PRODUCTION_SECRET);
    assert_eq!(world.record_of(&reply)["end"], "complete");
}

#[test]
fn over_tls_the_two_sides_agree() {
    let ca = Authority::new();
    for (fields, alpn, verdict) in [
        ("http: auto", &["h2", "http/1.1"][..], "200"),
        ("http: 2", &["h2", "http/1.1"], "200"),
        ("http: 2", &["http/1.1"], "502 upstream_protocol"),
        ("http: 2", &[], "502 upstream_protocol"),
        ("http: 1.1", &["h2"], "502 upstream_protocol"),
    ] {
        let upstream = H2Upstream::start(Some(tls(&ca, alpn)), 100, |_, _| H2Answer::Body("two"));
        let reply = secure(&ca, upstream.address, fields).get("/two/x").key(&token("all")).send();
        assert_eq!(reply.verdict(), verdict, "{fields} {alpn:?}: {}", reply.text());
    }
}

#[test]
fn requests_at_once_share_a_connection_and_a_full_one_gets_a_neighbour() {
    for (streams, connections) in [(100, 1), (2, 3)] {
        let upstream = H2Upstream::start(None, streams, |_, _| H2Answer::After(Duration::from_millis(700)));
        let world = world(&[upstream.address], "");
        let asking: Vec<_> = (0..6).map(|_| get(&world)).map(|a| std::thread::spawn(move || a.send())).collect();
        for reply in asking {
            assert_eq!(reply.join().unwrap().text(), "late");
        }
        assert_eq!(upstream.connections(), connections, "{streams} streams allowed");
    }
}

#[test]
fn a_stream_that_was_refused_is_sent_again_whatever_its_method() {
    let upstream = H2Upstream::answering(|_, n| match n {
        0 => H2Answer::Reset(Reason::REFUSED_STREAM),
        _ => H2Answer::Body("again"),
    });
    let world = world(&[upstream.address], "");
    let post = world.ask("POST", "/two/x").key(&token("all"));
    assert_eq!(post.send().text(), "again");
    let broken = H2Upstream::answering(|_, n| match n {
        0 => H2Answer::Reset(Reason::INTERNAL_ERROR),
        _ => H2Answer::Body("again"),
    });
    let world = self::world(&[broken.address], "");
    let post = world.ask("POST", "/two/x").key(&token("all"));
    assert_eq!(post.send().verdict(), "502 upstream_unreachable", "it may have acted");
}

#[test]
fn a_connection_that_is_being_closed_loses_nothing() {
    let upstream = H2Upstream::answering(|_, n| if n % 3 == 1 { H2Answer::GoAway } else { H2Answer::Body("ok") });
    let world = world(&[upstream.address], "");
    for _ in 0..6 {
        let reply = get(&world).send();
        assert_eq!(reply.text(), "ok", "{}", reply.verdict());
    }
    assert!(upstream.connections() > 1, "nothing new on one that says GOAWAY");
}

#[test]
fn what_speaks_no_http_2_is_told_before_it_is_sent_a_request() {
    let plain = Upstream::start();
    let world = world(&[plain.address], "");
    assert_eq!(get(&world).send().verdict(), "502 upstream_protocol");
    assert_eq!(plain.requests().iter().filter(|r| r.text().contains("/two/x")).count(), 0);
    // One that takes the preface and says nothing.
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let world = self::world(&[mute.local_addr().unwrap()], "timeouts: { connect: 300ms }");
    assert_eq!(get(&world).send().verdict(), "504 upstream_connect_timeout");
}

/// An upstream that answers every request with these frames and says nothing more. It does as much of HTTP/2 as a client
/// wants before it asks: SETTINGS, their acknowledgement, the answer to a ping.
fn frames(answer: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().flatten().try_for_each(|stream| converse(stream, &answer)));
    address
}

fn converse(mut stream: TcpStream, answer: &[u8]) -> std::io::Result<()> {
    stream.read_exact(&mut [0; 24])?;
    stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])?;
    let mut head = [0; 9];
    while stream.read_exact(&mut head).is_ok() {
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload)?;
        match (head[3], head[4] & 1) {
            (4, 0) => stream.write_all(&[0, 0, 0, 4, 1, 0, 0, 0, 0])?,
            (6, 0) => stream.write_all(&[&[0, 0, 8, 6, 1, 0, 0, 0, 0], &payload[..]].concat())?,
            (1, _) => {
                stream.write_all(answer)?;
                stream.shutdown(Shutdown::Write)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// A frame of the first stream.
fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
    [&[0, 0, payload.len() as u8, kind, flags, 0, 0, 0, 1], payload].concat()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200`.
const OK: u8 = 0x88;

#[test]
fn hazard_14_a_body_that_breaks_off_is_never_passed_off_as_whole() {
    let address = frames([frame(HEADERS, END_HEADERS, &[OK]), frame(DATA, 0, b"hello")].concat());
    let world = world(&[address], "");
    let mut caller = world.connect();
    caller.write(&get(&world).bytes());
    assert!(caller.read(false).is_err(), "it was taken for whole");
    assert_eq!(world.await_record(|r| r["connection"] == "two")["end"], "upstream_died");
}

#[test]
fn hazard_14_a_reply_that_reads_two_ways_over_http_1_is_none_over_http_2() {
    let hello = frame(DATA, END_STREAM, b"hello");
    // `content-length: 5`, not indexed.
    let length = [0x0f, 0x0d, 1, b'5'];
    let once = [&[OK], &length[..]].concat();
    let twice = [&[OK], &length[..], &length[..]].concat();
    // RFC 9113, section 8.6: HTTP/2 has no 101. To who stands between, it would end HTTP.
    let switched = frame(HEADERS, END_HEADERS, b"\x08\x03101");
    for (answer, verdict) in [
        ([frame(HEADERS, END_HEADERS, &once), hello.clone()].concat(), "200"),
        ([frame(HEADERS, END_HEADERS, &twice), hello.clone()].concat(), "502 upstream_protocol"),
        ([switched, frame(HEADERS, END_HEADERS, &once), hello].concat(), "502 upstream_protocol"),
    ] {
        let world = world(&[frames(answer)], "");
        let reply = get(&world).send();
        let raw = String::from_utf8_lossy(&reply.raw);
        assert_eq!(reply.verdict(), verdict, "{raw}");
        assert!(!raw.contains(" 101 ") && raw.matches("content-length").count() == 1, "{raw}");
    }
}

/// What an upstream says as it leaves is its own text: it may be what was injected.
#[test]
fn t3_hazard_18_a_secret_that_is_reflected_in_a_goaway_reaches_neither_log_nor_caller() {
    let secret = crate::support::world::PRODUCTION_SECRET;
    for (last_stream, reason) in [(0u32, 0u32), (0, 11), (1, 2)] {
        let told = [&last_stream.to_be_bytes()[..], &reason.to_be_bytes(), b"key ", secret.as_bytes()].concat();
        let goaway = [&[0, 0, told.len() as u8, 7, 0, 0, 0, 0, 0], &told[..]].concat();
        let world = world(&[frames(goaway)], "retries: 0");
        let reply = get(&world).send();
        assert_eq!(reply.status, 502, "{}", reply.text());
        let record = world.record_of(&reply);
        assert!(record["cause"].as_str().is_some_and(|cause| !cause.is_empty()), "{record}");
        let said = [reply.text(), world.gateway.stdout.text(), world.gateway.stderr.text(), world.metrics()].concat();
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn bodies_of_any_size_pass_through_windows_in_both_directions() {
    let upstream = H2Upstream::answering(|_, _| H2Answer::Echo(Default::default()));
    let world = world(&[upstream.address], "");
    let body: Vec<u8> = (0..3_000_000u32).map(|n| (n / 7) as u8).collect();
    let reply = world.ask("POST", "/two/x").key(&token("all")).body(&body).send();
    assert!(reply.body == body, "{} of {} bytes", reply.body.len(), body.len());
}

#[test]
fn an_upstream_that_opens_no_window_is_given_up_and_so_is_one_that_is_silent() {
    let upstream = H2Upstream::answering(|_, _| H2Answer::Silence);
    let world = world(&[upstream.address], "timeouts: { head: 300ms, idle: 300ms }");
    let big = world.ask("POST", "/two/x").key(&token("all")).body(vec![b'x'; 500_000]);
    let reply = big.send();
    let record = world.record_of(&reply);
    assert_eq!((reply.verdict(), &record["cause"]), ("504 upstream_timeout".into(), &"taking the request".into()));
    let reply = get(&world).send();
    let record = world.record_of(&reply);
    assert_eq!(record["cause"], "waiting for the upstream's answer");
    assert_eq!(reply.verdict(), "504 upstream_timeout");
}
