//! Leaving HTTP behind: WebSocket and other upgrades, only where a workflow names them (hazard 15), and what an upstream
//! says before its reply.

use crate::h2_floods::fields;
use crate::support::h2_caller::Caller;
use crate::support::{Connection, PATIENCE, World, digest, token};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// An upstream that answers every head with `answer` and then echoes; keeps the heads it saw.
pub fn echo(answer: &'static [u8]) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let all = heads.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let all = all.clone();
            std::thread::spawn(move || converse(stream, answer, &all));
        }
    });
    (address, heads)
}

fn converse(mut stream: TcpStream, answer: &[u8], heads: &Mutex<Vec<String>>) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    heads.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
    let mut some = [0; 4096];
    let _ = stream.write_all(answer);
    while let Ok(n @ 1..) = stream.read(&mut some) {
        if stream.write_all(&some[..n]).is_err() {
            return;
        }
    }
}

pub const SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n";

fn world(address: SocketAddr) -> World {
    builder(address).start()
}

pub fn builder(address: SocketAddr) -> crate::support::Builder {
    World::build()
        .connection("chat", &format!("base_url: 'http://{address}', inject: {{ header: X-Engine-Key }}, secret: 'file:production.secret', timeouts: {{ tunnel: 2s }}"))
        .workflow("chat", "template: 'GET /chat/{rest...}', upgrades: [websocket], upstream: { Production: chat }")
        .workflow("plain", "template: 'GET /plain/{rest...}', upstream: { Production: chat }")
        .key("chatter", "workflows: [chat, plain]")
}

fn ask(path: &str, key: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\nX-API-Key: {}\r\n{fields}\r\n", token(key))
}

const WEBSOCKET: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n";

pub fn open(world: &World) -> (Connection, TcpStream) {
    let mut connection = world.connect();
    let reply = connection.send(ask("/chat/1", "chatter", WEBSOCKET).as_bytes());
    assert_eq!(reply.verdict(), "101");
    assert_eq!((reply.header("upgrade"), reply.header("connection")), (Some("websocket"), Some("upgrade")));
    assert_eq!(reply.header("sec-websocket-accept"), Some("x"));
    assert_eq!((reply.header("content-length"), reply.header("transfer-encoding")), (None, None));
    let stream = connection.stream();
    (connection, stream)
}

pub fn echoes(stream: &mut TcpStream, text: &[u8]) -> bool {
    let mut back = vec![0; text.len()];
    stream.write_all(text).is_ok() && stream.read_exact(&mut back).is_ok() && back == text
}

fn is_cut_within(mut stream: TcpStream, limit: Duration) -> bool {
    let began = Instant::now();
    let ended = matches!(stream.read(&mut [0; 16]), Ok(0) | Err(_));
    ended && began.elapsed() < limit
}

#[test]
fn hazard_15_a_websocket_passes_both_ways_and_is_recorded_when_it_ends() {
    let (address, heads) = echo(SWITCH);
    let world = world(address);
    let (_connection, mut stream) = open(&world);
    assert!(echoes(&mut stream, b"hello"));
    let large: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
    let mut writing = stream.try_clone().unwrap();
    let sent = large.clone();
    let writer = std::thread::spawn(move || writing.write_all(&sent).unwrap());
    let mut back = vec![0; large.len()];
    stream.read_exact(&mut back).unwrap();
    writer.join().unwrap();
    assert!(back == large);
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert!(is_cut_within(stream, PATIENCE), "the end of one side is the other's");
    let record = world.await_record(|r| r["workflow"] == "chat");
    assert_eq!((record["status"].as_u64(), record["end"].as_str()), (Some(101), Some("complete")));
    assert_eq!((record["bytes_in"].as_u64(), record["bytes_out"].as_u64()), (Some(300_005), Some(300_005)));
    let head = heads.lock().unwrap()[0].to_ascii_lowercase();
    assert!(head.contains("\r\nupgrade: websocket\r\n") && head.contains("\r\nconnection: upgrade\r\n"), "{head}");
    assert!(head.contains("x-engine-key: ") && !head.contains(&token("chatter").to_ascii_lowercase()), "{head}");
}

