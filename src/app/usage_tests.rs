//! What requests through either door are counted as.

use super::Gateway;
use crate::assembly::{self, Holdings};
use crate::model::keys::Keys;
use crate::model::listener::{Address, DoorKind};
use crate::model::token::Digest;
use crate::model::{Resource, Slot, Uid};
use crate::net::inherited::Inherited;
use crate::net::listen::nobody;
use crate::telemetry::usage::Counted;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

const PRIMARY: &str = "the-primary-token-of-the-key-crm";
const SECONDARY: &str = "the-secondary-token-of-the-key-crm";
const DISABLED: &str = "the-token-of-a-key-that-is-disabled";

/// An upstream that answers with the status which the path ends with.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut head = [0; 4096];
            let read = stream.read(&mut head).unwrap_or(0);
            let line = String::from_utf8_lossy(&head[..read]).lines().next().unwrap_or_default().to_owned();
            let status = line.split(' ').nth(1).and_then(|path| path.rsplit('/').next()).unwrap_or("500").to_owned();
            let _ = write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        }
    });
    address
}

fn gateway() -> Gateway {
    let closed = nobody();
    let digest = |token: &str| Digest::of(token.as_bytes()).to_string();
    let text = format!(
        r#"
listeners:
  inbound: [{{ address: "127.0.0.1:0" }}]
  outbound: [{{ address: "127.0.0.1:0" }}]
workers: 1
allow_networks: [127.0.0.0/8]
connections:
  - {{ name: up, base_url: "http://{up}" }}
  - {{ name: down, base_url: "http://{closed}" }}
workflows:
  - {{ name: run, template: "GET /run/{{status}}", upstream: {{ Production: up }} }}
  - {{ name: fail, template: GET /fail, upstream: {{ Production: down }} }}
  - {{ name: hidden, template: GET /hidden, upstream: {{ Production: up }} }}
keys:
  - {{ name: crm, primary: "{primary}", secondary: "{secondary}", workflows: [run, fail], connections: [up] }}
  - {{ name: asleep, primary: "{disabled}", enabled: false, workflows: all }}
log: {{ access: off }}
"#,
        up = upstream(),
        primary = digest(PRIMARY),
        secondary = digest(SECONDARY),
        disabled = digest(DISABLED),
    );
    let read = assembly::from_text(&text, "test.yaml", Path::new("/"), &Holdings::default(), &Keys::default());
    let (assembled, _) = read.unwrap_or_else(|e| panic!("{e}"));
    Gateway::start(assembled, &mut Inherited::default()).unwrap()
}

/// The status of `GET path` through a door.
fn get(gateway: &Gateway, door: DoorKind, token: &str, path: &str) -> u16 {
    let live = gateway.shared.load();
    let name = live.snapshot.listeners.iter().find(|l| l.door.kind() == door).unwrap().address.clone();
    let (_, at) = gateway.addresses().into_iter().find(|(known, _)| *known == name).unwrap();
    let Address::Tcp(at) = at else { panic!("{at} is no TCP address") };
    let mut stream = TcpStream::connect(at).unwrap();
    let head =
        format!("GET {path} HTTP/1.1\r\nhost: a.test\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply.split(' ').nth(1).unwrap().parse().unwrap()
}

type Row = (Resource, Uid, Option<&'static str>, &'static str);
type Counts = BTreeMap<Row, u64>;

/// What was counted, as soon as it is as much as expected: an exchange ends a moment after its reply.
fn counted(gateway: &Gateway, expected: &[(Row, u64)]) -> Counts {
    let mut counts = Counts::new();
    let until = Instant::now() + Duration::from_secs(10);
    let total: u64 = expected.iter().map(|(_, count)| count).sum();
    while counts.values().sum::<u64>() < total && Instant::now() < until {
        for Counted { kind, uid, slot, code, count, last_at } in gateway.usage.drain() {
            assert!(last_at > 1_700_000_000_000, "Unix milliseconds");
            *counts.entry((kind, uid, slot.map(Slot::name), code)).or_default() += count;
        }
        thread::sleep(Duration::from_millis(2));
    }
    counts
}

fn key(name: &str, slot: &'static str, code: &'static str) -> Row {
    (Resource::Key, Uid::declared("key", name), Some(slot), code)
}

fn workflow(name: &str, code: &'static str) -> Row {
    (Resource::Workflow, Uid::declared("workflow", name), None, code)
}

fn connection(name: &str, code: &'static str) -> Row {
    (Resource::Connection, Uid::declared("connection", name), None, code)
}

#[test]
fn t5_requests_and_refusals_are_counted_for_all_who_are_known() {
    let gateway = gateway();
    let ask = |token, path| get(&gateway, DoorKind::Inbound, token, path);
    assert_eq!(ask(PRIMARY, "/run/200"), 200, "not counted: nobody drains yet");
    // Its exchange is over when the one worker has answered the next one; an unknown key counts for nobody.
    assert_eq!(ask("nobody-has-this-token-at-all", "/run/200"), 401);
    gateway.usage.start();
    assert_eq!(ask("nobody-has-this-token-at-all", "/run/200"), 401);
    assert_eq!(ask(PRIMARY, "/run/200"), 200);
    assert_eq!(ask(SECONDARY, "/run/503"), 503);
    assert_eq!(ask(DISABLED, "/run/200"), 401);
    assert_eq!(ask(PRIMARY, "/hidden"), 403);
    assert_eq!(ask(PRIMARY, "/fail"), 502);
    let expected = [
        (key("crm", "primary", ""), 1),
        // The upstream's own failure is no refusal.
        (key("crm", "secondary", ""), 1),
        (workflow("run", ""), 2),
        (connection("up", ""), 2),
        (key("asleep", "primary", "key_disabled"), 1),
        (key("crm", "primary", "workflow_not_permitted"), 1),
        (workflow("hidden", "workflow_not_permitted"), 1),
        (key("crm", "primary", "upstream_unreachable"), 1),
        (workflow("fail", "upstream_unreachable"), 1),
        (connection("down", "upstream_unreachable"), 1),
    ];
    let counts = counted(&gateway, &expected);
    gateway.close();
    assert_eq!(counts, Counts::from(expected));
}

#[test]
fn t5_calls_are_counted_for_their_key_and_their_connection() {
    let gateway = gateway();
    gateway.usage.start();
    let call = |token, path| get(&gateway, DoorKind::Outbound, token, path);
    assert_eq!(call(PRIMARY, "/c/up/200"), 200);
    assert_eq!(call(SECONDARY, "/c/down/200"), 404);
    let expected = [
        (key("crm", "primary", ""), 1),
        (connection("up", ""), 1),
        (key("crm", "secondary", "connection_not_found"), 1),
        (connection("down", "connection_not_found"), 1),
    ];
    let counts = counted(&gateway, &expected);
    gateway.close();
    assert_eq!(counts, Counts::from(expected));
}
