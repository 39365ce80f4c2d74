//! More than a core can carry: a part is refused at once, unseen, and the rest is served; when the load falls, all are.

use crate::support::{Ask, Connection, PATIENCE, Reply, World, token};
use crate::tls::Authority;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Callers without a key who never wait for a reply before they ask for the next.
struct Flood {
    over: Arc<AtomicBool>,
    callers: Vec<JoinHandle<()>>,
    /// What they were told.
    unknown: Arc<AtomicU64>,
    overloaded: Arc<AtomicU64>,
}

const CALLERS: usize = 16;
/// Requests that a caller has under way.
const AHEAD: usize = 48;

impl Flood {
    fn at(world: &World, unknown_is: &'static str) -> Flood {
        Flood::of(world.address(), &world.get("/customers/1"), unknown_is)
    }

    fn of(address: SocketAddr, ask: &Ask, unknown_is: &'static str) -> Flood {
        let (over, counts) = (Arc::<AtomicBool>::default(), [Arc::<AtomicU64>::default(), Arc::default()]);
        let requests = Arc::new(ask.bytes().repeat(AHEAD));
        let caller = |_| {
            let (mut connection, requests) = (Connection::open(address), requests.clone());
            let (over, [unknown, overloaded]) = (over.clone(), counts.clone());
            std::thread::spawn(move || {
                while !over.load(Relaxed) {
                    connection.write(&requests);
                    for _ in 0..AHEAD {
                        match &*connection.read(false).expect("every request is answered").verdict() {
                            "503 overloaded" => &overloaded,
                            verdict if verdict == unknown_is => &unknown,
                            other => panic!("{other}"),
                        }
                        .fetch_add(1, Relaxed);
                    }
                }
            })
        };
        let callers = (0..CALLERS).map(caller).collect();
        let [unknown, overloaded] = counts.clone();
        Flood { over, callers, unknown, overloaded }
    }

    /// Ends it, and says how many requests were refused for the load and how many for their key.
    fn end(self) -> (u64, u64) {
        self.over.store(true, Relaxed);
        self.callers.into_iter().for_each(|caller| caller.join().expect("a caller saw nothing else"));
        (self.overloaded.load(Relaxed), self.unknown.load(Relaxed))
    }
}

/// Asks until one is refused for the load; returns that, and how many had another answer.
fn until_refused(mut ask: impl FnMut() -> Reply) -> (Reply, usize) {
    let deadline = Instant::now() + PATIENCE;
    for before in 0.. {
        let reply = ask();
        if reply.verdict() == "503 overloaded" {
            return (reply, before);
        }
        assert!(Instant::now() < deadline, "nothing is refused");
    }
    unreachable!("there is always one more number")
}

#[test]
fn overload_refuses_a_part_at_once_and_nothing_of_it_reaches_an_upstream() {
    let world = World::build().root("overload: { delay: 10ms }").start();
    let flood = Flood::at(&world, "401 missing_key");
    let mut caller = world.connect();
    let call = world.call("crm").bytes();
    let (refused, mut served) = until_refused(|| caller.send(&call));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.header("connection"), None, "the connection stays: another would cost more than the refusal");
    let record = world.record_of(&refused);
    assert_eq!((&record["code"], &record["whose"]), (&"overloaded".into(), &"gateway".into()));
    assert_eq!((&record["cause"], &record["key"]), (&"behind".into(), &serde_json::Value::Null));
    let told = "more requests come than a core can carry: it refuses a part of them (503 overloaded)";
    world.await_event(0, |event| event["message"] == told);
    for path in ["/healthz", "/readyz"] {
        assert_eq!(world.admin(path).status, 200, "{path}: a gateway with too much to do is alive and ready");
    }
    // Nor is everybody else refused.
    let mut refusals = 1;
    let deadline = Instant::now() + PATIENCE;
    while served == 0 {
        assert!(Instant::now() < deadline, "nobody is served");
        match &*caller.send(&call).verdict() {
            "200" => served += 1,
            "503 overloaded" => refusals += 1,
            other => panic!("{other}"),
        }
    }
    let (overloaded, _) = flood.end();
    let (deadline, mut in_a_row) = (Instant::now() + PATIENCE, 0);
    while in_a_row < 50 {
        assert!(Instant::now() < deadline, "it never catches up");
        match &*caller.send(&call).verdict() {
            "200" => (served, in_a_row) = (served + 1, in_a_row + 1),
            "503 overloaded" => (refusals, in_a_row) = (refusals + 1, 0),
            other => panic!("{other}"),
        }
    }
    assert_eq!(world.production.count(), served, "what was refused never left");
    let counted = format!("keystile_overload_refused_total {}", overloaded + refusals);
    assert!(world.metrics().lines().any(|line| line == counted), "no {counted}");
}

#[test]
fn overload_spares_the_first_request_after_a_handshake_and_no_other() {
    let ca = Authority::new();
    let (certificate, key) = ca.issue("gateway.test", |_| {});
    let world = World::build().root("overload: { delay: 10ms }").file("tls.pem", &certificate).file("tls.key", &key);
    let world = world.listener("tls: { certificate: tls.pem, key: tls.key }").outbound("max_body: 1MiB").start();
    let flood = Flood::of(world.outbound[0], &world.ask("GET", "/c/nobody/send"), "401 missing_key");
    let call = world.ask("GET", "/c/nobody/send").bytes();
    // It cost no more than it would to refuse the next one.
    until_refused(|| Connection::open(world.outbound[0]).send(&call));
    for _ in 0..20 {
        let mut caller = ca.client("gateway.test", TcpStream::connect(world.address()).unwrap());
        caller.write_all(&world.call("crm").header("connection", "close").bytes()).unwrap();
        let mut reply = Vec::new();
        caller.read_to_end(&mut reply).unwrap();
        assert!(reply.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&reply));
    }
    flood.end();
}

#[test]
fn overload_says_the_same_to_everybody_and_logs_no_secret_of_a_path() {
    let world =
        World::build().root("overload: { delay: 10ms }").listener("conceal: true").outbound("max_body: 1MiB").start();
    let flood = Flood::at(&world, "404 workflow_not_found");
    let refused = |at, ask: Ask| {
        let (mut caller, request) = (Connection::open(at), ask.bytes());
        until_refused(|| caller.send(&request)).0
    };
    let known = refused(world.address(), world.call("crm"));
    for ask in [world.get("/customers/1"), world.get("/nowhere").key("guess"), world.call("disabled")] {
        let bytes = ask.bytes();
        let unknown = refused(world.address(), ask);
        assert_eq!(unknown.anonymous(), known.anonymous(), "{:?}", String::from_utf8_lossy(&bytes));
    }
    let called = refused(world.outbound[0], world.call_out("GET", "/c/nobody/bot-secret/send"));
    assert_eq!(world.record_of(&called)["path"], "/c/nobody/…");
    flood.end();
}

#[test]
fn overload_that_is_off_refuses_nobody_however_far_a_core_is_behind() {
    let world = World::build().root("overload: { delay: false }").start();
    let flood = Flood::at(&world, "401 missing_key");
    let until = Instant::now() + Duration::from_secs(1);
    let mut caller = Connection::open(world.address());
    while Instant::now() < until {
        assert_eq!(caller.send(&world.get("/customers/1").key(&token("crm")).bytes()).verdict(), "200");
    }
    let (overloaded, unknown) = flood.end();
    assert!(overloaded == 0 && unknown >= (CALLERS * AHEAD) as u64, "{overloaded}, {unknown}");
    assert!(world.metrics().contains("keystile_core_delay_seconds_count 0\n"), "nor is anything measured");
}