#[test]
fn hazard_15_bytes_that_come_with_the_head_belong_to_the_tunnel() {
    let (address, _) =
        echo(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nfirst");
    let world = world(address);
    let mut connection = world.connect();
    connection.write(format!("{}early", ask("/chat/1", "chatter", WEBSOCKET)).as_bytes());
    assert_eq!(connection.read(false).unwrap().status, 101);
    assert_eq!(connection.exactly(10), b"firstearly");
}

#[test]
fn hazard_15_unasked_or_unpermitted_upgrades_are_plain_requests() {
    let (address, heads) = echo(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
    let world = world(address);
    for (path, fields) in [
        ("/plain/1", WEBSOCKET),
        ("/chat/1", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAA\r\n"),
        ("/chat/1", "Connection: Upgrade\r\nUpgrade: websocket, h2c\r\n"),
        ("/chat/1", "Connection: Upgrade\r\nUpgrade: other\r\n"),
        ("/chat/1", "Upgrade: websocket\r\n"),
        ("/chat/1", "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c\r\n"),
    ] {
        let mut connection = world.connect();
        assert_eq!(connection.send(ask(path, "chatter", fields).as_bytes()).verdict(), "200", "{path} {fields}");
        let head = heads.lock().unwrap().pop().unwrap().to_ascii_lowercase();
        assert!(!head.contains("\r\nupgrade:") && !head.contains("\r\nconnection:"), "{head}");
        assert!(!head.contains("http2-settings"), "{head}");
    }
}

#[test]
fn hazard_14_a_101_that_was_not_asked_for_is_502() {
    for (answer, fields) in [
        (SWITCH, ""),
        (&b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"[..], WEBSOCKET),
        (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n", WEBSOCKET),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n", WEBSOCKET),
    ] {
        let (address, _) = echo(answer);
        let world = world(address);
        let mut connection = world.connect();
        let reply = connection.send(ask("/chat/1", "chatter", fields).as_bytes());
        assert_eq!(reply.verdict(), "502 upstream_protocol", "{fields}");
    }
}

#[test]
fn hazard_15_a_refused_upgrade_never_reaches_the_upstream() {
    let (address, heads) = echo(SWITCH);
    let world = world(address);
    for (path, key, verdict) in [
        ("/chat/1", "nobody", "401 invalid_key"),
        ("/chat/1", "crm", "403 workflow_not_permitted"),
        ("/nowhere", "chatter", "404 workflow_not_found"),
    ] {
        assert_eq!(world.connect().send(ask(path, key, WEBSOCKET).as_bytes()).verdict(), verdict);
    }
    assert!(heads.lock().unwrap().is_empty());
}

#[test]
fn hazard_15_a_key_that_loses_its_permission_loses_its_open_tunnels() {
    let (address, _) = echo(SWITCH);
    let yaml = builder(address).yaml();
    let revoked = yaml.replace(&digest(&token("chatter")), &digest(&token("another")));
    let disabled = yaml.replace("workflows: [chat, plain]", "enabled: false, workflows: [chat, plain]");
    let not_here = yaml.replace("workflows: [chat, plain]", "workflows: [plain]");
    let plain = yaml.replace("upgrades: [websocket], ", "");
    let elsewhere = yaml.replace(&format!("'http://{address}'"), &format!("'http://{address}/v2'"));
    for changed in [revoked, disabled, not_here, plain, elsewhere] {
        let world = world(address);
        let (_connection, mut stream) = open(&world);
        assert!(world.reload(&yaml.replace("title: Nobody", "title: Still nobody")));
        std::thread::sleep(Duration::from_millis(700));
        assert!(echoes(&mut stream, b"an unrelated change leaves it alone"));
        assert!(world.reload(&changed));
        assert!(is_cut_within(stream, Duration::from_secs(4)), "a tunnel outlives its permission");
        let record = world.await_record(|r| r["workflow"] == "chat");
        assert_eq!(record["end"], "revoked");
    }
}

#[test]
fn hazard_13_a_silent_tunnel_is_closed() {
    let (address, _) = echo(SWITCH);
    let world = world(address);
    let (_connection, mut stream) = open(&world);
    std::thread::sleep(Duration::from_millis(1500));
    assert!(echoes(&mut stream, b"not silent"));
    assert!(is_cut_within(stream, Duration::from_secs(6)));
    assert_eq!(world.await_record(|r| r["workflow"] == "chat")["end"], "idle");
}

#[test]
fn hazard_15_protocols_that_are_http_are_no_upgrades() {
    for name in ["h2c", "HTTP/2.0", "tls", "a b"] {
        let told = builder("127.0.0.1:1".parse().unwrap())
            .workflow("odd", &format!("template: 'GET /odd', upgrades: ['{name}'], upstream: {{ Production: chat }}"))
            .refused();
        assert!(told.contains("upgrades") && told.contains("websocket"), "{told}");
    }
}

#[test]
fn hazard_15_an_upgrade_that_could_never_come_about_is_a_mistake() {
    let told = World::build()
        .connection("two", "base_url: 'http://127.0.0.1:1', http: 2")
        .workflow("ws", "template: 'GET /ws', upgrades: [websocket], upstream: { Production: two }")
        .refused();
    assert!(told.contains("connection two speaks HTTP/2"), "{told}");
}

const HINTED: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\
    Connection: x-hop\r\nX-Hop: 1\r\n\r\nHTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn hazard_14_early_hints_pass_over_http_2() {
    let (address, _) = echo(HINTED);
    let world = builder(address).listener("h2c: true").start();
    let mut caller = Caller::clear(world.address(), &[]);
    caller.request(1, &fields(&token("chatter"), &[(":path", "/plain/1"), (":scheme", "http")]), true);
    let reply = caller.reply(1);
    assert_eq!((&reply.interim[..], reply.status(), reply.text().as_str()), (&[103][..], 200, "ok"));
}

#[test]
fn hazard_14_early_hints_pass_to_those_who_know_them_and_no_further() {
    let (address, _) = echo(HINTED);
    let world = world(address);
    let mut connection = world.connect();
    let reply = connection.send(ask("/plain/1", "chatter", "").as_bytes());
    assert_eq!((reply.verdict().as_str(), reply.text().as_str()), ("200", "ok"));
    let text = String::from_utf8_lossy(&reply.raw).to_ascii_lowercase();
    assert!(
        text.starts_with("http/1.1 103 early hints\r\nlink: </a.css>; rel=preload\r\n\r\nhttp/1.1 200 ok\r\n"),
        "{text}"
    );
    let old = ask("/plain/1", "chatter", "").replace("HTTP/1.1", "HTTP/1.0");
    let reply = world.connect().send(old.as_bytes());
    assert!(String::from_utf8_lossy(&reply.raw).starts_with("HTTP/1.1 200 OK"));
}

#[test]
fn hazard_14_informational_replies_without_end_are_502() {
    let endless = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(50);
    let (address, _) = echo(Box::leak(endless.into_boxed_slice()));
    let world = world(address);
    assert_eq!(world.get("/plain/1").key(&token("chatter")).send().verdict(), "502 upstream_protocol");
}
